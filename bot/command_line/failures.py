"""`afterimage status --failures`: each picture that could not be read, why, and when it is tried again."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bot.config.loader import Config
from bot.links import is_discord, jump_link
from bot.observability import terminal
from bot.texts.errors import english
from indexer.errors import Rejected
from indexer.records.ids import GuildId
from indexer.reports.failures import Failure
from indexer.reports.reports import open_reports

NAME_CHARACTERS = 40  # of a name in a line


def show(config: Config, arguments: argparse.Namespace) -> None:
    """Raises StorageError where there is no database, or none that this version can read."""
    guild_id = None if arguments.guild is None else GuildId(arguments.guild)

    async def read() -> tuple[list[Failure], int]:
        async with open_reports(config.settings.data_dir) as reports:
            return await reports.failures(max(arguments.count, 0), guild_id=guild_id)

    found, total = asyncio.run(read())
    opens = is_discord(config.discord.api_base)
    if arguments.json:
        terminal.say_json({"total": total, "failures": [as_dict(failure, opens) for failure in found]})
    else:
        terminal.say(text(found, total, opens))


def text(found: Sequence[Failure], total: int, opens: bool) -> str:
    """Two lines a failure: channel, file, reason and when it is tried again; then the message."""
    if not total:
        return "every picture could be read, or waits for its turn"
    lines = []
    for failure in found:
        names = (failure.channel_name, failure.file_name)
        channel, file_name = (terminal.one_line(name, NAME_CHARACTERS) for name in names)
        lines.append(f"#{channel}  {file_name}  {english(Rejected(failure.reason))}  {_again(failure)}")
        lines.append(f"     {_link(failure, opens) or f'message {failure.message_id}'}")
    if len(found) < total:
        lines.append(f"the newest {len(found):,} of {total:,}: --count N shows more")
    return "\n".join(lines)


def as_dict(failure: Failure, opens: bool) -> dict[str, Any]:
    """For JSON. `link` is null where no link opens: the server is the sandbox's."""
    return {
        "guild_id": str(failure.guild_id),
        "channel": failure.channel_name,
        "channel_id": str(failure.channel_id),
        "message_id": str(failure.message_id),
        "link": _link(failure, opens),
        "file_name": failure.file_name,
        "reason": failure.reason.value,
        "sentence": english(Rejected(failure.reason)),
        "attempts": failure.attempts,
        "next_attempt_unix_ms": failure.next_attempt_ms,
    }


def _link(failure: Failure, opens: bool) -> str | None:
    return jump_link(failure.guild_id, failure.channel_id, failure.message_id) if opens else None


def _again(failure: Failure) -> str:
    if failure.next_attempt_ms is None:
        return "Not tried again by itself."
    due = datetime.fromtimestamp(failure.next_attempt_ms / 1000, UTC)
    return f"Tried again at {due:%Y-%m-%d %H:%M} UTC."
