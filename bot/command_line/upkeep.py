"""`afterimage compact`, `retry` and `forget`: writing commands, for when the bot does not run."""

from __future__ import annotations

import argparse
import asyncio
import os

from bot.config import load
from indexer.model import GuildId, UserId
from indexer.service import compact_index, forget_user, retry_failed
from indexer.storage.database import open_database
from indexer.storage.opt_outs import EVERYWHERE


def compact(arguments: argparse.Namespace) -> int:
    """Raises StorageError where a bot runs on this data folder."""
    settings = load(arguments.config, os.environ).settings

    async def work() -> None:
        async with open_database(settings.data_dir) as db:
            before = db.path.stat().st_size
            await compact_index(db, settings)
            await db.checkpoint()
            after = db.path.stat().st_size
        print(f"compacted: what was deleted has left the index; the database went from {before:,} to {after:,} bytes")

    asyncio.run(work())
    return 0


def retry(arguments: argparse.Namespace) -> int:
    """Raises StorageError where a bot runs on this data folder."""
    settings = load(arguments.config, os.environ).settings
    guild_id = None if arguments.guild is None else GuildId(arguments.guild)

    async def work() -> int:
        async with open_database(settings.data_dir) as db:
            return await retry_failed(db, guild_id)

    count = asyncio.run(work())
    print(f"{count:,} pictures will be tried again when the bot runs")
    return 0


def forget(arguments: argparse.Namespace) -> int:
    """Raises StorageError where a bot runs on this data folder."""
    settings = load(arguments.config, os.environ).settings
    where = EVERYWHERE if arguments.guild is None else GuildId(arguments.guild)

    async def work() -> int:
        async with open_database(settings.data_dir) as db:
            gone = await forget_user(db, UserId(arguments.user), where)
            await compact_index(db, settings)
            return gone

    gone = asyncio.run(work())
    print(f"{gone:,} messages are gone, and nothing new by {arguments.user} will be stored; /privacy takes that back")
    return 0
