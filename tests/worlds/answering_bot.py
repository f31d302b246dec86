"""A bot that answers commands over its socket, and commands that are given beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.app import operations
from bot.control.server import open_control
from indexer import ports
from tests.worlds.commands_here import Done, give_command
from tests.worlds.running_bot import Running, Town, indexed, town

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


async def ran(folder: Path, *arguments: str, **variables: str) -> Done:
    """A command beside the bot."""
    return await asyncio.to_thread(give_command, folder, *arguments, **variables)
