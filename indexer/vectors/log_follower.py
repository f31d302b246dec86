"""Reads the log: which segments are in use, which of their places are deleted, and what is new in the memtable."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path
from typing import NamedTuple

import numpy as np

from indexer.database.functions import add_functions
from indexer.records.ids import GuildId, ModelId
from indexer.vectors.columns import Bytes, Part
from indexer.vectors.compaction_input import has_frames
from indexer.vectors.memtable import FrameListing, Memtable
from indexer.vectors.segment import Damaged, Record, Segment
from indexer.vectors.segment_writer import Listing

TAIL_ROWS = 65_536  # a larger memtable (64 MB at 512 dimensions) is not kept: SQLite answers until it is sealed

_COLUMNS = "p.place_id, p.picture_id, m.channel_id, m.author_id, m.message_id, p.flags"
_FRESH = f"""
    SELECT {_COLUMNS}, e.vector FROM json_each(:places) j CROSS JOIN places p ON p.place_id = j.value
    CROSS JOIN messages m USING (message_id)
    CROSS JOIN embeddings e ON e.picture_id = p.picture_id AND e.model_id = :model AND length(e.vector) = :bytes
    WHERE m.guild_id = :guild
"""  # noqa: S608 -- only the constant above is put in; CROSS JOIN: in this order, whatever the planner guesses
_FRAMES = """
    SELECT f.picture_id, f.vector FROM json_each(:pictures) j
    CROSS JOIN frames f ON f.picture_id = j.value AND f.model_id = :model AND length(f.vector) = :bytes
    ORDER BY f.picture_id, f.at_ms
"""
_EVERY = f"""
    SELECT {_COLUMNS}, e.vector FROM messages m CROSS JOIN places p USING (message_id)
    CROSS JOIN embeddings e ON e.picture_id = p.picture_id AND e.model_id = :model AND length(e.vector) = :bytes
    WHERE m.guild_id = :guild
"""  # noqa: S608 -- only the constant above is put in


def connect(path: Path) -> sqlite3.Connection:
    """A read-only connection in autocommit that any one thread at a time may use."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10.0, check_same_thread=False
    )
    connection.execute("PRAGMA query_only = ON")
    add_functions(connection)
    return connection


@dataclass(frozen=True, slots=True)
class Files:
    """How an index opens its segments. `open` raises Damaged, also for a segment that `set_aside` has excluded."""

    open: Callable[[Record, int], Segment]
    set_aside: Callable[[Record, str], None]
    path_of: Callable[[str], Path]


class Line(NamedTuple):
    """A place that has changed, and when (Unix seconds) the log first named it."""

    place: int
    at_s: int


@dataclass(frozen=True, slots=True)
class View:
    """The parts that together are the guild's index. `whole` False: they are not all of it, and SQLite must answer."""

    parts: tuple[Part, ...]
    whole: bool


def head(connection: sqlite3.Connection) -> int:
    """The number of the newest line that the log ever had."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'index_log'").fetchone()
    return 0 if row is None else int(row[0])


def newest(connection: sqlite3.Connection, guild_id: GuildId) -> int:
    """The number of the newest line about this guild that the log still has; 0 where it has none."""
    (seq,) = connection.execute("SELECT max(seq) FROM index_log WHERE guild_id = ?", (guild_id,)).fetchone()
    return int(seq or 0)


def coverage(connection: sqlite3.Connection, guild_id: GuildId, model_id: ModelId) -> tuple[int, int] | None:
    """(covered_seq, generation), or None where nothing has been sealed."""
    row = connection.execute(
        "SELECT covered_seq, generation FROM coverage WHERE guild_id = ? AND model_id = ?", (guild_id, model_id)
    ).fetchone()
    return None if row is None else (row[0], row[1])


def lines(connection: sqlite3.Connection, guild_id: GuildId, model_id: ModelId, after: int) -> list[Line]:
    """The places that lines after `after` name, each once."""
    rows = connection.execute(
        "SELECT place_id, at_s FROM index_log WHERE guild_id = ? AND seq > ? AND model_id IN (0, ?) ORDER BY seq DESC",
        (guild_id, after, model_id),
    ).fetchall()
    return list(starmap(Line, dict(rows).items()))  # the earliest line of a place comes last and stays


def places_since(
    connection: sqlite3.Connection, guild_id: GuildId, model_id: ModelId, after: int
) -> tuple[list[int], int]:
    """The places that lines after `after` name, each once, and the last line's number. A search needs no more."""
    rows = connection.execute(
        "SELECT place_id, seq FROM index_log WHERE guild_id = ? AND seq > ? AND model_id IN (0, ?) ORDER BY seq",
        (guild_id, after, model_id),
    ).fetchall()
    return list(dict(rows)), rows[-1][1] if rows else after


def backlog(connection: sqlite3.Connection, guild_id: GuildId, model_id: ModelId) -> int:
    """How many lines about this index the log holds."""
    (count,) = connection.execute(
        "SELECT count(*) FROM index_log WHERE guild_id = ? AND model_id IN (0, ?)", (guild_id, model_id)
    ).fetchone()
    return int(count)


def records(connection: sqlite3.Connection, guild_id: GuildId, model_id: ModelId) -> list[Record]:
    return [
        Record(*row)
        for row in connection.execute(
            "SELECT segment_id, name, vectors, places, byte_count, table_crc, vectors_crc FROM segments"
            " WHERE guild_id = ? AND model_id = ? ORDER BY segment_id",
            (guild_id, model_id),
        )
    ]


def tombstones(connection: sqlite3.Connection, segment_id: int) -> list[tuple[int, int]]:
    """[(place row, Unix seconds of its deletion)]"""
    return connection.execute("SELECT place_row, at_s FROM tombstones WHERE segment_id = ?", (segment_id,)).fetchall()


def fresh(
    connection: sqlite3.Connection,
    guild_id: GuildId,
    model_id: ModelId,
    dimension: int,
    places: Iterable[int] | None,
) -> tuple[Listing, Bytes, FrameListing | None]:
    """These places (None: all of the guild) as they are now, with vectors; those without an embedding are left out.

    Also the further frames of their pictures; None where there are none.
    """
    rows = connection.execute(
        _EVERY if places is None else _FRESH,
        {
            "guild": guild_id,
            "model": model_id,
            "bytes": 2 * dimension,
            "places": None if places is None else json.dumps(list(places)),
        },
    ).fetchall()
    if not rows:
        return Listing.joined([]), np.empty((0, 2 * dimension), np.uint8), None
    *columns, vectors = zip(*rows, strict=True)
    listing = Listing(*(np.array(column, np.int64) for column in columns))
    frames = _frames(connection, model_id, dimension, listing) if has_frames(connection, model_id) else None
    return listing, np.frombuffer(b"".join(vectors), np.uint8).reshape(-1, 2 * dimension), frames


def _frames(connection: sqlite3.Connection, model_id: ModelId, dimension: int, listing: Listing) -> FrameListing | None:
    pictures = json.dumps(np.unique(listing.picture).tolist())
    rows = connection.execute(_FRAMES, {"pictures": pictures, "model": model_id, "bytes": 2 * dimension}).fetchall()
    if not rows:
        return None
    shown, vectors = zip(*rows, strict=True)
    return FrameListing(
        np.array(shown, np.int64), np.frombuffer(b"".join(vectors), np.uint8).reshape(-1, 2 * dimension)
    )


def serving_model(connection: sqlite3.Connection, guild_id: GuildId, wanted: ModelId) -> int:
    """`wanted`, or the other model with the most embeddings while it has a picture that `wanted` was not tried with."""
    (others,) = connection.execute("SELECT count(*) FROM models WHERE model_id != ?", (wanted,)).fetchone()
    if not others:
        return wanted
    parameters = {"guild": guild_id, "wanted": wanted}
    if connection.execute(
        "SELECT 1 FROM tried_models WHERE guild_id = :guild AND model_id = :wanted", parameters
    ).fetchone():
        return wanted
    untried = connection.execute(
        "SELECT 1 FROM messages m JOIN places p USING (message_id) JOIN embeddings e USING (picture_id)"
        " WHERE m.guild_id = :guild AND NOT EXISTS (SELECT 1 FROM embeddings n"
        "   WHERE n.picture_id = p.picture_id AND n.model_id = :wanted) LIMIT 1",
        parameters,
    ).fetchone()
    if untried is None:
        return wanted
    (fullest,) = connection.execute(
        "SELECT e.model_id FROM messages m JOIN places p USING (message_id) JOIN embeddings e USING (picture_id)"
        " WHERE m.guild_id = :guild AND e.model_id != :wanted"
        " GROUP BY e.model_id ORDER BY count(DISTINCT e.picture_id) DESC, e.model_id DESC LIMIT 1",
        parameters,
    ).fetchone()
    return int(fullest)


class LogFollower:
    """One guild's index for one model, brought up to date from the log before each search.

    Only one thread at a time may call `follow`.
    """

    def __init__(self, guild_id: GuildId, model_id: ModelId, dimension: int, files: Files) -> None:
        self._guild, self._model, self.dimension = guild_id, model_id, dimension
        self._files = files
        self._segments: list[Part] = []
        self._memtable = Memtable(dimension)
        self._generation: int | None = None
        self._seq = -1
        self._whole = False
        self.view = View((), False)
        self.stale = False  # any thread may set it: a segment is damaged, and all segments must be opened anew

    def follow(self, connection: sqlite3.Connection) -> View:
        """The index as of now, in one snapshot of SQLite."""
        try:
            return self._follow(connection)
        except Damaged as error:
            newest_coverage = coverage(connection, self._guild, self._model)
            if (
                newest_coverage is not None and newest_coverage[1] != self._generation
            ):  # replaced and unlinked before it was opened
                return self.follow(connection)
            self._files.set_aside(error.record, str(error))
            self.stale = False  # this call has set it
            self._segments, self._memtable, self._whole = [], Memtable(self.dimension), False
            self.view = View((), False)
            return self.view

    def _follow(self, connection: sqlite3.Connection) -> View:
        if self.stale:
            self.stale, self._seq = False, -1
        connection.execute("BEGIN")
        try:
            covered = coverage(connection, self._guild, self._model)
            generation = None if covered is None else covered[1]
            changed: list[int] = []
            last = -1
            if self._seq >= 0:
                changed, last = places_since(connection, self._guild, self._model, self._seq)
            if self._seq < 0 or generation != self._generation or self._left_behind(connection, covered, changed):
                self._generation = generation
                self._load(connection, covered)
            elif changed and self._whole:
                self._apply(connection, changed)
                self._seq = last
            elif not changed:
                return self.view
        finally:
            connection.execute("ROLLBACK")
        tail = (self._memtable.part(),) if len(self._memtable) else ()
        self.view = View((*self._segments, *tail), self._whole)
        return self.view

    def _left_behind(self, connection: sqlite3.Connection, covered: tuple[int, int] | None, changed: list[int]) -> bool:
        """Whether the log has dropped lines that this index has not read, or a line says that everything is new."""
        if 0 in changed:
            return True
        if covered is not None:
            return False
        (trimmed,) = connection.execute(
            "SELECT min(covered_seq) FROM coverage WHERE guild_id = ?", (self._guild,)
        ).fetchone()
        return trimmed is not None and trimmed > self._seq

    def _load(self, connection: sqlite3.Connection, covered: tuple[int, int] | None) -> None:
        self._memtable = Memtable(self.dimension)
        self._segments = []
        self._whole = True
        self._seq = head(connection)
        if covered is None:
            (count,) = connection.execute(
                "SELECT count(*) FROM (SELECT 1 FROM messages m JOIN places p USING (message_id) JOIN embeddings e"
                " ON e.picture_id = p.picture_id AND e.model_id = ? WHERE m.guild_id = ? LIMIT ?)",
                (self._model, self._guild, TAIL_ROWS + 1),
            ).fetchone()
            if has_frames(connection, self._model):
                (frame_count,) = connection.execute(
                    "SELECT count(*) FROM (SELECT DISTINCT f.frame_id FROM messages m JOIN places p USING (message_id)"
                    " JOIN frames f ON f.picture_id = p.picture_id AND f.model_id = ? WHERE m.guild_id = ? LIMIT ?)",
                    (self._model, self._guild, TAIL_ROWS + 1),
                ).fetchone()
                count += frame_count
            self._whole = count <= TAIL_ROWS
            if self._whole:
                self._memtable.add(*fresh(connection, self._guild, self._model, self.dimension, None))
            return
        for record in records(connection, self._guild, self._model):
            part = Part(self._files.open(record, self.dimension))
            dead = np.array([row for row, _ in tombstones(connection, record.id)], np.int64)
            self._segments.append(part.without(dead))
        self._apply(connection, places_since(connection, self._guild, self._model, covered[0])[0])

    def _apply(self, connection: sqlite3.Connection, changed: list[int]) -> None:
        places = [place for place in changed if place]
        if not places:
            return
        if self._memtable.rows + len(places) > TAIL_ROWS:
            self._whole = False
            return
        ids = np.array(places, np.int64)
        self._segments = [part.without(part.block.place_rows(ids)) for part in self._segments]
        self._memtable.remove(places)
        self._memtable.add(*fresh(connection, self._guild, self._model, self.dimension, places))
