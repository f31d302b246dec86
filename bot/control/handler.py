"""What a handler of an operation is: it does what a command asks for, in the running bot or in the command itself.

A handler gets the request's values, which it must not trust, and a function to tell how far it is; what it returns is
sent back as JSON. To add one: write it beside what it needs, and add it to what `bot.app` hands to the server.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Tell = Callable[[str], None]
Values = Mapping[str, Any]
Handler = Callable[[Values, Tell], Awaitable[Values]]
