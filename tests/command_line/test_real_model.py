"""`afterimage` as a user runs it, with the demo model: the bot imports no torch, and nobody prints at the end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("real model")]

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = re.compile(
    r"^import time:.*\|\s*(torch|torchvision|open_clip|transformers|safetensors|huggingface_hub)\b", re.M
)
# A model that is told how to run tries no ways to: that is 3 s of a processor each time, and test_model.py's matter.
AS_TOLD = {"AFTERIMAGE_MODEL_PRECISION": "float32", "AFTERIMAGE_MODEL_STREAMS": "1"}


class Command:
    """`afterimage …` as a process; what it says and each of its imports is in `said`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._reading = asyncio.create_task(self._read())
        self.said = ""

    @classmethod
    async def start(cls, folder: Path, *arguments: str, **variables: str) -> Command:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-X", "importtime", "-m", "bot", *arguments,
                cwd=folder, env=kept | {"PYTHONPATH": str(ROOT)} | AS_TOLD | variables,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )
        )  # fmt: skip

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while chunk := await self._process.stdout.read(65536):
            self.said += chunk.decode()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(250):
            while not holds():
                assert not self._reading.done(), self.said
                await asyncio.sleep(0.02)

    async def ended(self, number: signal.Signals | None = None) -> int:
        """Its exit code, after a signal where one is given."""
        if number is not None:
            self._process.send_signal(number)
        async with asyncio.timeout(250):
            await self._reading
            return await self._process.wait()

    @property
    def lines(self) -> list[str]:
        """What it said, without the imports."""
        return [line for line in self.said.splitlines() if not line.startswith("import time:")]


@dataclass(frozen=True)
class Ran:
    """A bot that served the demo's server and was ended; commands read what it left in `folder`."""

    folder: Path
    bot: Command
    code: int

    async def command(self, *arguments: str) -> Command:
        return await Command.start(self.folder, *arguments, "--config", "data/sandbox/config.toml")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("bot")
    bot = await Command.start(folder, "run", AFTERIMAGE_LOG_FORMAT="json")
    try:
        await bot.until(lambda: "connected as" in bot.said and "model afterimage-demo ready" in bot.said)
    finally:
        code = await bot.ended(signal.SIGTERM)
    return Ran(folder, bot, code)


async def test_a_bot_imports_no_torch_and_ends_without_a_word_too_many(ran: Ran) -> None:
    assert ran.code == 0
    assert '"closed"' in ran.bot.lines[-1]
    assert not IMPORTED.findall(ran.bot.said)
    assert "leaked" not in ran.bot.said


@pytest.mark.parametrize("arguments", [("search", "a red bicycle"), ("status",)])
async def test_a_command_imports_no_torch_and_ends_without_a_word_too_many(
    ran: Ran, arguments: tuple[str, ...]
) -> None:
    command = await ran.command(*arguments)
    await command.ended()
    assert "import time:" in command.said
    assert not IMPORTED.findall(command.said)
    assert "leaked" not in command.said


async def test_a_command_that_fails_after_the_model_was_loaded_says_one_line(ran: Ran) -> None:
    """The interpreter's end used to add thirty lines of a library's about what it had leaked."""
    search = await ran.command("search", "x", "--guild", "1")
    assert await search.ended() == 1
    assert len(search.lines) == 1
