"""Waiting for conditions that no event reports."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

DEADLINE_S = 120.0  # seconds; only a test that hangs reaches it, also on a busy machine that is many times slower


async def until(holds: Callable[[], Awaitable[object] | object]) -> None:
    """Asks every 10 ms until the answer is true. Raises TimeoutError after DEADLINE_S."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer = holds()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.01)


async def until_equals(wanted: object, ask: Callable[[], Awaitable[object]]) -> None:
    """Asks every 10 ms until the answer equals the wanted value. Raises TimeoutError after DEADLINE_S."""

    async def equals() -> bool:
        return await ask() == wanted

    await until(equals)
