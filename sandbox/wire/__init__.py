"""The world in Discord's JSON."""

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
"""A JSON object on its way to the bot."""
