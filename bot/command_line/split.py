"""`afterimage split`: a server goes into a data folder of its own."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from bot.command_line.make_sure import make_sure
from bot.command_line.search import guild_of
from bot.config.loader import load
from bot.control.question import where
from bot.observability import terminal
from bot.observability.work_bar import WorkBar, work_bar
from indexer.bundles.split import Copied, copy_out
from indexer.offline_store import Store, open_store
from indexer.records.ids import GuildId
from indexer.reports.reports import open_reports
from indexer.settings import Settings


def run(arguments: argparse.Namespace) -> int:
    """Raises StorageError where there is no database, where a process writes one of the folders, or where the new
    folder has another server; TellPerson for an unknown server, or where nobody said yes."""
    settings = load(arguments.config, os.environ).settings
    copied, deleted = asyncio.run(_split(settings, arguments))
    if arguments.json:
        terminal.say_json(copied.as_dict(deleted))
    else:
        terminal.say(text(copied, deleted, settings.data_dir))
    return 0


async def _split(settings: Settings, arguments: argparse.Namespace) -> tuple[Copied, bool]:
    async with open_reports(settings.data_dir) as reports:
        guild_id = (await where(reports, guild_of(arguments.guild))).guild_id
    folder = arguments.folder.absolute()
    async with _alone(settings, arguments.keep) as store:
        with work_bar(quiet=arguments.quiet) as bar:
            copied = await copy_out(settings.data_dir, guild_id, folder, bar.show)
            await _write_index(replace(settings, data_dir=folder), bar)
        if store is None:
            return copied, False
        if not arguments.yes:
            await asyncio.to_thread(_ask, copied, settings.data_dir)
        await _delete(store, guild_id, arguments.quiet)
        return copied, True


@asynccontextmanager
async def _alone(settings: Settings, keep: bool) -> AsyncIterator[Store | None]:
    """From the copy to the deletion nobody may write: what came in between would be lost. None: nothing is deleted."""
    if keep:
        yield None
        return
    async with open_store(settings) as store:
        yield store


async def _write_index(settings: Settings, bar: WorkBar) -> None:
    bar.show("index files written", 0, None)
    async with open_store(settings) as store:
        await store.upkeep.compact_index()


def _ask(copied: Copied, data_dir: Path) -> None:
    make_sure(
        f"The server is whole in {copied.folder}: every row was compared. Its copy in {data_dir} is deleted now"
        " (--keep keeps it)."
    )


async def _delete(store: Store, guild_id: GuildId, quiet: bool) -> None:
    with work_bar(quiet=quiet) as bar:
        bar.show("server deleted here", 0, None)
        await store.forget_guild(guild_id)
        await store.upkeep.compact_index()


def text(copied: Copied, deleted: bool, data_dir: Path) -> str:
    stored = copied.stored
    lines = [
        f"{copied.folder} has the server: {stored.messages + stored.known:,} messages, {stored.embeddings:,} embeddings"
        " came in, and every row was compared"
    ]
    if not deleted:
        lines.append(f"the copy in {data_dir} was kept: let only one of both read and delete")
    else:
        lines.append(
            f"it is gone from {data_dir}; `afterimage compact` takes its bytes out of the files there, and the daily"
            " backups there keep it until then"
        )
    lines.append("copy config.toml for the new folder and set its data_dir; it belongs to the same bot")
    return "\n".join(lines)
