"""Looks for what is new every few seconds, as long as the bot runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LOOK_S = 5.0  # between two rounds
AGAIN_S = 60.0  # after a round in which something failed


async def keep(look: Callable[[], Awaitable[bool]]) -> None:
    """Runs a round, again and again, until cancelled. `look` returns False where something failed."""
    while True:
        succeeded = await look()
        await asyncio.sleep(LOOK_S if succeeded else AGAIN_S)
