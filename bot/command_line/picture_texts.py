"""`afterimage ocr` and `afterimage captions`: how far the reading of words in pictures, or the describing of pictures,
is; what is to be read first or anew; reads where no bot runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bot.command_line.carrying import Carry, carrying
from bot.command_line.search import guild_of
from bot.config.loader import load
from bot.control.handler import Tell, Values
from bot.control.picture_texts import captions_text, ocr_text, picture_texts
from bot.observability import terminal
from indexer.errors import TellPerson
from indexer.offline_store import Store
from indexer.picture_texts.opening import read_archives
from indexer.settings import Settings

LOOK_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class _Command:
    """`name` is the command's, its operation's and its settings'. `off`: what to say where it is switched off."""

    name: str
    counts_text: Callable[[Values], str]
    off: str


_COMMANDS = {
    "ocr": _Command("ocr", ocr_text, "reading words is off"),
    "captions": _Command("captions", captions_text, "describing pictures is off"),
}


def run(arguments: argparse.Namespace) -> int:
    """Raises StorageError where nothing is stored; TellPerson for a channel that is not there, or where pictures are to
    be read and that is off; ConfigError where the reader is not there.
    """
    settings = load(arguments.config, os.environ).settings
    command = _COMMANDS[arguments.command]
    counts, by_bot = asyncio.run(_carried_out(settings, command, arguments))
    if arguments.json:
        terminal.say_json({**counts, "running": by_bot})
        return 0
    terminal.say(command.counts_text(counts))
    if not counts["enabled"]:
        where = "and start the bot (docs/configuration.md)"
        terminal.say(f"{command.off}: set {command.name}.enabled = true, {where}")
    elif not by_bot and counts["left"]:
        terminal.say(f"no bot runs: it goes on when the bot does, or with `afterimage {command.name} --read`")
    return 0


async def _carried_out(settings: Settings, command: _Command, arguments: argparse.Namespace) -> tuple[Values, bool]:
    wanted = {"channels": arguments.channel or [], "guild": guild_of(arguments.guild), "again": arguments.again}
    async with carrying(
        settings, lambda store: {**picture_texts(store), "read": partial(_read, settings, store, command)}
    ) as carry:
        counts, by_bot = await carry(command.name, wanted)
        if not arguments.read:
            return counts, by_bot
        if not counts["enabled"]:
            raise TellPerson(f"cli-{command.name}-off")
        return (await _follow(carry, command, counts) if by_bot else (await carry("read", {}))[0]), by_bot


async def _follow(carry: Carry, command: _Command, counts: Values) -> Values:
    """Tells how far the running bot is, until it has read everything."""
    while counts["left"]:
        terminal.note(command.counts_text(counts))
        await asyncio.sleep(LOOK_EVERY_S)
        counts, _ = await carry(command.name, {})
    return counts


async def _read(settings: Settings, store: Store, command: _Command, values: Values, tell: Tell) -> Values:
    """Reads, in this process, everything of which an archive has a file."""
    told_s = time.monotonic()

    def told(counts: Mapping[str, int]) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= LOOK_EVERY_S:
            told_s = time.monotonic()
            tell(command.counts_text(counts))

    requests = store.ocr if command.name == "ocr" else store.captions
    await read_archives(settings, requests, told)
    return {**await requests.counts(), "enabled": True}
