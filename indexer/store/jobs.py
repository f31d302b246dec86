"""Jobs: requests to index something. They are stored, so that a restart continues them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import aiosqlite

from indexer.clock import now_ms
from indexer.database.database import first
from indexer.records.ids import DISCORD, ChannelId, GuildId, JobId, MessageId, OriginId, UserId
from indexer.sentence import Sentence

_COLUMNS = (
    "job_id, guild_id, scope, state, reason, requested_by, channel_id, message_id, created_ms, updated_ms"  # in order
)


class JobState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class ScopeKind(StrEnum):
    """What a job covers: the whole server, one channel, or the places that failed."""

    SERVER = "server"
    CHANNEL = "channel"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a job reads. `channel_id` is set only for CHANNEL. `origin_id` is Discord or an archive; `then` are archives
    that are read after it, in this order. `fleet`: files are opened and embedded in the cluster.
    """

    kind: ScopeKind
    channel_id: ChannelId | None = None
    origin_id: OriginId = DISCORD
    then: tuple[OriginId, ...] = ()
    fleet: bool = False

    def __post_init__(self) -> None:
        if (self.kind is ScopeKind.CHANNEL) != (self.channel_id is not None):
            raise ValueError(f"a job's scope {self.kind.value} with channel {self.channel_id}")
        if self.then and self.origin_id == DISCORD:
            raise ValueError("archives come after an archive, and never after Discord")

    def stored(self) -> str:
        """As JSON."""
        content: dict[str, Any] = {"kind": self.kind.value}
        if self.channel_id is not None:
            content["channel_id"] = self.channel_id
        if self.origin_id != DISCORD:
            content["origin_id"] = self.origin_id
        if self.then:
            content["then"] = list(self.then)
        if self.fleet:
            content["fleet"] = True
        return json.dumps(content)


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `channel_id` and `message_id` are those of its progress message, if it has one."""

    id: JobId
    guild_id: GuildId
    scope: Scope
    state: JobState
    reason: Sentence | None
    requested_by: UserId | None
    channel_id: ChannelId | None
    message_id: MessageId | None
    created_ms: int
    updated_ms: int

    @property
    def unfinished(self) -> bool:
        """Whether a start has to continue (running) or keep (paused) it."""
        return self.state in (JobState.RUNNING, JobState.PAUSED)


async def create(
    tx: aiosqlite.Connection, guild_id: GuildId, scope: Scope, *, requested_by: UserId | None = None
) -> JobId:
    """A new running job."""
    at = now_ms()
    row = await first(
        tx,
        "INSERT INTO jobs (guild_id, scope, state, requested_by, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?)"
        " RETURNING job_id",
        (guild_id, scope.stored(), JobState.RUNNING.value, requested_by, at, at),
    )
    assert row is not None
    return JobId(row[0])


async def set_state(tx: aiosqlite.Connection, job_id: JobId, state: JobState, reason: Sentence | None = None) -> None:
    """Changes the state. `reason` says why the job failed or was paused; None removes an earlier reason."""
    await tx.execute_fetchall(
        "UPDATE jobs SET state = ?, reason = ?, updated_ms = ? WHERE job_id = ?",
        (state.value, None if reason is None else reason.stored(), now_ms(), job_id),
    )


async def set_scope(tx: aiosqlite.Connection, job_id: JobId, scope: Scope) -> None:
    """Changes what the job still has to read."""
    await tx.execute_fetchall(
        "UPDATE jobs SET scope = ?, updated_ms = ? WHERE job_id = ?", (scope.stored(), now_ms(), job_id)
    )


async def set_message(
    tx: aiosqlite.Connection, job_id: JobId, channel_id: ChannelId | None, message_id: MessageId | None
) -> None:
    """Records where the job's progress message is. None: it has none any more."""
    await tx.execute_fetchall(
        "UPDATE jobs SET channel_id = ?, message_id = ?, updated_ms = ? WHERE job_id = ?",
        (channel_id, message_id, now_ms(), job_id),
    )


async def get(connection: aiosqlite.Connection, job_id: JobId) -> Job | None:
    row = await first(connection, f"SELECT {_COLUMNS} FROM jobs WHERE job_id = ?", (job_id,))  # noqa: S608 -- a constant
    return _job(row) if row else None


async def of_guild(connection: aiosqlite.Connection, guild_id: GuildId, limit: int = 20) -> list[Job]:
    """The guild's jobs, newest first."""
    rows = await connection.execute_fetchall(
        f"SELECT {_COLUMNS} FROM jobs WHERE guild_id = ? ORDER BY job_id DESC LIMIT ?",  # noqa: S608 -- a constant
        (guild_id, limit),
    )
    return [_job(row) for row in rows]


async def unfinished(connection: aiosqlite.Connection) -> list[Job]:
    """Every job that a start has to continue (running) or keep (paused), oldest first."""
    rows = await connection.execute_fetchall(
        f"SELECT {_COLUMNS} FROM jobs WHERE state IN ('running', 'paused') ORDER BY job_id"  # noqa: S608 -- a constant
    )
    return [_job(row) for row in rows]


def _job(row: Sequence[Any]) -> Job:
    job_id, guild_id, scope, state, reason, requested_by, channel_id, message_id, created_ms, updated_ms = row
    content = json.loads(scope)
    return Job(
        id=JobId(job_id),
        guild_id=GuildId(guild_id),
        scope=Scope(
            ScopeKind(content["kind"]),
            content.get("channel_id"),
            content.get("origin_id", DISCORD),
            tuple(content.get("then", ())),
            content.get("fleet", False),
        ),
        state=JobState(state),
        reason=None if reason is None else Sentence.of_stored(reason),
        requested_by=requested_by,
        channel_id=channel_id,
        message_id=message_id,
        created_ms=created_ms,
        updated_ms=updated_ms,
    )
