"""`afterimage split`: a server goes into a data folder of its own, which is verified as a whole."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from bot.command_line.carrying import require_database
from bot.command_line.moving import Move, carry_over, copy, servers_in, stored_lines
from bot.command_line.search import guild_of
from bot.config.loader import load
from bot.control.question import chosen_guild
from bot.observability import terminal
from indexer.bundles.moving import Copied
from indexer.settings import Settings


def run(arguments: argparse.Namespace) -> int:
    """Raises StorageError where there is no database, where a process writes one of the folders, or where the new
    folder has another server; TellPerson for an unknown server, or where nobody said yes."""
    settings = load(arguments.config, os.environ).settings
    copied = asyncio.run(_split(settings, arguments))
    deleted = not arguments.keep
    if arguments.json:
        terminal.say_json(copied.as_dict(deleted))
    else:
        terminal.say(text(copied, deleted, settings.data_dir))
    return 0


async def _split(settings: Settings, arguments: argparse.Namespace) -> Copied:
    require_database(settings)
    guild = chosen_guild(await servers_in(settings, settings.data_dir), guild_of(arguments.guild))
    move = Move(guild, settings.data_dir, arguments.folder.absolute())
    if arguments.keep:
        return await copy(settings, move, own=True, quiet=arguments.quiet)
    return await carry_over(settings, move, own=True, yes=arguments.yes, quiet=arguments.quiet)


def text(copied: Copied, deleted: bool, data_dir: Path) -> str:
    lines = stored_lines(copied)
    if not deleted:
        lines.append(f"the copy in {data_dir} was kept: let only one of both read and delete")
    else:
        lines.append(
            f"it is gone from {data_dir}; `afterimage compact` takes its bytes out of the files there, and the daily"
            " backups there keep it until then"
        )
    lines.append("copy config.toml for the new folder and set its data_dir; it belongs to the same bot")
    return "\n".join(lines)
