"""`afterimage ocr`: how far the reading of words in pictures is, what is to be read first or anew; reads where no bot
runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Mapping
from functools import partial

from bot.command_line.carrying import Carry, carrying
from bot.command_line.search import guild_of
from bot.config.loader import load
from bot.control.ocr import counts_text, ocr
from bot.control.operations import Tell, Values
from bot.observability import terminal
from indexer.errors import TellPerson
from indexer.ocr.opening import read_archives
from indexer.offline_store import Store
from indexer.settings import Settings

LOOK_EVERY_S = 5.0


def run(arguments: argparse.Namespace) -> int:
    """Raises StorageError where nothing is stored; TellPerson for a channel that is not there, or where pictures are to
    be read and that is off; ConfigError where the reader is not there.
    """
    settings = load(arguments.config, os.environ).settings
    counts, by_bot = asyncio.run(_carried_out(settings, arguments))
    if arguments.json:
        terminal.say_json({**counts, "running": by_bot})
        return 0
    terminal.say(counts_text(counts))
    if not counts["enabled"]:
        terminal.say("reading words is off: set ocr.enabled = true, and start the bot (docs/configuration.md)")
    elif not by_bot and counts["left"]:
        terminal.say("no bot runs: it goes on when the bot does, or with `afterimage ocr --read`")
    return 0


async def _carried_out(settings: Settings, arguments: argparse.Namespace) -> tuple[Values, bool]:
    wanted = {"channels": arguments.channel or [], "guild": guild_of(arguments.guild), "again": arguments.again}
    async with carrying(settings, lambda store: {**ocr(store), "ocr-read": partial(_read, settings, store)}) as carry:
        counts, by_bot = await carry("ocr", wanted)
        if not arguments.read:
            return counts, by_bot
        if not counts["enabled"]:
            raise TellPerson("cli-ocr-off")
        return (await _follow(carry, counts) if by_bot else (await carry("ocr-read", {}))[0]), by_bot


async def _follow(carry: Carry, counts: Values) -> Values:
    """Tells how far the running bot is, until it has read everything."""
    while counts["left"]:
        terminal.note(counts_text(counts))
        await asyncio.sleep(LOOK_EVERY_S)
        counts, _ = await carry("ocr", {})
    return counts


async def _read(settings: Settings, store: Store, values: Values, tell: Tell) -> Values:
    """Reads, in this process, everything of which an archive has a file."""
    told_s = time.monotonic()

    def told(counts: Mapping[str, int]) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= LOOK_EVERY_S:
            told_s = time.monotonic()
            tell(counts_text(counts))

    await read_archives(settings, store.ocr, told)
    return {**await store.ocr.counts(), "enabled": True}
