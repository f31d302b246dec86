"""`afterimage move`: a server goes into another data folder of the same bot, which may have other servers."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from bot.command_line.carrying import require_database
from bot.command_line.moving import Move, as_dict, carry_over, found_in, servers_in, stored_lines
from bot.command_line.search import guild_of
from bot.config.fleet_file import FleetFile, read_fleet
from bot.config.loader import load
from bot.config.shards import shard_of
from bot.control.question import chosen_guild
from bot.observability import terminal
from indexer.bundles.moving import Copied
from indexer.errors import ConfigError, StorageError
from indexer.records.messages import Guild
from indexer.settings import Settings


def run(arguments: argparse.Namespace) -> int:
    """Raises ConfigError for a wrong fleet.toml or destination; StorageError where there is no database, where a bot
    runs on the folder that the server leaves, or for another bot's folder; TellPerson for an unknown server, or where
    nobody said yes."""
    copied, move = asyncio.run(_move(arguments))
    if arguments.json:
        terminal.say_json(as_dict(copied, move, deleted=True))
    else:
        terminal.say(text(copied, move.source))
    return 0


async def _move(arguments: argparse.Namespace) -> tuple[Copied, Move]:
    if arguments.fleet is None:
        settings = load(arguments.config, os.environ).settings
        move = await _named(settings, arguments)
    else:
        fleet = read_fleet(arguments.fleet)
        settings = load(arguments.config or fleet.config, os.environ).settings
        move = await _in_fleet(settings, fleet, arguments)
    return await carry_over(settings, move, own=False, yes=arguments.yes, quiet=arguments.quiet), move


async def _named(settings: Settings, arguments: argparse.Namespace) -> Move:
    if arguments.to is None:
        raise ConfigError("Say where the server goes: --to FOLDER, or --fleet fleet.toml.")
    require_database(settings)
    guild = chosen_guild(await servers_in(settings, settings.data_dir), guild_of(arguments.guild))
    return Move(guild, settings.data_dir, _absolute(arguments.to))


def _absolute(folder: str) -> Path:
    return Path(folder).absolute()


async def _in_fleet(settings: Settings, fleet: FleetFile, arguments: argparse.Namespace) -> Move:
    """From whichever folder of the fleet has it, to the process that serves its shard."""
    found = await found_in(settings, [process.folder for process in fleet.processes])
    guild = chosen_guild([guild for guild, _ in found.values()], guild_of(arguments.guild))
    folder = destination(fleet, guild, arguments.to)
    sources = [other for other in found[guild.id][1] if other != folder]
    if not sources:
        raise StorageError(f"{guild.name} is in {folder} already, and in no other folder of {fleet.path}.")
    return Move(guild, sources[0], folder)


def destination(fleet: FleetFile, guild: Guild, to: str | None) -> Path:
    """The folder that `to` names: a shard's number, or a path; None: the one of the server's own shard.

    Raises ConfigError for a process that does not get the server's events: it would neither read nor search the server.
    """
    own = fleet.of_guild(guild.id)
    if to is None:
        if own is None:
            raise ConfigError(f"{guild.name} is a folder of pictures, which has no shard: say --to which one it goes.")
        return own.folder
    folder = fleet.of_shard(int(to)).folder if to.isascii() and to.isdigit() else Path(to).absolute()
    if own is not None and own.folder.resolve() != folder.resolve():
        shard = shard_of(guild.id, fleet.shards)
        raise ConfigError(
            f"Discord sends the events of {guild.name} to shard {shard} of {fleet.shards}, which {own.name} serves"
            f" ({own.folder}). Another process would neither read nor search the server. Nothing was changed."
        )
    return folder


def text(copied: Copied, source: Path) -> str:
    lines = stored_lines(copied)
    lines.append(
        f"it is gone from {source}; `afterimage compact` takes its bytes out of the files there, and the daily backups"
        " there keep it until then"
    )
    lines.append(
        "the bot on the new folder must serve the server's shard: one that is not in a server forgets it in a day"
    )
    return "\n".join(lines)
