"""A process that is killed in the middle of its work: both sides of it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.worlds.waiting import DEADLINE_S

_READY = "kill me now"


async def wait_to_be_killed() -> None:
    """The child's side: reports that the middle of the work is reached, and does nothing more."""
    sys.stdout.write(_READY + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def run_and_kill(module: str, data_dir: Path, *arguments: str) -> None:
    """The parent's side: runs `python -m tests.worlds.MODULE DATA_DIR …`, and kills it where it waits for that."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.worlds.{module}", str(data_dir), *arguments), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            assert (await process.stdout.readline()).decode().strip() == _READY
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
