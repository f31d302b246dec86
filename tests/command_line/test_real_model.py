"""`afterimage` as a user runs it, with the demo model: the bot imports no torch, and nobody prints at the end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = re.compile(
    r"^import time:.*\|\s*(torch|torchvision|open_clip|transformers|safetensors|huggingface_hub)\b", re.M
)


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
                cwd=folder, env=kept | {"PYTHONPATH": str(ROOT)} | variables,
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


async def test_a_bot_and_a_search_import_no_torch_and_end_without_a_word_too_many(tmp_path: Path) -> None:
    bot = await Command.start(tmp_path, "run", AFTERIMAGE_LOG_FORMAT="json")
    try:
        await bot.until(lambda: "connected as" in bot.said and "model afterimage-demo ready" in bot.said)
    finally:
        code = await bot.ended(signal.SIGTERM)
    assert code == 0
    assert '"closed"' in bot.lines[-1]
    assert not IMPORTED.findall(bot.said)
    assert "leaked" not in bot.said

    configuration = ("--config", "data/sandbox/config.toml")
    for arguments in (("search", "a red bicycle", *configuration), ("status", *configuration)):
        command = await Command.start(tmp_path, *arguments)
        await command.ended()
        assert "import time:" in command.said
        assert not IMPORTED.findall(command.said)
        assert "leaked" not in command.said


async def test_a_command_that_fails_after_the_model_was_loaded_says_one_line(tmp_path: Path) -> None:
    """The interpreter's end used to add thirty lines of a library's about what it had leaked."""
    bot = await Command.start(tmp_path, "run")
    try:
        await bot.until(lambda: "connected as" in bot.said)
    finally:
        await bot.ended(signal.SIGTERM)
    search = await Command.start(tmp_path, "search", "x", "--guild", "1", "--config", "data/sandbox/config.toml")
    assert await search.ended() == 1
    assert len(search.lines) == 1
