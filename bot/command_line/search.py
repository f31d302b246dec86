"""`afterimage search`: asked of the running bot, which has the model in memory, or answered here where none runs.

The bot is asked with next to nothing imported: what opens an index stands in `search_here`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from bot.config.loader import Config, load
from bot.control.client import NoBot, ask
from bot.observability import terminal
from indexer.errors import TellPerson

NAME_CHARACTERS = 60  # of a name in a line
# Loading a model from a slow disk takes a minute; whoever waits sees what for, and Ctrl-C ends it.
ANSWER_S = 600.0


def search(arguments: argparse.Namespace) -> int:
    """Raises TellPerson for a question that cannot be asked, Stop where the index or the model cannot be opened,
    Refused with the running bot's sentence."""
    config = load(arguments.config, os.environ)
    values = {"words": arguments.words, "guild": arguments.guild, "count": arguments.count}
    picture = b""
    if arguments.image is not None:
        picture = _bytes(arguments.image, config.settings.fetch.max_download_bytes)
        values["file"] = str(arguments.image)
    with terminal.waiting("looking for a running bot") as wait:
        found = asyncio.run(_found(config, values, picture if arguments.image is not None else None, wait))
    if arguments.json:
        terminal.say_json(found)
    else:
        terminal.say(as_text(found))
    return 0


async def _found(
    config: Config, values: dict[str, Any], picture: bytes | None, wait: terminal.Wait
) -> Mapping[str, Any]:
    data_dir = config.settings.data_dir
    try:
        wait.on("asking the running bot")
        return await ask(data_dir, "search", values, wait.on, attached=picture, deadline_s=ANSWER_S)
    except NoBot:
        wait.on(f"no bot runs on {data_dir}: loading the model {config.settings.model.name} here")
        here = import_module("bot.command_line.search_here")
        given = values if picture is None else values | {"attached": picture}
        found: Mapping[str, Any] = await here.search_here(config, given, wait.on)
        return found


def _bytes(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise TellPerson("cli-file-too-large", path=str(path), most=most)
        return path.read_bytes()
    except OSError as error:
        raise TellPerson("cli-file-unreadable", path=str(path), error=error.strerror or "") from error


def as_text(found: Mapping[str, Any]) -> str:
    """Two lines a hit: how close, where, who and when; then the link, or the message's id where no link opens."""
    lines = []
    for rank, hit in enumerate(found["hits"], start=1):
        day = datetime.fromtimestamp(hit["unix_ms"] / 1000, UTC).date().isoformat()
        more = f", and {hit['shown_elsewhere']} times elsewhere" if hit["shown_elsewhere"] else ""
        labels = (hit["channel"] or "?", hit["author"], hit["file_name"])
        channel, author, file_name = (terminal.one_line(label, NAME_CHARACTERS) for label in labels)
        close = f"{hit['named']}  " if hit["named"] else ""
        lines.append(f"{rank:>3}. {close}#{channel}  {author}, {day}{more}  {file_name}")
        lines.append(f"     {hit['link'] or 'message ' + hit['message_id']}")
        if hit["path"]:
            lines.append(f"     {terminal.one_line(hit['path'])}")
    if not lines:
        lines.append("nothing close enough")
    lines.append(f"searched {found['searched']:,} pictures in {found['stage_ms'].get('total', 0.0):.1f} ms")
    return "\n".join(lines)
