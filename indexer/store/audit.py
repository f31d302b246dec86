"""The audit log: who did what. It has only ids, never content. Its lines stay when rows that they name are deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiosqlite

from indexer.clock import now_ms
from indexer.correlation import cause
from indexer.records.ids import GuildId, UserId


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `detail` holds ids, counts and names of settings."""

    at_ms: int
    action: str
    guild_id: GuildId | None
    actor_id: UserId | None
    detail: Mapping[str, Any]


async def add(
    tx: aiosqlite.Connection,
    action: str,
    *,
    guild_id: GuildId | None = None,
    actor_id: UserId | None = None,
    detail: Mapping[str, int | str | bool | None] | None = None,
) -> None:
    """Writes one line in the transaction of the recorded action, so that both are stored or neither is.

    Where a request over HTTP or a command in Discord caused the action, the line names it, and a request's key.
    """
    values = dict(detail or {})
    if (request := cause()) is not None:
        values["request"] = request.request_id
        if request.key_id is not None:
            values["key"] = request.key_id
    await tx.execute_fetchall(
        "INSERT INTO audit_log (at_ms, guild_id, actor_id, action, detail) VALUES (?, ?, ?, ?, ?)",
        (now_ms(), guild_id, actor_id, action, json.dumps(values, sort_keys=True)),
    )


async def recent(connection: aiosqlite.Connection, limit: int, guild_id: GuildId | None = None) -> list[Entry]:
    """The newest lines first, of one guild or of all."""
    rows = await connection.execute_fetchall(
        "SELECT at_ms, action, guild_id, actor_id, detail FROM audit_log"
        " WHERE ?1 IS NULL OR guild_id = ?1 ORDER BY audit_id DESC LIMIT ?2",
        (guild_id, limit),
    )
    return [
        Entry(at_ms, action, guild, actor_id, json.loads(detail)) for at_ms, action, guild, actor_id, detail in rows
    ]
