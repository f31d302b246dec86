"""A bot that answers commands over its socket, and commands as processes of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.app import operations
from bot.control.server import open_control
from indexer import ports
from tests.worlds.running_bot import Running, Town, indexed, town
from tests.worlds.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 100_000


@asynccontextmanager
async def answering(tmp_path: Path, encoder: ports.Encoder | None = None) -> AsyncIterator[tuple[Running, Town]]:
    """A bot with its socket. Its data folder is named `data`, and its model is none that a command could open."""
    place = town()
    async with indexed(place, tmp_path / "data", encoder=encoder) as bot:
        handlers = operations(bot.client._config, bot.service)
        async with open_control(tmp_path / "data", handlers, 5.0, attached_bytes=MOST_BYTES):
            yield bot, place


async def ran(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bot", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
