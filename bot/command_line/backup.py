"""`afterimage backup`: one file with everything that is stored, made beside a running bot too."""

from __future__ import annotations

import argparse
import asyncio
import os

from bot.config.loader import load
from bot.observability import terminal
from bot.observability.work_bar import work_bar
from indexer.backup.make import Made, make_backup
from indexer.platforms.processes import NICE, lower_priority


def run(arguments: argparse.Namespace) -> int:
    """Raises StorageError where there is no sound database or the file cannot be written, DiskFull without room."""
    lower_priority(NICE)  # a bot that indexes beside it goes first
    settings = load(arguments.config, os.environ).settings
    with work_bar(quiet=arguments.quiet) as bar:
        made = asyncio.run(make_backup(settings.data_dir, arguments.file.absolute(), bar.show))
    if arguments.json:
        terminal.say_json(made.as_dict())
    else:
        terminal.say(text(made))
    return 0


def text(made: Made) -> str:
    return (
        f"{made.path}: {made.byte_count:,} bytes, as of {made.manifest.created}\n"
        f"  {made.manifest.counted}\n"
        "Keep it as you keep members' messages: what is deleted or forgotten from now on stays in this file."
    )
