"""`afterimage status`: what is indexed, read beside a running bot without disturbing it."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.config.loader import load
from bot.config.shards import ShardRange
from bot.control.client import NoBot, Refused, ask
from bot.control.picture_texts import captions_text, ocr_text
from bot.observability import terminal
from indexer.errors import RetryLater
from indexer.pictures.decoder import Readers, describe_readers
from indexer.records.messages import Guild
from indexer.reports.reports import open_reports
from indexer.reports.status import Counts, Status

ANSWER_S = 10.0
FAULT_CHARACTERS = 300  # of a fault's cause
UNFINISHED = {"running": "being read", "paused": "paused"}  # states of a job, and what its server is then


def show(arguments: argparse.Namespace) -> int:
    """Raises StorageError where there is no database, or none that this version can read; Stop where no picture can be
    opened here."""
    config = load(arguments.config, os.environ)
    settings = config.settings

    shards = config.discord.shards

    async def read() -> tuple[Status, Sequence[Guild], Readers, Mapping[str, Any] | None]:
        async with open_reports(settings.data_dir) as reports:
            found, elsewhere = await reports.status(), await reports.elsewhere(shards.serves)
        return found, elsewhere, await describe_readers(settings.decode), await _running(settings.data_dir)

    found, elsewhere, readers, bot = asyncio.run(read())
    if arguments.json:
        of_shards = {"shards": str(shards), "elsewhere": [str(guild.id) for guild in elsewhere]}
        terminal.say_json({**found.as_dict(), **of_shards, "readers": readers.as_dict(), "bot": bot})
    else:
        lines = [text(found), *shards_text(shards, elsewhere), readers_text(readers), bot_text(bot)]
        terminal.say("\n".join(lines))
    return 0


async def _running(data_dir: Path) -> Mapping[str, Any] | None:
    """What the running bot tells of itself; None where none runs, or where it tells nothing (its log says more)."""
    try:
        return await ask(data_dir, "status", {}, terminal.note, deadline_s=ANSWER_S)
    except NoBot:
        return None
    except (Refused, RetryLater) as error:
        terminal.warn(str(error))
        return None


def text(found: Status) -> str:
    """A table: a line a server, then all of them, then models and failures."""
    if not found.guilds:
        return "nothing is indexed yet: invite the bot to a server and give /reindex start there"
    columns = ("channels", "messages", "pictures", "embeddings", "pending", "failed", "segments")
    rows = [[terminal.one_line(guild.name, 30), *_numbers(guild.counts)] for guild in found.guilds]
    rows.append(["all", *_numbers(found.total)])
    widths = [max(len(row[at]) for row in [["", *columns], *rows]) for at in range(len(columns) + 1)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(["", *columns], widths, strict=True))]
    lines += [
        row[0].ljust(widths[0]) + "  " + "  ".join(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    # A server that an archive has brought needs nobody's consent, and neither does a folder of pictures.
    without = [terminal.one_line(guild.name) for guild in found.guilds if not (guild.consent or guild.counts.messages)]
    if without:
        lines.append(f"not read, because nobody gave /reindex start: {', '.join(without)}")
    lines += [
        f"job: {terminal.one_line(guild.name)} is {said}"
        for guild in found.guilds
        for state, said in UNFINISHED.items()
        if guild.jobs.get(state)
    ]
    lines += [f"failed: {reason} {count:,}" for reason, count in sorted(found.total.failures.items())]
    lines += [f"model: {name} ({count:,} embeddings)" for name, count in found.models.items()]
    if found.words:
        lines.append(ocr_text(found.words))
    if found.captions:
        lines.append(captions_text(found.captions))
    lines.append(f"database: {found.database_bytes:,} bytes, segments: {found.total.segment_bytes:,} bytes")
    return "\n".join(lines)


def shards_text(shards: ShardRange, elsewhere: Sequence[Guild]) -> list[str]:
    """Lines on the shards of this process, where it does not serve all of them, and on servers of other shards."""
    if shards.whole:
        return []
    lines = [f"this process serves {shards.words}"]
    if elsewhere:
        names = ", ".join(terminal.one_line(guild.name) for guild in elsewhere)
        lines.append(
            f"of another shard: {len(elsewhere)} servers, not read or searched here; `afterimage split` takes them"
            f" away: {names}"
        )
    return lines


def readers_text(readers: Readers) -> str:
    """One line on the processes that open pictures."""
    return (
        f"picture readers: at most {readers.indexing} for indexing and {readers.questions} for questions,"
        f" {readers.memory_bytes:,} bytes each; locked down by {readers.lockdown}"
    )


def bot_text(bot: Mapping[str, Any] | None) -> str:
    """Lines on the running bot: its model, then each kind of background work in which something went wrong."""
    if bot is None:
        return "no bot runs here now"
    model = bot["model"]
    state = "loaded" if model["awake"] else "not loaded: the next question or picture loads it"
    name, pretrained = terminal.one_line(model["name"]), terminal.one_line(model["pretrained"])
    lines = [f"running bot: model {name} ({pretrained}), {state}"]
    if model["runs"]:
        lines.append(f"       {'runs' if model['awake'] else 'ran'} by {terminal.one_line(model['runs'])}")
    if model["cluster"]:
        lines.append(_cluster_text(model["cluster"]))
    lines.append(_backup_text(bot["backup"]))
    if bot["promises"]:
        lines.append(_promises_text(bot["promises"]))
    if bot["lease"]:
        lines.append(_lease_text(bot["lease"]))
    for fault in bot["faults"]:
        when = datetime.fromtimestamp(fault["at_ms"] / 1000, UTC).isoformat(timespec="seconds")
        now = f", {fault['in_a_row']} in a row up to now" if fault["in_a_row"] else ", well since"
        lines.append(f"fault: {fault['name']} failed {fault['count']:,} times, last {when}{now}")
        lines.append(f"       {terminal.one_line(fault['last'], FAULT_CHARACTERS)}")
    return "\n".join(lines if bot["faults"] else [*lines, "no faults since it started"])


def _cluster_text(cluster: Mapping[str, Any]) -> str:
    """One line on the cluster that has the encoders: there, or away and why."""
    since = datetime.fromtimestamp(cluster["since_ms"] / 1000, UTC).isoformat(timespec="seconds")
    address = terminal.one_line(cluster["address"])
    here = f"{cluster['answered_here']:,} questions were answered by this machine"
    if cluster["here"]:
        return f"cluster {address}: answers since {since}, encoders: {cluster['encoders']}; {here}"
    reason = terminal.one_line(cluster["reason"], FAULT_CHARACTERS)
    return f"cluster {address}: away since {since} ({reason}), so this machine's own model answers; {here}"


def _backup_text(backup: Mapping[str, Any]) -> str:
    if not backup["keep"]:
        return "daily backup: off (backup.keep = 0)"
    if not backup["newest"]:
        return f"daily backup: none yet; it comes into {terminal.one_line(backup['folder'])}"
    return f"daily backup: {backup['newest']}, {backup['byte_count']:,} bytes, in {terminal.one_line(backup['folder'])}"


def _promises_text(promises: Mapping[str, Any]) -> str:
    storage = terminal.one_line(promises["storage"])
    if not promises["waiting"]:
        return f"promises: all are in {storage}"
    return f"promises: {promises['waiting']:,} are kept here alone, and wait for {storage}"


def _lease_text(lease: Mapping[str, Any]) -> str:
    name = terminal.one_line(lease["name"])
    if not lease["held"]:
        return f"lease on {name}: lost, and the bot is ending"
    if not lease["fault"]:
        return f"lease on {name}: held, and renewed"
    why = terminal.one_line(lease["fault"], FAULT_CHARACTERS)
    return f"lease on {name}: cannot be renewed ({why}); the bot stops in {lease['remaining_s']:.0f} s"


def _numbers(counts: Counts) -> list[str]:
    failed = sum(counts.failures.values())
    found = (counts.channels, counts.messages, counts.pictures, counts.embeddings, counts.pending, failed)
    return [f"{number:,}" for number in (*found, counts.segments)]
