"""Where a new segment's places and vectors come from: SQLite, as of one snapshot, and the segments it replaces."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.records.ids import GuildId, ModelId
from indexer.vectors.columns import Bools, Bytes
from indexer.vectors.segment import Record, Segment
from indexer.vectors.segment_writer import Listing, Long

FETCH_ROWS = 20_000  # read at once: a row is 300 bytes as Python objects and 48 as numbers

# CROSS JOIN: SQLite's planner must keep this order of tables.
_COLUMNS = "SELECT p.place_id, p.picture_id, m.channel_id, m.author_id, m.message_id, p.flags "
_EMBEDDED = """
    CROSS JOIN embeddings e ON e.picture_id = p.picture_id AND e.model_id = :model AND length(e.vector) = :bytes
    WHERE m.guild_id = :guild
"""
_GUILD = _COLUMNS + "FROM messages m CROSS JOIN places p USING (message_id)" + _EMBEDDED
_SOME = (
    _COLUMNS
    + "FROM json_each(:places) j CROSS JOIN places p ON p.place_id = j.value CROSS JOIN messages m USING (message_id)"
    + _EMBEDDED
)
_VECTORS = """
    SELECT picture_id, vector FROM embeddings WHERE model_id = ? AND picture_id IN (SELECT value FROM json_each(?))
"""
_FRAMES = """
    SELECT frame_id, picture_id FROM frames
    WHERE model_id = ? AND length(vector) = ? AND picture_id IN (SELECT value FROM json_each(?))
    ORDER BY picture_id, at_ms
"""
_FRAME_VECTORS = "SELECT frame_id, vector FROM frames WHERE frame_id IN (SELECT value FROM json_each(?))"


def has_frames(connection: sqlite3.Connection, model_id: ModelId) -> bool:
    """Whether any picture has further frames for this model, of whichever guild: a look at an index (3 µs)."""
    return connection.execute("SELECT 1 FROM frames WHERE model_id = ? LIMIT 1", (model_id,)).fetchone() is not None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One guild's rows for one model, read through a connection that is inside a read transaction.

    `check` is called between steps. It may raise to stop the work.
    """

    connection: sqlite3.Connection
    guild_id: GuildId
    model_id: ModelId
    dimension: int
    check: Callable[[], None]

    def listing(self, places: Sequence[int] | None) -> Listing:
        """Those of these places that have an embedding (None: of all places of the guild)."""
        cursor = self.connection.execute(
            _GUILD if places is None else _SOME,
            {
                "guild": self.guild_id,
                "model": self.model_id,
                "bytes": 2 * self.dimension,
                "places": json.dumps(places),
            },
        )
        chunks = [np.empty((0, 6), np.int64)]
        while rows := cursor.fetchmany(FETCH_ROWS):
            self.check()
            chunks.append(np.array(rows, np.int64))
        return Listing(*np.ascontiguousarray(np.concatenate(chunks).T))

    def vectors(self, pictures: Long) -> Bytes:
        """[n, 2·dimension] float16 bytes, in the order of `pictures`, which are distinct and all embedded."""
        records = self.connection.execute(_VECTORS, (self.model_id, json.dumps(pictures.tolist()))).fetchall()
        return self._in_order(pictures, records)

    def frames(self, pictures: Long) -> tuple[Long, Long]:
        """The further frames of these pictures, by picture and time: [n] frame ids, and [n] picture ids."""
        chunks = [np.empty((0, 2), np.int64)]
        if has_frames(self.connection, self.model_id):
            for start in range(0, len(pictures), FETCH_ROWS):
                self.check()
                some = np.sort(pictures[start : start + FETCH_ROWS]).tolist()
                values = (self.model_id, 2 * self.dimension, json.dumps(some))
                chunks.append(np.array(self.connection.execute(_FRAMES, values).fetchall(), np.int64).reshape(-1, 2))
        found = np.concatenate(chunks)
        return found[:, 0], found[:, 1]

    def frame_vectors(self, frames: Long) -> Bytes:
        """[n, 2·dimension] float16 bytes, in the order of the frame ids, which are distinct."""
        records = self.connection.execute(_FRAME_VECTORS, (json.dumps(frames.tolist()),)).fetchall()
        return self._in_order(frames, records)

    def _in_order(self, wanted: Long, records: Sequence[tuple[int, bytes]]) -> Bytes:
        rows = np.empty((len(wanted), 2 * self.dimension), np.uint8)
        order = np.argsort(wanted)
        ids = np.fromiter((row_id for row_id, _ in records), np.int64, len(records))
        positions = order[np.searchsorted(wanted, ids, sorter=order)]
        rows[positions] = np.frombuffer(b"".join(vector for _, vector in records), np.uint8).reshape(len(records), -1)
        return rows


@dataclass(frozen=True, slots=True)
class Old:
    """An undamaged segment: its deleted place rows, each with the second of its deletion, and which of them are new."""

    record: Record
    segment: Segment
    dead: dict[int, int]
    newly_dead: dict[int, int]

    @property
    def dead_share(self) -> float:
        return len(self.dead) / max(self.record.places, 1)

    def survivors(self) -> Listing:
        """The living places."""
        segment = self.segment
        count = len(segment.pictures)
        alive = np.ones(self.record.places, np.bool_)
        alive[list(self.dead)] = False
        pictures = segment.pictures.astype(np.int64)
        living = (
            (segment.primary.take(np.flatnonzero(alive[:count])), pictures[alive[:count]]),
            (segment.extra.take(np.flatnonzero(alive[count:])), pictures[segment.owner[alive[count:]]]),
        )
        return Listing.joined(
            [
                Listing(
                    rows.place.astype(np.int64),
                    picture,
                    segment.channels.ids(rows.channel),
                    segment.authors.ids(rows.author),
                    rows.message.astype(np.int64),
                    rows.flags.astype(np.int64),
                )
                for rows, picture in living
            ]
        )


class Vectors:
    """Vectors by picture id: from the segments that are merged, or from SQLite where these do not have them."""

    def __init__(self, snapshot: Snapshot, merged: Sequence[tuple[Old, Listing]]) -> None:
        self._snapshot = snapshot
        self._merged = [(old.segment, np.unique(listing.picture)) for old, listing in merged]

    def __call__(self, pictures: Long) -> Bytes:
        """[n, 2·dimension] float16 bytes, in the order of `pictures`."""
        rows = np.empty((len(pictures), 2 * self._snapshot.dimension), np.uint8)
        missing: Bools = np.ones(len(pictures), np.bool_)
        for segment, held_pictures in self._merged:
            positions = np.flatnonzero(missing & np.isin(pictures, held_pictures))
            rows[positions] = segment.vectors.take(segment.vector_rows(pictures[positions]), axis=0)
            missing[positions] = False
        if missing.any():
            rows[missing] = self._snapshot.vectors(pictures[missing])
        return rows
