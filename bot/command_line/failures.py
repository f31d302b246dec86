"""`afterimage failures`: each picture that could not be read: what, where, why, and when it is tried again."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bot.command_line.carrying import carry_out
from bot.command_line.hit_formats import as_csv
from bot.command_line.hit_text import cut
from bot.command_line.search import guild_of
from bot.config.loader import load
from bot.control.operations import upkeep
from bot.control.question import where
from bot.links import is_discord, message_link
from bot.observability import terminal
from bot.texts.errors import english
from indexer.errors import Reason, Rejected
from indexer.records.ids import GuildId
from indexer.reports.failures import Failure
from indexer.reports.reports import open_reports
from indexer.settings import Settings

NAME_CHARACTERS = 40  # of a name in a line
_COLUMNS = (
    "server", "channel", "file_name", "reason", "sentence", "attempts", "next_attempt", "link", "message_id",
    "channel_id", "guild_id",
)  # fmt: skip


def show(arguments: argparse.Namespace) -> int:
    """Raises StorageError where there is no database, or none that this version can read, TellPerson for a server that
    is not in the index; with --retry as `retry`."""
    config = load(arguments.config, os.environ)
    settings = config.settings
    if arguments.retry is not None:
        return _retry(settings, arguments)
    reasons = None if arguments.reason is None else [Reason(reason) for reason in arguments.reason]

    async def read() -> tuple[list[Failure], int]:
        async with open_reports(settings.data_dir) as reports:
            guild_id = None if arguments.guild is None else (await where(reports, guild_of(arguments.guild))).guild_id
            return await reports.failures(arguments.count, guild_id=guild_id, reasons=reasons)

    found, total = asyncio.run(read())
    opens = is_discord(config.discord.api_base)
    rows = [as_dict(failure, opens) for failure in found]
    if arguments.form == "json":
        terminal.say_json({"total": total, "failures": rows})
    elif arguments.form == "csv":
        terminal.say(as_csv(_COLUMNS, ([row[column] for column in _COLUMNS] for row in rows)))
    else:
        terminal.say(text(found, total, opens, terminal.columns()))
    return 0


def _retry(settings: Settings, arguments: argparse.Namespace) -> int:
    async def give() -> tuple[int, bool]:
        guild_id: GuildId | None = None
        if arguments.guild is not None:
            async with open_reports(settings.data_dir) as reports:
                guild_id = (await where(reports, guild_of(arguments.guild))).guild_id
        done, by_bot = await carry_out(settings, "retry", {"guild": guild_id, "reasons": arguments.retry}, upkeep)
        return int(done["places"]), by_bot

    count, by_bot = asyncio.run(give())
    when = "within a minute" if by_bot else "when the bot runs"
    if arguments.form == "json":
        terminal.say_json({"places": count, "by_running_bot": by_bot})
    else:
        terminal.say(f"{count:,} pictures will be tried again {when}")
    return 0


def text(found: Sequence[Failure], total: int, opens: bool, columns: int | None) -> str:
    """Two lines a failure: channel, file, reason and when it is tried again; then the message."""
    if not total:
        return "every picture could be read, or waits for its turn"
    lines = []
    for failure in found:
        names = (failure.channel_name, failure.file_name)
        channel, file_name = (terminal.one_line(name, NAME_CHARACTERS) for name in names)
        lines.append(cut(f"#{channel}  {file_name}", columns))
        lines.append(f"     {failure.reason.value}: {english(Rejected(failure.reason))} {_again(failure)}")
        lines.append(f"     {_link(failure, opens) or f'message {failure.message_id}'}")
    if len(found) < total:
        lines.append(f"the newest {len(found):,} of {total:,}: --count N shows more")
    return "\n".join(lines)


def as_dict(failure: Failure, opens: bool) -> dict[str, Any]:
    """For programs. `link` is null where no link opens: the server is the sandbox's."""
    due = failure.next_attempt_ms
    return {
        "guild_id": str(failure.guild_id),
        "server": failure.guild_name,
        "channel": failure.channel_name,
        "channel_id": str(failure.channel_id),
        "message_id": str(failure.message_id),
        "link": _link(failure, opens),
        "file_name": failure.file_name,
        "reason": failure.reason.value,
        "sentence": english(Rejected(failure.reason)),
        "attempts": failure.attempts,
        "next_attempt": None if due is None else datetime.fromtimestamp(due / 1000, UTC).isoformat(timespec="seconds"),
        "next_attempt_unix_ms": due,
    }


def _link(failure: Failure, opens: bool) -> str | None:
    return message_link(failure.guild_id, failure.channel_id, failure.message_id, opens=opens)


def _again(failure: Failure) -> str:
    if failure.next_attempt_ms is None:
        return "Not tried again by itself."
    due = datetime.fromtimestamp(failure.next_attempt_ms / 1000, UTC)
    return f"Tried again at {due:%Y-%m-%d %H:%M} UTC."
