"""What the data folder holds, counted: for `afterimage status`, `/stats` and the health page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import aiosqlite

from indexer.clock import now_ms
from indexer.records.ids import GuildId
from indexer.records.picture_texts import TextKind
from indexer.reports.coverage import history_read
from indexer.store import readings
from indexer.store.jobs import JobState


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one guild, or of all together (where a picture or embedding shown in two guilds counts once).

    `places` = `ready` + `pending` + the sum of `failures`, which counts places by reason, those to be tried again too.
    `pictures` are readable ones; `embeddings` counts one a picture and model. `segments` are sealed files in force,
    `segment_bytes` their size.
    """

    channels: int = 0
    parked: int = 0
    messages: int = 0
    places: int = 0
    ready: int = 0
    pending: int = 0
    pictures: int = 0
    embeddings: int = 0
    segments: int = 0
    segment_bytes: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GuildStatus:
    """`jobs` counts those that were ever asked for, by their state; 0 for a state that none has: Prometheus sees no
    growth in a series that begins with the first failed job. `read`: the share of its history that Discord has shown,
    0–1; None where it has no channel that may be read.
    """

    id: GuildId
    name: str
    consent: bool
    counts: Counts
    jobs: Mapping[str, int] = field(default_factory=dict)
    read: float | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """`models` maps "name pretrained" to its embeddings; `database_bytes` is the SQLite file's size without its WAL.
    `words`: how many pictures were read for words, `captions`: how many were described, as `readings.counts`; empty
    where that was never on.
    """

    guilds: tuple[GuildStatus, ...]
    total: Counts
    models: Mapping[str, int]
    database_bytes: int
    schema: int
    words: Mapping[str, int] = field(default_factory=dict)
    captions: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the totals and the number of guilds at top level, each guild's own counts in `per_guild`."""
        return {
            "guilds": len(self.guilds),
            **asdict(self.total),
            "models": dict(self.models),
            "database_bytes": self.database_bytes,
            "schema": self.schema,
            "words": dict(self.words),
            "captions": dict(self.captions),
            "per_guild": [
                {"id": str(guild.id), "name": guild.name, "consent": guild.consent, **asdict(guild.counts)}
                for guild in self.guilds
            ],
        }


_PER_GUILD = {
    "channels": "SELECT guild_id, count(*) FROM channels GROUP BY guild_id",
    "parked": "SELECT guild_id, count(*) FROM channels WHERE parked_reason IS NOT NULL GROUP BY guild_id",
    "messages": "SELECT guild_id, count(*) FROM messages GROUP BY guild_id",
    "pending": "SELECT guild_id, count(*) FROM places WHERE state = 'pending' GROUP BY guild_id",
    "ready": "SELECT guild_id, count(*) FROM places WHERE state = 'ready' GROUP BY guild_id",
    "pictures": (
        "SELECT guild_id, count(*) FROM (SELECT DISTINCT guild_id, picture_id FROM places WHERE state = 'ready')"
        " GROUP BY guild_id"
    ),
    "embeddings": (
        "SELECT guild_id, count(*) FROM (SELECT DISTINCT guild_id, picture_id FROM places WHERE state = 'ready')"
        " JOIN embeddings USING (picture_id) GROUP BY guild_id"
    ),
    "segments": "SELECT guild_id, count(*) FROM segments GROUP BY guild_id",
    "segment_bytes": "SELECT guild_id, sum(byte_count) FROM segments GROUP BY guild_id",
}
_FAILURES = "SELECT guild_id, reason, count(*) FROM places WHERE state = 'failed' GROUP BY guild_id, reason"
_JOBS = "SELECT guild_id, state, count(*) FROM jobs GROUP BY guild_id, state"
_MODELS = (
    "SELECT name || ' ' || pretrained, (SELECT count(*) FROM embeddings e WHERE e.model_id = models.model_id)"
    " FROM models ORDER BY model_id"
)


async def read(connection: aiosqlite.Connection) -> Status:
    """The counts of every guild and their totals, from one snapshot where `connection` is a reader."""
    counts: dict[GuildId, dict[str, Any]] = defaultdict(dict)
    for what, sql in _PER_GUILD.items():
        for guild_id, number in await connection.execute_fetchall(sql):
            counts[guild_id][what] = number
    for guild_id, reason, number in await connection.execute_fetchall(_FAILURES):
        counts[guild_id].setdefault("failures", {})[reason] = number
    jobs: dict[GuildId, dict[str, int]] = defaultdict(lambda: dict.fromkeys(map(str, JobState), 0))
    for guild_id, state, number in await connection.execute_fetchall(_JOBS):
        jobs[guild_id][state] = number
    rows = await connection.execute_fetchall("SELECT guild_id, name, consent FROM guilds ORDER BY guild_id")
    now = now_ms()
    shares = {guild_id: await history_read(connection, guild_id, now) for guild_id, _, _ in rows}
    guilds = tuple(
        GuildStatus(GuildId(guild_id), name, bool(consent), _counts(counts[guild_id]), jobs[guild_id], shares[guild_id])
        for guild_id, name, consent in rows
    )
    texts = {kind: await readings.counts(connection, kind) for kind in await readings.begun(connection)}
    models: dict[str, int] = defaultdict(int)
    for name, number in await connection.execute_fetchall(_MODELS):
        models[name] += number
    return Status(
        guilds=guilds,
        total=await _total(connection, [guild.counts for guild in guilds]),
        models=dict(models),
        database_bytes=await _pragma(connection, "page_count") * await _pragma(connection, "page_size"),
        schema=await _pragma(connection, "user_version"),
        words=texts.get(TextKind.OCR, {}),
        captions=texts.get(TextKind.CAPTION, {}),
    )


async def failures(connection: aiosqlite.Connection, guild_id: GuildId) -> dict[str, int]:
    """How many pictures of the guild cannot be searched, by reason."""
    sql = "SELECT reason, count(*) FROM places WHERE state = 'failed' AND guild_id = ? GROUP BY reason"
    return {str(reason): int(number) for reason, number in await connection.execute_fetchall(sql, (guild_id,))}


def _counts(values: dict[str, Any]) -> Counts:
    places = values.get("ready", 0) + values.get("pending", 0) + sum(values.get("failures", {}).values())
    return Counts(**values, places=places)


async def _total(connection: aiosqlite.Connection, guilds: list[Counts]) -> Counts:
    failures: dict[str, int] = defaultdict(int)
    for guild in guilds:
        for reason, number in guild.failures.items():
            failures[reason] += number
    ((pictures, embeddings),) = await connection.execute_fetchall(
        "SELECT (SELECT count(*) FROM pictures WHERE state = 'ready'), (SELECT count(*) FROM embeddings)"
    )
    return Counts(
        channels=sum(guild.channels for guild in guilds),
        parked=sum(guild.parked for guild in guilds),
        messages=sum(guild.messages for guild in guilds),
        places=sum(guild.places for guild in guilds),
        ready=sum(guild.ready for guild in guilds),
        pending=sum(guild.pending for guild in guilds),
        pictures=pictures,
        embeddings=embeddings,
        segments=sum(guild.segments for guild in guilds),
        segment_bytes=sum(guild.segment_bytes for guild in guilds),
        failures=dict(failures),
    )


async def _pragma(connection: aiosqlite.Connection, name: str) -> int:
    ((value,),) = await connection.execute_fetchall(f"PRAGMA {name}")
    return int(value)
