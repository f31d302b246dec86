"""`afterimage tag`: gives tags to pictures, takes them back, and lists them."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from bot.command_line.asking import together
from bot.command_line.carrying import carrying_selections
from bot.command_line.make_sure import make_sure
from bot.command_line.question import STANDARD_INPUT, text_of
from bot.command_line.search import guild_of
from bot.command_line.targets import Target, targets_of
from bot.config.loader import load
from bot.control.handler import Handler, Values
from bot.control.selection import Selecting
from bot.control.tags import Tagging
from bot.observability import terminal
from indexer.errors import TellPerson
from indexer.offline_store import Store

AT_ONCE = 500  # pictures that one request names
SHOWN_MISSING = 20


def add(arguments: argparse.Namespace) -> int:
    """0, or 1 where a target names no picture, or nothing fits the question. Raises TellPerson, StorageError, Refused,
    RetryLater."""
    return _change(arguments, "add", "get")


def remove(arguments: argparse.Namespace) -> int:
    """As `add`."""
    return _change(arguments, "remove", "lose")


def show_list(arguments: argparse.Namespace) -> int:
    """As `add`."""
    targets = _targets(arguments) if arguments.words or arguments.file is not None else None
    found = asyncio.run(_listed(arguments, targets))
    if arguments.json:
        terminal.say_json(found)
    elif targets is None:
        lines = [f"{row['pictures']:>8,}  {row['tag']}  ({terminal.one_line(row['server'])})" for row in found["tags"]]
        terminal.say("\n".join(lines) or "no picture has a tag: `afterimage tag add TAG TARGET` gives one")
    else:
        terminal.say("\n".join(f"{row['place']}: {', '.join(row['tags']) or '(none)'}" for row in found["pictures"]))
    return _tell_of_missing(found.get("missing", ()))


async def _listed(arguments: argparse.Namespace, targets: Sequence[Target] | None) -> dict[str, Any]:
    batches = [{"guild": guild_of(arguments.guild)}] if targets is None else _batches(targets)
    parts = await _carried(arguments, "tags-list", batches)
    return {key: [row for part in parts for row in part[key]] for key in parts[0]}


def _change(arguments: argparse.Namespace, action: str, verb: str) -> int:
    tags = [tag for tag in arguments.tags.split(",") if tag.strip()]
    values = {action: tags, "dry_run": arguments.dry_run}
    if arguments.query is None:
        batches = _batches(_targets(arguments))
    elif arguments.words or arguments.file is not None:
        raise TellPerson("tag-query-alone")
    else:
        batches = [{"words": arguments.query, "guild": guild_of(arguments.guild)}]
    question = f"pictures {verb} the tags {terminal.one_line(', '.join(tags))}."
    asks = arguments.query is not None and not (arguments.yes or arguments.dry_run)
    requests = [{**values, **batch} for batch in batches]
    parts = asyncio.run(_carried(arguments, "tags-change", requests, question if asks else None))
    done = {key: sum(part[key] for part in parts) for key in ("pictures", "changed", "full")}
    missing = [text for part in parts for text in part["missing"]]
    if arguments.json:
        terminal.say_json({**done, "missing": missing, "dry_run": arguments.dry_run})
    elif arguments.dry_run:
        terminal.say(f"{done['pictures']:,} pictures would {verb} the tags; nothing was changed")
    else:
        others = done["pictures"] - done["changed"] - done["full"]
        terminal.say(f"{done['changed']:,} pictures changed" + (f"; {others:,} were so already" if others else ""))
    if done["full"]:
        terminal.warn(f"{done['full']:,} pictures would have too many tags and stay as they are")
    code = _tell_of_missing(missing)
    return code if done["pictures"] else 1


async def _carried(
    arguments: argparse.Namespace, name: str, requests: Sequence[Values], question: str | None = None
) -> list[Values]:
    """The answer of each request. Before that, where there is a `question`, what it means is counted and asked."""
    settings = load(arguments.config, os.environ).settings
    async with carrying_selections(settings, _handlers) as carry:
        if question is not None:
            with terminal.waiting("looking for a running bot", quiet=arguments.quiet) as wait:
                planned = [(await carry(name, {**request, "dry_run": True}, wait.on))[0] for request in requests]
            make_sure(f"{sum(part['pictures'] for part in planned):,} {question}")
            requests = [
                {**request, "confirmed": part["pictures"]} for request, part in zip(requests, planned, strict=True)
            ]
        with terminal.waiting("looking for a running bot", quiet=arguments.quiet) as wait:
            return [(await carry(name, request, wait.on))[0] for request in requests]


def _handlers(store: Store, selecting: Selecting) -> Mapping[str, Handler]:
    return Tagging(store, selecting).handlers()


def _targets(arguments: argparse.Namespace) -> list[Target]:
    """Those that were typed; else those of the file, or of standard input where it is a pipe."""
    if arguments.words and arguments.words != [STANDARD_INPUT]:
        if arguments.file is not None:
            raise TellPerson("tag-file-alone")
        return targets_of(arguments.words)
    if arguments.file is None and not arguments.words and terminal.asks_a_person():
        raise TellPerson("tag-nothing")
    return targets_of(text_of(arguments.file or STANDARD_INPUT).splitlines())


def _batches(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """In parts that fit into a request."""
    batches, left = [], list(targets)
    while left:
        some = list(together(left, AT_ONCE))
        batches.append({"targets": some})
        left = left[len(some) :]
    return batches or [{"targets": []}]


def _tell_of_missing(missing: Sequence[str]) -> int:
    """1 where something names no picture."""
    for text in missing[:SHOWN_MISSING]:
        terminal.warn(f"no picture is stored of {terminal.one_line(text)}")
    if len(missing) > SHOWN_MISSING:
        terminal.warn(f"and of {len(missing) - SHOWN_MISSING:,} others")
    return 1 if missing else 0
