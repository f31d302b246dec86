"""`fleet status` for people and for programs: a row a process, whether it is there or not. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.fleet.plan import ProcessPlan
from bot.observability import terminal

MISSING = "missing"  # no actor has this process
NO_ANSWER = "no answer"  # there is one, and it says nothing: its node is gone, or no node has room
GOOD = ("serving",)
_REASON_CHARACTERS = 200
_COLUMNS = ("shards", "process", "node", "state", "servers", "pictures", "queue", "lag", "last backup")


def rows(plans: Sequence[ProcessPlan], answers: Mapping[str, Mapping[str, Any] | Exception]) -> list[dict[str, Any]]:
    """A row for each process of the file, in its order, then for those that the file does not have any more."""
    found = [_row(plan, answers.get(plan.name)) for plan in plans]
    known = {plan.name for plan in plans}
    for name, answer in sorted(answers.items()):
        if name not in known:
            row = _row(ProcessPlan(name, "", "", ""), answer)
            row["notes"] = [*row["notes"], "not in the file any more: `afterimage fleet up` ends it"]
            found.append(row)
    return found


def _row(plan: ProcessPlan, answer: Mapping[str, Any] | Exception | None) -> dict[str, Any]:
    if isinstance(answer, Mapping):
        return dict(answer)
    state, reason = (MISSING, "`afterimage fleet up` starts it") if answer is None else (NO_ANSWER, str(answer))
    empty = dict.fromkeys(
        ("node", "since_ms", "starts", "servers", "pictures", "pending", "events_waiting", "latency_ms", "backup")
    )
    known = {"process": plan.name, "shards": plan.shards, "folder": plan.folder, "state": state, "reason": reason}
    return {**known, **empty, "notes": []}


def well(found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every process serves."""
    return all(row["state"] in GOOD for row in found)


def as_dict(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For JSON."""
    return {"serving": sum(row["state"] in GOOD for row in found), "processes": list(found)}


def text(found: Sequence[Mapping[str, Any]]) -> str:
    """The table; below it a line for each process that does not serve, and for each note."""
    table = [_COLUMNS, *(_cells(row) for row in found)]
    widths = [max(len(row[at]) for row in table) for at in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    for row in found:
        name = terminal.one_line(row["process"])
        if row["reason"]:
            lines.append(f"{name}: {terminal.one_line(row['reason'], _REASON_CHARACTERS)}")
        lines += [f"{name}: {terminal.one_line(note, _REASON_CHARACTERS)}" for note in row["notes"]]
    return "\n".join(lines)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    node = row["node"]
    return (
        terminal.one_line(row["shards"]) or "–",
        terminal.one_line(row["process"], 30),
        "–" if node is None else f"{terminal.one_line(node['host'], 24)} {node['id'][:6]}",
        _state(row),
        *(_number(row[name]) for name in ("servers", "pictures", "pending")),
        "–" if row["events_waiting"] is None else f"{row['events_waiting']:,} events",
        "–" if not row["backup"] else terminal.one_line(row["backup"], 25),
    )


def _state(row: Mapping[str, Any]) -> str:
    since = row["since_ms"]
    return (
        str(row["state"])
        if since is None
        else f"{row['state']} since {datetime.fromtimestamp(since / 1000, UTC):%m-%d %H:%M}"
    )


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"
