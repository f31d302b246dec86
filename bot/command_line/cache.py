"""`afterimage cache status` and `cache clear`: beside a running bot or without one."""

from __future__ import annotations

import argparse
import asyncio
import os
from dataclasses import dataclass

from bot.command_line.carrying import carry_out, require_database
from bot.command_line.hit_text import Json
from bot.config.loader import load
from bot.control.caches import caches, status
from bot.control.client import NoBot, ask
from bot.control.handler import Values
from bot.observability import terminal
from indexer.caches import Caches, open_caches
from indexer.settings import Settings

STAYS = (
    "embeddings, compared pairs, the vector index and exported models stay: they cost hours or minutes to have again"
)


@dataclass(frozen=True, slots=True)
class _Folder:
    caches: Caches


def show_status(arguments: argparse.Namespace) -> int:
    """Raises StorageError where there is no database to read."""
    found, by_bot = asyncio.run(_status(load(arguments.config, os.environ).settings))
    if arguments.json:
        terminal.say_json({**found, "running": by_bot})
    else:
        terminal.say(text(found["caches"], by_bot))
    return 0


def clear(arguments: argparse.Namespace) -> int:
    """Raises StorageError where there is no database, or where another command writes it; RetryLater, TellPerson."""
    settings = load(arguments.config, os.environ).settings
    done, _ = asyncio.run(carry_out(settings, "cache-clear", {"older_than_s": arguments.older_than}, caches))
    if arguments.json:
        terminal.say_json(done)
        return 0
    counted = ", ".join(f"{count:,} {name}" for name, count in done["cleared"].items())
    terminal.say(f"cleared: {counted}; {STAYS}")
    return 0


async def _status(settings: Settings) -> tuple[Values, bool]:
    try:
        return await ask(settings.data_dir, "cache-status", {}, terminal.note), True
    except NoBot:
        require_database(settings)
    async with open_caches(settings) as found:
        return await status(_Folder(found), {}, terminal.note), False


def text(found: list[Json], by_bot: bool) -> str:
    """A line a cache."""
    lines = [f"{'cache':<18}{'count':>12}{'size':>12}{'hits':>10}{'misses':>10}"]
    for cache in found:
        numbers = (_number(cache["hits"]), _number(cache["misses"]))
        lines.append(
            f"{cache['name']:<18}{cache['count']:>12,}{_size(cache['bytes']):>12}{numbers[0]:>10}{numbers[1]:>10}"
        )
    since = "hits and misses: since the bot's start; of embeddings: of the last run of each server"
    lines.append(since if by_bot else "no bot runs: nothing is in memory, and nothing was counted")
    lines.append(f"`afterimage cache clear` empties {_and([cache['name'] for cache in found if cache['cleared']])}")
    return "\n".join(lines)


def _number(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _size(size: int | None) -> str:
    return "-" if size is None else f"{size / 1_000_000:,.1f} MB"


def _and(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
