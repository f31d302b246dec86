"""What the next publication of an index should hold, and the writing of its files."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.model import GuildId, ModelId
from indexer.settings import IndexSettings
from indexer.storage import follow, seal
from indexer.storage.block import Bools, Bytes
from indexer.storage.seal import Listing, Long
from indexer.storage.segment import Damaged, Record, Segment

MAX_ROWS = 262_144  # vectors a segment: 400 MB at 512 dimensions, the most that one step ever has to copy
DEAD_SHARE = 0.25  # a segment with more dead places than this is rewritten without waiting for its time
PARTIAL = ".partial"

_GUILD = """
    SELECT p.place_id, p.picture_id, m.channel_id, m.author_id, m.message_id, p.flags
    FROM messages m JOIN places p USING (message_id)
    WHERE m.guild_id = :guild AND EXISTS (
        SELECT 1 FROM embeddings e
        WHERE e.picture_id = p.picture_id AND e.model_id = :model AND length(e.vector) = :bytes)
"""
_SOME = _GUILD + " AND p.place_id IN (SELECT value FROM json_each(:places))"  # noqa: S608  two constants


@dataclass(frozen=True, slots=True)
class Draft:
    """Finished files, not yet in force. `generation` is that of the coverage it was made from (None: none yet)."""

    guild_id: GuildId
    model_id: ModelId
    generation: int | None
    seq: int
    records: tuple[Record, ...]
    paths: tuple[Path, ...]
    retired_ids: tuple[int, ...]
    retired: tuple[Path, ...]
    tombstones: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Old:
    """A healthy segment: its dead place rows, each with the second of its deletion, and which of them are new."""

    record: Record
    segment: Segment
    dead: dict[int, int]
    newly_dead: dict[int, int]

    @property
    def share(self) -> float:
        return len(self.dead) / max(self.record.places, 1)


def make(
    connection: sqlite3.Connection,
    guild_id: GuildId,
    model_id: ModelId,
    settings: IndexSettings,
    open_segment: Callable[[Record, int], Segment],
    set_aside: Callable[[Record], None],
    path_of: Callable[[str], Path],
    *,
    everything: bool,
    check: Callable[[], None],
) -> Draft | None:
    """The draft that is due, its files written and on the disk; None when nothing is due.

    `connection` must be inside a read transaction. `everything`: purge now what is deleted. `check` may raise to stop;
    whatever was written by then is removed. `open_segment` raises Damaged, also for what `set_aside` was told.
    """
    row = connection.execute("SELECT dimension FROM models WHERE model_id = ?", (model_id,)).fetchone()
    if row is None:
        return None
    dimension: int = row[0]
    covered = follow.coverage(connection, guild_id, model_id)
    seq = follow.head(connection)
    changed = [] if covered is None else follow.lines(connection, guild_id, model_id, covered[0])[0]
    records = follow.records(connection, guild_id, model_id)
    olds, damaged = _open(connection, records, dimension, changed, open_segment) if covered else ([], records)
    if covered is None or damaged:
        inputs: list[_Old] = []
        listing = _absent(connection, guild_id, model_id, dimension, olds)
        if not damaged and len(listing) < max(settings.seal_rows, 1):
            return None
    else:
        purge = _to_purge(olds, settings, everything)
        if not purge and len(changed) < settings.seal_rows:
            return None
        listing = _listing(connection, guild_id, model_id, dimension, [line.place for line in changed if line.place])
        inputs = _with_small_ones(olds, purge, len(listing))
    for old in inputs:  # rot must not be copied into a file with a good checksum
        if not old.segment.verify(lambda: _stopped(check)):
            set_aside(old.record)
            return make(
                connection, guild_id, model_id, settings, open_segment, set_aside, path_of,
                everything=everything, check=check,
            )  # fmt: skip
    survivors = [_survivors(old) for old in inputs]
    whole = Listing.joined([listing, *survivors])
    vectors = _Vectors(connection, model_id, dimension, list(zip(inputs, survivors, strict=True)))
    written, paths = _write(seal.arrange(whole), dimension, vectors, path_of, check)
    gone = [*(old.record for old in inputs), *damaged]
    tombstones = [
        (old.record.id, place_row, at_s)
        for old in olds
        if old not in inputs
        for place_row, at_s in old.newly_dead.items()
    ]
    return Draft(
        guild_id,
        model_id,
        None if covered is None else covered[1],
        seq,
        tuple(written),
        tuple(paths),
        tuple(record.id for record in gone),
        tuple(path_of(record.name) for record in gone),
        tuple(tombstones),
    )


def _stopped(check: Callable[[], None]) -> bool:
    check()
    return False


def _open(
    connection: sqlite3.Connection,
    records: list[Record],
    dimension: int,
    changed: list[follow.Line],
    open_segment: Callable[[Record, int], Segment],
) -> tuple[list[_Old], list[Record]]:
    """The healthy segments, and the others."""
    olds, damaged = [], []
    places = np.array([line.place for line in changed], np.int64)
    at_s = np.array([line.at_s for line in changed], np.int64)
    for record in records:
        try:
            segment = open_segment(record, dimension)
        except Damaged:
            damaged.append(record)
            continue
        dead = dict(follow.tombstones(connection, record.id))
        rows = segment.place_rows(places)
        hit = rows >= 0
        newly = {row: at for row, at in zip(rows[hit].tolist(), at_s[hit].tolist(), strict=True) if row not in dead}
        olds.append(_Old(record, segment, dead | newly, newly))
    return olds, damaged


def _to_purge(olds: list[_Old], settings: IndexSettings, everything: bool) -> list[_Old]:
    # Maintenance comes by every few minutes at most: an hour's margin (a quarter of a short limit) keeps the promise.
    limit = settings.purge_after_s - min(3600.0, settings.purge_after_s / 4)
    oldest = time.time() - limit
    return [
        old for old in olds if old.dead and (everything or old.share > DEAD_SHARE or min(old.dead.values()) <= oldest)
    ]


def _with_small_ones(olds: list[_Old], purge: list[_Old], fresh_rows: int) -> list[_Old]:
    """The segments to rewrite: those to purge, and those not much larger than what they are merged with.

    A segment joins when it is at most twice what has joined so far, so sizes grow geometrically: a guild of n pictures
    has O(log n) segments and each vector is copied O(log n) times in its life.
    """
    chosen = list(purge)
    total = fresh_rows + sum(old.record.vectors for old in chosen)
    for old in sorted(olds, key=lambda old: old.record.vectors):
        if old not in chosen and old.record.vectors <= 2 * total and total + old.record.vectors <= MAX_ROWS:
            chosen.append(old)
            total += old.record.vectors
    return chosen


def _survivors(old: _Old) -> Listing:
    segment = old.segment
    count = len(segment.pictures)
    alive = np.ones(old.record.places, np.bool_)
    alive[list(old.dead)] = False
    first = segment.primary.take(np.flatnonzero(alive[:count]))
    owner_alive = alive[count:]
    more = segment.extra.take(np.flatnonzero(owner_alive))
    pictures = segment.pictures.astype(np.int64)
    listing = [
        Listing(
            rows.place.astype(np.int64),
            picture,
            segment.channels.ids(rows.channel),
            segment.authors.ids(rows.author),
            rows.message.astype(np.int64),
            rows.flags.astype(np.int64),
        )
        for rows, picture in ((first, pictures[alive[:count]]), (more, pictures[segment.owner[owner_alive]]))
    ]
    return Listing.joined(listing)


def _listing(
    connection: sqlite3.Connection, guild_id: GuildId, model_id: ModelId, dimension: int, places: list[int] | None
) -> Listing:
    """These places (None: all of the guild) as they are now, as far as they have an embedding."""
    rows = connection.execute(
        _GUILD if places is None else _SOME,
        {"guild": guild_id, "model": model_id, "bytes": 2 * dimension, "places": json.dumps(places)},
    ).fetchall()
    return Listing(*np.array(rows, np.int64).reshape(-1, 6).T)


def _absent(
    connection: sqlite3.Connection, guild_id: GuildId, model_id: ModelId, dimension: int, olds: list[_Old]
) -> Listing:
    """What the guild has and no healthy segment holds."""
    listing = _listing(connection, guild_id, model_id, dimension, None)
    held = [_survivors(old).place for old in olds]
    if not held:
        return listing
    return listing.take(~np.isin(listing.place, np.concatenate(held)))


class _Vectors:
    """Vectors by picture id: from the segments that are merged where they have them, else from SQLite."""

    def __init__(
        self, connection: sqlite3.Connection, model_id: ModelId, dimension: int, sources: list[tuple[_Old, Listing]]
    ) -> None:
        self._connection, self._model, self._width = connection, model_id, 2 * dimension
        self._sources = [(old.segment, np.unique(kept.picture)) for old, kept in sources]

    def __call__(self, pictures: Long) -> Bytes:
        """[n, 2·dimension] float16 bytes of `pictures`, in their order."""
        rows = np.empty((len(pictures), self._width), np.uint8)
        missing: Bools = np.ones(len(pictures), np.bool_)
        for segment, kept in self._sources:
            here = np.flatnonzero(missing & np.isin(pictures, kept))
            rows[here] = segment.vectors[segment.vector_rows(pictures[here])]
            missing[here] = False
        at = {
            picture: position
            for position, picture in zip(np.flatnonzero(missing).tolist(), pictures[missing].tolist(), strict=True)
        }
        found = self._connection.execute(
            "SELECT picture_id, vector FROM embeddings"
            " WHERE model_id = ? AND picture_id IN (SELECT value FROM json_each(?))",
            (self._model, json.dumps(list(at))),
        ).fetchall()
        order = np.fromiter((at[picture] for picture, _ in found), np.int64, len(found))
        rows[order] = np.frombuffer(b"".join(vector for _, vector in found), np.uint8).reshape(-1, self._width)
        return rows


def _write(
    arranged: seal.Arranged,
    dimension: int,
    vectors: Callable[[Long], Bytes],
    path_of: Callable[[str], Path],
    check: Callable[[], None],
) -> tuple[list[Record], list[Path]]:
    """The files, renamed to their final names and safe on the disk."""
    records: list[Record] = []
    paths: list[Path] = []
    begun: list[Path] = []
    try:
        for start in range(0, len(arranged.primary), MAX_ROWS):
            final = path_of(secrets.token_hex(8))
            final.parent.mkdir(parents=True, exist_ok=True)
            partial = final.with_suffix(PARTIAL)
            begun += [partial, final]
            records.append(seal.write(partial, arranged.slice(start, start + MAX_ROWS), dimension, vectors, check))
            partial.rename(final)
            paths.append(final)
        for folder in {path.parent for path in paths}:
            for level in (folder, folder.parent, folder.parent.parent):
                _sync(level)
    except BaseException:
        for path in begun:
            path.unlink(missing_ok=True)
        raise
    return records, paths


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
