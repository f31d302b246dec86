"""Saved searches whose members are told of new pictures: which they are, what fits them, and when they were told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import aiosqlite
import numpy as np

from indexer.database.database import as_json, first
from indexer.records.hits import Place
from indexer.records.ids import GuildId, MessageId, ModelId, PlaceId, UserId
from indexer.records.pictures import Vectors
from indexer.records.saved_searches import Notice, Telling
from indexer.store.places import read_place
from indexer.store.saved_searches import COLUMNS, saved_search

StoredGate = tuple[Vectors, float]

# Of one search. A place comes a second time when its picture's words are read, mostly minutes after it was posted.
TOLD_REMEMBERED = 100


async def count(connection: aiosqlite.Connection, guild_id: GuildId) -> int:
    """How many there are in the guild."""
    row = await first(connection, "SELECT count(*) FROM saved_notices WHERE guild_id = ?", (guild_id,))
    assert row is not None, "an aggregate has one row"
    return int(row[0])


async def put(tx: aiosqlite.Connection, saved_id: int, guild_id: GuildId, notice: Notice) -> None:
    await tx.execute_fetchall(
        "INSERT INTO saved_notices (saved_id, guild_id, after_id, language, channel_id) VALUES (?, ?, ?, ?, ?)",
        (saved_id, guild_id, notice.after_id, notice.language, notice.channel_id),
    )


async def waiting(connection: aiosqlite.Connection, guild_id: GuildId, newest: MessageId, most: int) -> list[Telling]:
    """Those of the guild that wait for a message as new as this one, and for which fewer than `most` places fit yet."""
    rows = await connection.execute_fetchall(
        f"SELECT s.saved_id, s.user_id, n.told_ms, {COLUMNS}"  # noqa: S608 -- a constant
        " FROM saved_notices n JOIN saved_searches s USING (saved_id) WHERE n.guild_id = ?1 AND n.after_id < ?2"
        " AND (SELECT count(*) FROM saved_matches m WHERE m.saved_id = n.saved_id) < ?3 ORDER BY s.user_id, s.saved_id",
        (guild_id, newest, most),
    )
    return [telling for row in rows if (telling := _telling(row)) is not None]


async def gates(
    connection: aiosqlite.Connection, saved_ids: Collection[int], model_id: ModelId, since_ms: int
) -> dict[int, StoredGate]:
    """The gates that were made for this model since then (Unix milliseconds)."""
    rows = await connection.execute_fetchall(
        "SELECT saved_id, vector, least FROM saved_notices WHERE vector IS NOT NULL AND model_id = ? AND gate_ms >= ?"
        " AND saved_id IN (SELECT value FROM json_each(?))",
        (model_id, since_ms, as_json(saved_ids)),
    )
    return {saved_id: (np.frombuffer(vector, "<f4"), float(least)) for saved_id, vector, least in rows}


async def put_gate(
    tx: aiosqlite.Connection, saved_id: int, model_id: ModelId, gate: StoredGate | None, at_ms: int
) -> None:
    vector, least = (None, None) if gate is None else (gate[0].astype("<f4").tobytes(), gate[1])
    await tx.execute_fetchall(
        "UPDATE saved_notices SET model_id = ?, vector = ?, least = ?, gate_ms = ? WHERE saved_id = ?",
        (model_id, vector, least, at_ms, saved_id),
    )


async def texts(connection: aiosqlite.Connection, message_ids: Collection[MessageId]) -> dict[MessageId, str]:
    """All that each of these messages says, file names and alt texts too."""
    rows = await connection.execute_fetchall(
        "SELECT message_id, content || ' ' || file_names || ' ' || alt_texts FROM texts"
        " WHERE message_id IN (SELECT value FROM json_each(?))",
        (as_json(message_ids),),
    )
    return {MessageId(message_id): text for message_id, text in rows}


async def add_matches(tx: aiosqlite.Connection, saved_id: int, places: Sequence[PlaceId]) -> None:
    """Places that fit. Those that are deleted by now or were told are left out, as is everything where the search is
    deleted.
    """
    await tx.execute_fetchall(
        "INSERT OR IGNORE INTO saved_matches (saved_id, place_id) SELECT n.saved_id, p.place_id"
        " FROM saved_notices n, places p WHERE n.saved_id = ? AND p.place_id IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM saved_told t WHERE t.saved_id = n.saved_id AND t.place_id = p.place_id)",
        (saved_id, as_json(places)),
    )


async def due(connection: aiosqlite.Connection, told_before_ms: int) -> list[int]:
    """Searches with places that fit, whose members were not told since then. Those of longest ago first."""
    rows = await connection.execute_fetchall(
        "SELECT saved_id FROM saved_notices n WHERE told_ms <= ?"
        " AND EXISTS (SELECT 1 FROM saved_matches m WHERE m.saved_id = n.saved_id) ORDER BY told_ms, saved_id",
        (told_before_ms,),
    )
    return [int(saved_id) for (saved_id,) in rows]


async def take(tx: aiosqlite.Connection, saved_id: int) -> Telling | None:
    """The search with the places of its next notice: those of one that was begun, else all. None where it is gone."""
    await tx.execute_fetchall(
        "UPDATE saved_matches SET sending = 1 WHERE saved_id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM saved_matches WHERE saved_id = ?1 AND sending = 1)",
        (saved_id,),
    )
    row = await first(
        tx,
        f"SELECT s.saved_id, s.user_id, n.told_ms, {COLUMNS}"  # noqa: S608 -- a constant
        " FROM saved_notices n JOIN saved_searches s USING (saved_id) WHERE n.saved_id = ?",
        (saved_id,),
    )
    if row is None:
        return None
    places = await tx.execute_fetchall(
        "SELECT p.message_id, p.place_id, m.channel_id, m.author_id, p.flags FROM saved_matches f"
        " CROSS JOIN places p USING (place_id) JOIN messages m USING (message_id)"
        " WHERE f.saved_id = ? AND f.sending = 1 ORDER BY p.message_id, p.ordinal",
        (saved_id,),
    )
    return _telling(row, tuple(read_place(columns) for columns in places))


async def told(tx: aiosqlite.Connection, saved_id: int, at_ms: int | None) -> None:
    """The notice that was begun is done with, and (None: not) counts as told at that time."""
    await tx.execute_fetchall(
        "INSERT OR IGNORE INTO saved_told (saved_id, place_id)"
        " SELECT saved_id, place_id FROM saved_matches WHERE saved_id = ? AND sending = 1",
        (saved_id,),
    )
    await tx.execute_fetchall(
        "DELETE FROM saved_told WHERE saved_id = ?1 AND place_id NOT IN"
        " (SELECT place_id FROM saved_told WHERE saved_id = ?1 ORDER BY place_id DESC LIMIT ?2)",
        (saved_id, TOLD_REMEMBERED),
    )
    await tx.execute_fetchall("DELETE FROM saved_matches WHERE saved_id = ? AND sending = 1", (saved_id,))
    await tx.execute_fetchall(
        "UPDATE saved_notices SET told_ms = ifnull(?, told_ms) WHERE saved_id = ?", (at_ms, saved_id)
    )


def _telling(row: Sequence[Any], places: tuple[Place, ...] = ()) -> Telling | None:
    saved_id, user_id, told_ms, *columns = row
    search = saved_search(columns)
    if search.notice is None:
        return None
    return Telling(saved_id, UserId(user_id), search, search.notice, told_ms, places)
