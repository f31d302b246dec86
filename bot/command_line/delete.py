"""`afterimage delete` and `undelete`: messages leave the index, and may come back."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping

from bot.command_line.carrying import carrying_selections
from bot.command_line.make_sure import make_sure
from bot.command_line.search import guild_of
from bot.config.loader import load
from bot.control.delete import Deleting
from bot.control.handler import Handler, Values
from bot.control.selection import Selecting
from bot.observability import terminal
from indexer.errors import TellPerson
from indexer.offline_store import Store

AFTERWARDS = (
    "they are in no answer any more; their bytes leave the files by themselves while the bot runs, or at once with"
    " `afterimage compact`, which also replaces the daily backups"
)


def delete(arguments: argparse.Namespace) -> int:
    """0, or 1 where nothing is meant. Raises TellPerson, StorageError, Refused, RetryLater."""
    words = " ".join(arguments.words)
    if arguments.collection is None:
        return asyncio.run(_delete(arguments, "delete", {"words": words, "guild": guild_of(arguments.guild)}))
    if words or arguments.guild is not None:
        raise TellPerson("delete-collection-alone")
    return asyncio.run(_delete(arguments, "delete-collection", {"guild": guild_of(arguments.collection)}))


async def _delete(arguments: argparse.Namespace, name: str, values: Values) -> int:
    settings = load(arguments.config, os.environ).settings
    async with carrying_selections(settings, _handlers) as carry:
        if arguments.dry_run or not arguments.yes:
            with terminal.waiting("looking for a running bot", quiet=arguments.quiet) as wait:
                planned, _ = await carry(name, {**values, "dry_run": True}, wait.on)
            if arguments.dry_run or not (planned["messages"] or "server" in planned):
                return _told(arguments, planned)
            what = f"Collection {terminal.one_line(planned['server'])}" if "server" in planned else "From the index"
            count = f"{planned['messages']:,} messages with {planned['pictures']:,} pictures"
            make_sure(f"{what}: {count} are deleted.", "delete")
            values = {**values, "confirmed": planned["messages"]}
        with terminal.waiting("deleting", quiet=arguments.quiet) as wait:
            done, _ = await carry(name, values, wait.on)
    return _told(arguments, done)


def undelete(arguments: argparse.Namespace) -> int:
    """As `delete`."""
    settings = load(arguments.config, os.environ).settings
    values = {"words": " ".join(arguments.words), "guild": guild_of(arguments.guild)}

    async def carry_out() -> Values:
        async with carrying_selections(settings, _handlers) as carry:
            return (await carry("undelete", values))[0]

    done = asyncio.run(carry_out())
    if arguments.json:
        terminal.say_json(done)
    elif done["messages"]:
        terminal.say(
            f"{done['messages']:,} messages may come back: give /reindex start in Discord, or import the archive again"
        )
    else:
        terminal.say("nothing was deleted there")
    return 0 if done["messages"] else 1


def _told(arguments: argparse.Namespace, done: Values) -> int:
    meant = done["messages"] or "server" in done  # a collection goes, also an empty one
    if arguments.json:
        terminal.say_json({**done, "dry_run": arguments.dry_run})
    elif not meant:
        terminal.say("nothing that is stored is meant; nothing was deleted")
    elif arguments.dry_run:
        terminal.say(
            f"{done['messages']:,} messages with {done['pictures']:,} pictures would be deleted; nothing was changed"
        )
    else:
        terminal.say(f"{done['deleted']:,} messages with {done['pictures']:,} pictures are deleted: {AFTERWARDS}")
    return 0 if meant else 1


def _handlers(store: Store, selecting: Selecting) -> Mapping[str, Handler]:
    return Deleting(store, selecting).handlers()
