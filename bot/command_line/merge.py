"""`afterimage merge`: another installation's data folder comes into this one."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.command_line.import_bundle import brought_lines
from bot.config.loader import load
from bot.control.client import NoBot, ask
from bot.observability import terminal
from bot.observability.work_bar import WorkBar, work_bar
from indexer.bundles.merge import merge, survey_merge
from indexer.errors import TellPerson
from indexer.offline_store import open_store
from indexer.settings import Settings


def run(arguments: argparse.Namespace) -> int:
    """Raises StorageError where there is no database in one of the folders, where a process writes the other one, or
    where it is another bot's; TellPerson where it is no folder."""
    settings = load(arguments.config, os.environ).settings
    folder = arguments.folder.absolute()
    if not folder.is_dir():
        raise TellPerson("cli-no-folder", path=str(folder))
    with work_bar(quiet=arguments.quiet) as bar:
        done = asyncio.run(_merge(settings, folder, arguments, bar))
    if arguments.json:
        terminal.say_json(done)
    else:
        terminal.say(text(done, arguments.dry_run))
    return 0


async def _merge(settings: Settings, folder: Path, arguments: argparse.Namespace, bar: WorkBar) -> Mapping[str, Any]:
    if arguments.dry_run:
        return (await survey_merge(settings, folder, bar.show, adopt=arguments.adopt)).as_dict()
    try:
        values = {"folder": str(folder), "adopt": arguments.adopt}
        return await ask(settings.data_dir, "merge", values, terminal.note)
    except NoBot:
        pass
    async with open_store(settings) as store:
        merged = await merge(store, settings, folder, bar.show, adopt=arguments.adopt, alone=True)
        bar.show("index files written", 0, None)
        await store.upkeep.compact_index()
    return merged.as_dict()


def text(done: Mapping[str, Any], dry_run: bool) -> str:
    lines = [str(done["folder"]), *brought_lines(done, dry_run)]
    if dry_run:
        lines.append("nothing was stored: this was a dry run")
    else:
        lines.append(
            "the other folder is as it was: delete it when all is well, and never start a bot on it again (it would not"
            " learn what is deleted or forgotten from now on)"
        )
    return "\n".join(lines)
