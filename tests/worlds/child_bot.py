"""`afterimage` as a process that a test starts, reads and ends. The model is the substitute of `bot_child`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sandbox.server import Sandbox
from tests.worlds.waiting import DEADLINE_S, until

ROOT = Path(__file__).resolve().parents[2]


class Child:
    """A running `afterimage`; its output is collected."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said = ""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.said += line.decode()

    async def says(self, text: str) -> None:
        async def said() -> bool:
            assert self.process.returncode is None or text in self.said, self.said
            return text in self.said

        await until(said)

    async def ended(self) -> int:
        async with asyncio.timeout(DEADLINE_S):
            code = await self.process.wait()
            await self._reading
        return code


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
    return {**kept, "PYTHONPATH": str(ROOT), "AFTERIMAGE_DECODE_WORKERS": "1", **more}


@asynccontextmanager
async def child(folder: Path, *arguments: str, **variables: str) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.worlds.bot_child", *arguments),
        cwd=folder,
        env=environment(**variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    started = Child(process)
    try:
        yield started
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await started._reading


def joining(sandbox: Sandbox, **more: str) -> dict[str, str]:
    return {
        "AFTERIMAGE_DISCORD_API_BASE": sandbox.api_base,
        "AFTERIMAGE_DISCORD_TOKEN": sandbox.token,
        "AFTERIMAGE_FETCH_INSECURE_HOSTS": sandbox.cdn_host,
        "AFTERIMAGE_LOG_LEVEL": "debug",
        **more,
    }
