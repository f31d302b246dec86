"""`afterimage salvage`: a new database of what a damaged one still says."""

from __future__ import annotations

import argparse
import asyncio
import os

from bot.config.loader import load
from bot.observability import terminal
from bot.observability.work_bar import WorkBar, work_bar
from indexer.backup.salvage import Salvaged, salvage
from indexer.offline_store import open_store
from indexer.settings import Settings


def run(arguments: argparse.Namespace) -> int:
    """Raises StorageError where another process has the folder, or where nothing can be read."""
    settings = load(arguments.config, os.environ).settings
    with work_bar(quiet=arguments.quiet) as bar:
        result = asyncio.run(_salvage(settings, bar))
    if arguments.json:
        terminal.say_json(result.as_dict())
    else:
        terminal.say(text(result))
    if result.opt_outs_in_doubt:
        terminal.warn(
            "some opt-outs may be lost: before the bot starts, repeat `afterimage forget` for everybody who asked to be"
            " forgotten"
        )
    return 0


async def _salvage(settings: Settings, bar: WorkBar) -> Salvaged:
    result = await salvage(settings.data_dir, bar.show)
    bar.show("index files written", 0, None)
    async with open_store(settings) as store:
        await store.upkeep.compact_index()
    return result


def text(result: Salvaged) -> str:
    """A line a table that has rows or lost some, then what follows from it."""
    lines = []
    for name, table in result.tables.items():
        if table.kept or table.refused or table.gaps:
            lost = [f"{table.refused:,} rows refused"] if table.refused else []
            lost += [f"{table.gaps:,} stretches unreadable"] if table.gaps else []
            lines.append(f"{name}: {table.kept:,} rows kept" + (f", {', '.join(lost)}" if lost else ""))
    if result.unreadable_pages:
        lines.append(f"the disk did not give {result.unreadable_pages:,} pages: it may be about to fail")
    if result.lossless:
        lines.append("nothing is missing")
    elif result.reread is None:
        lines.append("every channel is read from Discord anew; pictures that have an embedding are not embedded again")
    elif result.reread:
        lines.append(f"in {result.reread:,} stretches of channels the bot reads what is missing from Discord anew")
    lines.append(f"the damaged files lie unchanged in {result.aside}; start the bot, then delete that folder")
    return "\n".join(lines)
