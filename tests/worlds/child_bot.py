"""`afterimage` as a process that a test starts, reads and ends. The model is the substitute of `bot_child`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sandbox.server import Sandbox
from tests.worlds import bot_child
from tests.worlds.forked import as_command, forking
from tests.worlds.waiting import until

ROOT = Path(__file__).resolve().parents[2]


class Child:
    """A running `afterimage`; its output is collected."""

    def __init__(self, process: Any, output: Connection) -> None:
        self._process = process
        self.said = ""
        self._reading = asyncio.create_task(asyncio.to_thread(self._read, output))

    def _read(self, output: Connection) -> None:
        with open(output.fileno(), encoding="utf-8", closefd=False) as lines, output:
            for line in lines:
                self.said += line

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def runs(self) -> bool:
        return bool(self._process.is_alive())

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def says(self, text: str) -> None:
        def said() -> bool:
            assert self._process.is_alive() or not self._reading.done() or text in self.said, self.said
            return text in self.said

        await until(said)

    async def ended(self) -> int:
        """Its exit code."""
        await until(self._reading.done)
        await until(lambda: self._process.exitcode is not None)
        return int(self._process.exitcode)

    async def end(self) -> None:
        """Kills it where it has not ended."""
        self._process.kill()
        await self.ended()
        self._process.close()


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
    return {**kept, "PYTHONPATH": str(ROOT), "AFTERIMAGE_DECODE_WORKERS": "1", **more}


@asynccontextmanager
async def child(folder: Path, *arguments: str, **variables: str) -> AsyncIterator[Child]:
    async with child_at(None, folder, *arguments, **variables) as started:
        yield started


@asynccontextmanager
async def child_at(screen: int | None, folder: Path, *arguments: str, **variables: str) -> AsyncIterator[Child]:
    """`screen`: the terminal at which the command is given; this closes it. What it writes there is not collected."""
    context = forking()
    output, its_output = context.Pipe(duplex=False)
    terminal = None if screen is None else Connection(screen)
    given = (its_output, terminal, bot_child.main, folder, arguments, environment(**variables))
    process = context.Process(target=as_command, args=given)
    await asyncio.to_thread(process.start)
    its_output.close()
    if terminal is not None:
        terminal.close()
    started = Child(process, output)
    try:
        yield started
    finally:
        await started.end()


def joining(sandbox: Sandbox, **more: str) -> dict[str, str]:
    return {
        "AFTERIMAGE_DISCORD_API_BASE": sandbox.api_base,
        "AFTERIMAGE_DISCORD_TOKEN": sandbox.token,
        "AFTERIMAGE_FETCH_INSECURE_HOSTS": sandbox.cdn_host,
        "AFTERIMAGE_LOG_LEVEL": "debug",
        **more,
    }
