"""`afterimage restore`: a backup takes the place of the data folder's database."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from bot.config.loader import load
from bot.observability import terminal
from bot.observability.work_bar import WorkBar, work_bar
from indexer.backup.restore import Restored, check_backup, restore_backup
from indexer.errors import ConfigError
from indexer.offline_store import open_store
from indexer.settings import Settings


def run(arguments: argparse.Namespace) -> int:
    """Raises StorageError where the file is not whole, or the folder is in use or has a database; DiskFull."""
    settings = load(arguments.config, os.environ).settings
    if arguments.from_storage and (arguments.check or not settings.fleet.storage):
        raise ConfigError("--from-storage restores what fleet.storage has: set it, and leave --check out")
    file = None if arguments.file is None else arguments.file.absolute()
    if arguments.check and file is not None:
        return _check(file, arguments)
    with work_bar(quiet=arguments.quiet) as bar:
        restored = asyncio.run(_restore(settings, file, arguments.replace, bar))
    if arguments.json:
        terminal.say_json(restored.as_dict())
    else:
        terminal.say(text(restored))
    if restored.carried_over is None and settings.fleet.storage:
        terminal.say(
            f"what members were promised since is known from {terminal.one_line(settings.fleet.storage)}, and holds;"
            " keys of the HTTP interface are revoked: make new ones"
        )
    elif restored.carried_over is None:
        since = "this backup was made" if restored.manifest is None else restored.manifest.created
        terminal.warn(
            f"no former database could be read, so whatever members had deleted or forgotten since {since} is not known"
            " here: repeat each `afterimage forget` of that time before the bot starts, and tell members who used"
            " /privacy since then to give it again. Keys of the HTTP interface are revoked: make new ones"
        )
    return 0


def _check(file: Path, arguments: argparse.Namespace) -> int:
    with work_bar(quiet=arguments.quiet) as bar:
        contents = asyncio.run(check_backup(file, bar.show))
    manifest = contents.manifest
    if arguments.json:
        terminal.say_json({"whole": True, "manifest": None if manifest is None else manifest.as_dict()})
    elif manifest is None:
        terminal.say(f"{file} is an SQLite file without a manifest; restoring it checks its rows first")
    else:
        terminal.say(f"{file} is whole: as of {manifest.created}, schema {manifest.schema}, {manifest.counted}")
    return 0


async def _restore(settings: Settings, file: Path | None, replace: bool, bar: WorkBar) -> Restored:
    """`file` None: the newest good one of the storage."""
    if file is None:
        from indexer.fleet.backups import restore_newest  # imported where there is a storage

        restored, name = await restore_newest(settings, bar.show, replace=replace)
        terminal.note(f"restored {name}")
    else:
        restored = await restore_backup(settings.data_dir, file, bar.show, replace=replace)
    bar.show("index files written", 0, None)
    async with open_store(settings) as store:
        await store.upkeep.compact_index()
    return restored


def text(restored: Restored) -> str:
    lines = ["the backup is in place"]
    if restored.manifest is not None:
        lines[0] += f": as of {restored.manifest.created}, {restored.manifest.counted}"
    if restored.aside is not None:
        lines.append(f"the former files lie in {restored.aside}: delete that folder when you no longer need it")
    carried = restored.carried_over
    if carried is not None:
        lines.append(
            f"made after the backup, and carried over: {carried.opt_outs:,} opt-outs, {carried.deletions:,} deletions;"
            f" {carried.messages:,} messages of the backup were deleted for that"
        )
    lines.append("start the bot: it reads what was posted after the backup")
    return "\n".join(lines)
