"""Compares the sealed segments of one index with the database: what is missing, what is too much, what differs."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.database.stoppable_thread import Check
from indexer.records.ids import GuildId, ModelId
from indexer.vectors import compaction_plan, log_follower
from indexer.vectors.compaction_input import FETCH_ROWS, Old, Snapshot
from indexer.vectors.segment import SUFFIX, Damaged, Record, Segment
from indexer.vectors.segment_writer import Listing, Long

REPLACED_TRIES = 5  # how often segments that a running bot has replaced meanwhile are looked up anew


@dataclass(frozen=True, slots=True)
class IndexCheck:
    """One guild's index for one model. `waiting` places are embedded and come into a segment later.

    `damaged`: a sentence for each segment whose file does not have the bytes that were written. `missing` places are
    embedded, in no segment, and do not wait. `surplus` places are in a segment, and the database does not have them, or
    they are in two. `differing` places or vectors are not the same in both.
    """

    guild_id: GuildId
    model_id: ModelId
    segments: int
    places: int
    waiting: int
    damaged: tuple[str, ...]
    missing: int
    surplus: int
    differing: int


def indexes(connection: sqlite3.Connection) -> list[tuple[GuildId, ModelId, int]]:
    """(guild, model, dimension) of every index that has embeddings or segments."""
    rows = connection.execute(
        "SELECT guild_id, model_id, dimension FROM models JOIN ("
        " SELECT DISTINCT p.guild_id, e.model_id FROM embeddings e JOIN places p USING (picture_id)"
        " UNION SELECT guild_id, model_id FROM coverage UNION SELECT guild_id, model_id FROM segments)"
        " USING (model_id) ORDER BY 1, 2"
    )
    return [(GuildId(guild), ModelId(model), dimension) for guild, model, dimension in rows]


def check_index(
    connection: sqlite3.Connection, folder: Path, guild_id: GuildId, model_id: ModelId, dimension: int, check: Check
) -> IndexCheck:
    """Reads every row and every segment of one index. `folder` has the segments of all guilds. Blocks.

    `connection` is in autocommit mode. If a running bot replaces segments meanwhile, this begins anew.
    """
    for _ in range(REPLACED_TRIES - 1):
        before = log_follower.coverage(connection, guild_id, model_id)
        result = _check_once(connection, folder, guild_id, model_id, dimension, check)
        if not result.damaged or log_follower.coverage(connection, guild_id, model_id) == before:
            return result
    return _check_once(connection, folder, guild_id, model_id, dimension, check)


def _check_once(
    connection: sqlite3.Connection, folder: Path, guild_id: GuildId, model_id: ModelId, dimension: int, check: Check
) -> IndexCheck:
    damaged: list[str] = []

    def path_of(name: str) -> Path:
        return folder / str(guild_id) / str(model_id) / f"{name}{SUFFIX}"

    def opened(record: Record, dimension: int) -> Segment:
        segment = Segment(path_of(record.name), record, dimension)
        if not segment.verify(lambda: _stopped(check)):
            raise Damaged(record, f"{path_of(record.name)}: the checksum of its vectors is wrong")
        return segment

    files = log_follower.Files(opened, lambda _, why: damaged.append(why), path_of)
    connection.execute("BEGIN")
    try:
        snapshot = Snapshot(connection, guild_id, model_id, dimension, check)
        covered = log_follower.coverage(connection, guild_id, model_id)
        records = log_follower.records(connection, guild_id, model_id)
        changed = [] if covered is None else log_follower.lines(connection, guild_id, model_id, covered[0])
        olds, damaged_records = compaction_plan.open_segments(snapshot, records, changed, files)
        stored = snapshot.listing(None)
        sealed = Listing.joined([old.survivors() for old in olds])
        waiting = np.isin(stored.place, [line.place for line in changed]) if covered else np.ones(len(stored), bool)
        missing = ~waiting & ~np.isin(stored.place, sealed.place)
        known = np.isin(sealed.place, stored.place)
        surplus = np.count_nonzero(~known) + len(sealed) - len(np.unique(sealed.place))
        return IndexCheck(
            guild_id,
            model_id,
            len(records),
            len(stored),
            int(np.count_nonzero(waiting)),
            tuple(damaged),
            # What only a damaged segment holds is not counted twice: the bot writes that segment anew.
            0 if damaged_records else int(np.count_nonzero(missing)),
            int(surplus),
            _differing_rows(stored, sealed.take(known)) + _differing_vectors(snapshot, olds, stored.picture),
        )
    finally:
        connection.execute("ROLLBACK")


def _differing_rows(stored: Listing, sealed: Listing) -> int:
    """How many sealed places have another picture, channel, author, message or flags than the stored ones."""
    order = np.argsort(stored.place)
    same = stored.take(order[np.searchsorted(stored.place, sealed.place, sorter=order)])
    differs = np.zeros(len(sealed), np.bool_)
    for name in ("picture", "channel", "author", "message", "flags"):
        differs |= getattr(same, name) != getattr(sealed, name)
    return int(np.count_nonzero(differs))


def _differing_vectors(snapshot: Snapshot, olds: list[Old], stored_pictures: Long) -> int:
    differing = 0
    for old in olds:
        pictures = np.intersect1d(old.survivors().picture, stored_pictures)
        for start in range(0, len(pictures), FETCH_ROWS):
            snapshot.check()
            chunk = pictures[start : start + FETCH_ROWS]
            sealed = old.segment.vectors.take(old.segment.vector_rows(chunk), axis=0)
            differing += int(np.count_nonzero((sealed != snapshot.vectors(chunk)).any(axis=1)))
        differing += _differing_frames(snapshot, old.segment, pictures)
    return differing


def _differing_frames(snapshot: Snapshot, segment: Segment, pictures: Long) -> int:
    """How many of these pictures (ascending) have other further frames in the segment than in the database."""
    frames, stored = snapshot.frames(pictures)
    rows, held = np.empty(0, np.int64), np.empty(0, np.int64)
    if segment.frames is not None:
        shown = segment.frames.pictures.astype(np.int64)
        rows = np.argsort(shown, kind="stable")
        rows = rows[np.isin(shown[rows], pictures)]
        held = shown[rows]
    every = np.union1d(stored, held)
    counts = (np.bincount(np.searchsorted(every, found), minlength=len(every)) for found in (stored, held))
    uneven = every[np.not_equal(*counts)]
    frames, rows = frames[np.isin(stored, uneven, invert=True)], rows[np.isin(held, uneven, invert=True)]
    differing: list[Long] = [uneven]
    for start in range(0, len(rows) if segment.frames is not None else 0, FETCH_ROWS):
        snapshot.check()
        assert segment.frames is not None
        some = rows[start : start + FETCH_ROWS]
        other = segment.frames.vectors[some] != snapshot.frame_vectors(frames[start : start + FETCH_ROWS])
        differing.append(segment.frames.pictures[some[other.any(axis=1)]].astype(np.int64))
    return len(np.unique(np.concatenate(differing)))


def _stopped(check: Check) -> bool:
    check()
    return False
