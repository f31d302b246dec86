"""What a process of a fleet tells of itself: a row of `fleet status`, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.control.client import NoBot, Refused, ask
from bot.fleet.supervisor import State, Supervisor
from bot.observability.health import last_beat
from indexer.errors import AfterimageError, RetryLater
from indexer.reports.reports import open_reports

_ANSWER_S = 8.0


async def report(supervisor: Supervisor) -> dict[str, Any]:
    """The row without its node; docs/schemas/fleet.json has what each part means."""
    standing, plan, folder = supervisor.standing, supervisor.plan, supervisor.folder
    beat = last_beat(folder)
    live = beat if beat is not None and beat.pid == standing.pid else None
    notes = []
    if supervisor.other_configuration():
        notes.append(f"{plan.config} on this node is not the file that `fleet up` has read")
    return {
        "process": plan.name,
        "shards": plan.shards,
        "folder": str(folder),
        "state": standing.state.value,
        "reason": standing.reason,
        "since_ms": standing.since_ms,
        "starts": standing.starts,
        "events_waiting": None if live is None else live.events_waiting,
        "latency_ms": None if live is None else live.latency_ms,
        "notes": notes,
        **await _stored(folder),
        "backup": await _backup(folder) if standing.state in (State.SERVING, State.AWAY) else None,
    }


async def _stored(folder: Path) -> Mapping[str, int | None]:
    """Of a database that is not there yet, or that a bot makes anew just now, nothing is known."""
    try:
        async with open_reports(folder) as reports:
            found = await reports.status()
    except AfterimageError:
        return {"servers": None, "pictures": None, "pending": None}
    return {"servers": len(found.guilds), "pictures": found.total.pictures, "pending": found.total.pending}


async def _backup(folder: Path) -> str | None:
    try:
        told = await ask(folder, "status", {}, _nobody_reads, deadline_s=_ANSWER_S)
    except (NoBot, Refused, RetryLater):
        return None
    return str(told["backup"]["newest"]) or None


async def metrics(folder: Path) -> str:
    """Of the bot on this folder, in the text format of Prometheus; empty where none answers."""
    try:
        told = await ask(folder, "metrics", {}, _nobody_reads, deadline_s=_ANSWER_S)
    except (NoBot, Refused, RetryLater):
        return ""
    return str(told["text"])


def _nobody_reads(_: str) -> None:
    """Lines of progress."""
