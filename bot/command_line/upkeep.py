"""`afterimage compact`, `retry` and `forget`: done by the bot that runs, or here where none does."""

from __future__ import annotations

import argparse
import asyncio
import os

from bot.command_line.carrying import carry_out
from bot.command_line.make_sure import make_sure
from bot.config.loader import load
from bot.control.handler import Values
from bot.control.operations import upkeep
from bot.observability import terminal
from indexer.records.ids import GuildId, UserId
from indexer.reports.reports import open_reports
from indexer.settings import Settings

HELD_BY_A_READER = (
    "another process reads an older state of the database, so some deleted bytes are still in its files:"
    " end that process and give `afterimage compact`, or leave it to the bot"
)
HELD_BY_BACKUPS = (
    "the daily backups from before stay, because no new one could be made: put that right and give"
    " `afterimage compact`, or delete them yourself"
)


def compact(arguments: argparse.Namespace) -> int:
    """Raises StorageError where nothing is stored, or where whoever has the data folder takes no commands."""
    done, _ = asyncio.run(carry_out(load(arguments.config, os.environ).settings, "compact", {}, upkeep))
    terminal.say(
        f"compacted: what was deleted has left the index; the database went from {done['before']:,} to"
        f" {done['after']:,} bytes"
    )
    _tell_of_the_rest(done)
    return 0


def retry(arguments: argparse.Namespace) -> int:
    """Raises StorageError as `compact`."""
    settings = load(arguments.config, os.environ).settings
    done, by_bot = asyncio.run(carry_out(settings, "retry", {"guild": arguments.guild}, upkeep))
    when = "within a minute" if by_bot else "when the bot runs"
    terminal.say(f"{done['places']:,} pictures will be tried again {when}")
    return 0


def forget(arguments: argparse.Namespace) -> int:
    """Raises StorageError as `compact`, TellPerson where nobody said yes."""
    settings = load(arguments.config, os.environ).settings
    if not arguments.yes:
        make_sure(asyncio.run(_question(settings, arguments.user, arguments.guild)))
    done, _ = asyncio.run(carry_out(settings, "forget", {"user": arguments.user, "guild": arguments.guild}, upkeep))
    if done["messages"] is None:
        terminal.say(f"written down: the bot forgets {arguments.user} as soon as its database has a free moment")
        return 0
    terminal.say(
        f"{done['messages']:,} messages are gone, and nothing new by {arguments.user} will be stored;"
        " /privacy takes that back"
    )
    _tell_of_the_rest(done)
    return 0


async def _question(settings: Settings, user: int, guild: int | None) -> str:
    """What is about to be deleted, read beside a running bot."""
    guild_id = None if guild is None else GuildId(guild)
    async with open_reports(settings.data_dir) as reports:
        held = await reports.held(UserId(user), guild_id)
    where = "on every server" if guild is None else f"on server {guild}"
    return (
        f"Forget user {user} {where}: {held.messages:,} stored messages with {held.pictures:,} pictures are deleted"
        " for good, and nothing new by them is stored."
    )


def _tell_of_the_rest(done: Values) -> None:
    """What the files and the daily backups still hold."""
    if not done["rewritten"]:
        terminal.warn(HELD_BY_A_READER)
    if done["backups"] is None:
        terminal.warn(HELD_BY_BACKUPS)
    elif done["backups"]:
        terminal.say(f"{done['backups']:,} daily backups from before were replaced by a new one")
