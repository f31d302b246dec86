"""The end of a child process that was told to end."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from indexer.platforms.processes import kill


async def ended(process: asyncio.subprocess.Process, within_s: float) -> int:
    """Waits for a process that has been told to end, and ends it where it takes longer. Returns its exit status."""
    try:
        async with asyncio.timeout(within_s):
            return await process.wait()
    except TimeoutError:
        with suppress(OSError):
            kill(process.pid)
        return await process.wait()
