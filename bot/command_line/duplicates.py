"""`afterimage duplicates`: what was posted more than once, as a table, JSON, CSV or a report in one HTML file."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from importlib import import_module

from bot.command_line.asking import asking
from bot.command_line.hit_formats import as_csv
from bot.command_line.hit_output import write
from bot.command_line.hit_text import Json, cut
from bot.command_line.search import guild_of
from bot.config.loader import load
from bot.config.tables import Config
from bot.observability import terminal

SHOWN_POSTS = 10  # of a group in the table
_COLUMNS = (
    "group", "confidence", "post", "channel", "author", "posted", "file_name", "link", "path", "message_id",
    "channel_id", "author_id", "copy", "changes",
)  # fmt: skip


def show(arguments: argparse.Namespace) -> int:
    """Raises TellPerson for filters that cannot be meant, Stop where no index can be opened, Refused, RetryLater."""
    config = load(arguments.config, os.environ)
    with terminal.waiting("looking for a running bot", quiet=arguments.quiet) as wait:
        values = {
            "words": " ".join(arguments.words),
            "guild": guild_of(arguments.guild),
            "threshold": arguments.threshold,
            "pictures": arguments.html is not None,
        }
        found = asyncio.run(collected(config, values, arguments.count, wait))
    if arguments.html is not None:
        page = import_module("bot.command_line.duplicates_html").page(found)
        write(arguments.html, page.encode())
        terminal.say(f"written: {terminal.one_line(str(arguments.html))}, {len(found['groups']):,} groups")
    elif arguments.form == "json":
        terminal.say_json(found)
    elif arguments.form == "csv":
        terminal.say(as_csv(_COLUMNS, _rows(found["groups"])))
    else:
        terminal.say(text(found, terminal.columns()))
    return 0


async def collected(config: Config, values: Json, count: int, wait: terminal.Wait) -> Json:
    """The largest `count` groups, asked for in parts that fit into an answer."""
    groups: list[Json] = []
    async with asking(config, "duplicates", wait.on) as request:
        while True:
            part = await request({**values, "skip": len(groups), "count": count - len(groups)})
            groups += part["groups"]
            if not part["groups"] or len(groups) >= min(part["group_count"], count):
                return {**part, "groups": groups}
            wait.on(f"{len(groups):,} groups so far")


def _rows(groups: Sequence[Json]) -> list[list[object]]:
    """A row a post: those of one group have its number."""
    return [
        [number, group["confidence"], at, *(post[column] for column in _COLUMNS[3:-1]), ", ".join(post["changes"])]
        for number, group in enumerate(groups, start=1)
        for at, post in enumerate(group["posts"], start=1)
    ]


def text(found: Json, columns: int | None) -> str:
    """A group is a line with its first post, then a line for each further post."""
    lines: list[str] = []
    for number, group in enumerate(found["groups"], start=1):
        times = f"{group['times']:,} times ({int(group['confidence'] * 100)} % sure)"
        lines.append(cut(f"{number:>3}. {times}  {_who(group['posts'][0])}".rstrip(), columns))
        lines += _where(group["posts"][0])
        for post in group["posts"][1:SHOWN_POSTS]:
            lines.append(cut(f"     again  {_who(post)}{_changes(post)}", columns))
            lines += _where(post)
        if group["times"] > SHOWN_POSTS:
            lines.append(f"     and {group['times'] - SHOWN_POSTS:,} more")
    if not found["groups"]:
        lines.append(f"no picture was posted again, as far as {found['threshold'] * 100:g} % sure goes")
    elif len(found["groups"]) < found["group_count"]:
        lines.append(f"the largest {len(found['groups']):,} of {found['group_count']:,} groups: --count N shows more")
    older = f", the newest of {found['total']:,}" if found["compared"] < found["total"] else ""
    lines.append(f"compared {found['compared']:,} pictures{older}")
    return "\n".join(lines)


def _who(post: Json) -> str:
    channel, author, file_name = (terminal.one_line(post[key], 40) for key in ("channel", "author", "file_name"))
    return f"#{channel or '?'}  {author}, {post['posted'][:10]}  {file_name}"


def _changes(post: Json) -> str:
    return f"  ({', '.join(post['changes'])})" if post["changes"] else ""


def _where(post: Json) -> list[str]:
    """The post's link, the file, or both; its id where there is neither."""
    found = [post["link"], terminal.one_line(post["path"]) if post["path"] else None]
    return [f"     {line}" for line in found if line] or [f"     message {post['message_id']}"]
