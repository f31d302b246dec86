"""Decides what the next publication of an index holds, and writes its files."""

from __future__ import annotations

import errno
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from indexer.errors import DiskFull, RetryLater
from indexer.platforms.files import sync_folder
from indexer.records.ids import GuildId, ModelId
from indexer.settings import IndexSettings
from indexer.vectors import log_follower, segment_writer
from indexer.vectors.compaction_input import Old, Snapshot, Vectors
from indexer.vectors.segment import Damaged, Record
from indexer.vectors.segment_writer import Listing

MAX_ROWS = 262_144  # vectors a segment: 400 MB at 512 dimensions, the most that one step ever has to copy
DEAD_SHARE = 0.25  # a segment with a larger share of deleted places is rewritten at once, before the time limit
PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """Finished files that no search uses yet. `generation` is that of the coverage they were made from (None: none)."""

    guild_id: GuildId
    model_id: ModelId
    generation: int | None
    seq: int
    records: tuple[Record, ...]
    paths: tuple[Path, ...]
    retired_ids: tuple[int, ...]
    retired: tuple[Path, ...]
    tombstones: tuple[tuple[int, int, int], ...]


def make(
    snapshot: Snapshot, settings: IndexSettings, files: log_follower.Files, *, everything: bool
) -> CompactionPlan | None:
    """The plan that is due, with its files written and on the disk. None when nothing is due.

    `everything`: what is deleted is purged now. Where the snapshot's `check` stops the work, and where the disk refuses
    (RetryLater), the files that were written by then are removed.
    """
    connection, guild_id, model_id = snapshot.connection, snapshot.guild_id, snapshot.model_id
    covered = log_follower.coverage(connection, guild_id, model_id)
    records = log_follower.records(connection, guild_id, model_id)
    changed = [] if covered is None else log_follower.lines(connection, guild_id, model_id, covered[0])
    olds, damaged = open_segments(snapshot, records, changed, files) if covered else ([], records)
    inputs: list[Old] = []
    if covered is None or damaged:
        listing = _absent(snapshot, olds)
        # A guild that is too small for a segment is sealed too, once its log has as many lines as a segment has rows.
        if not damaged and max(len(listing), log_follower.backlog(connection, guild_id, model_id)) < settings.seal_rows:
            return None
    else:
        purge = _to_purge(olds, settings, everything)
        if not purge and len(changed) < settings.seal_rows:
            return None
        listing = snapshot.listing([line.place for line in changed if line.place])
        inputs = _with_small_ones(olds, purge, len(listing))
    for old in inputs:  # damaged bytes must not be copied into a new file, which would have a valid checksum
        if not old.segment.verify(lambda: _stopped(snapshot.check)):
            files.set_aside(old.record, "its checksum is wrong")
            return make(snapshot, settings, files, everything=everything)
    survivors = [old.survivors() for old in inputs]
    arranged = segment_writer.arrange(Listing.joined([listing, *survivors]))
    arranged = arranged.with_frames(*snapshot.frames(arranged.primary.picture))
    vectors = Vectors(snapshot, list(zip(inputs, survivors, strict=True)))
    written, paths = _write(arranged, snapshot, vectors, files.path_of)
    retired = [*(old.record for old in inputs), *damaged]
    return CompactionPlan(
        guild_id,
        model_id,
        None if covered is None else covered[1],
        log_follower.head(connection),
        tuple(written),
        tuple(paths),
        tuple(record.id for record in retired),
        tuple(files.path_of(record.name) for record in retired),
        tuple(
            (old.record.id, place_row, at_s)
            for old in olds
            if old not in inputs
            for place_row, at_s in old.newly_dead.items()
        ),
    )


def _stopped(check: Callable[[], None]) -> bool:
    check()
    return False


def open_segments(
    snapshot: Snapshot, records: list[Record], changed: list[log_follower.Line], files: log_follower.Files
) -> tuple[list[Old], list[Record]]:
    """The undamaged segments, and the records of the others."""
    olds, damaged = [], []
    places = np.array([line.place for line in changed], np.int64)
    at_s = np.array([line.at_s for line in changed], np.int64)
    for record in records:
        try:
            segment = files.open(record, snapshot.dimension)
        except Damaged as error:
            files.set_aside(record, str(error))
            damaged.append(record)
            continue
        dead = dict(log_follower.tombstones(snapshot.connection, record.id))
        rows = segment.place_rows(places)
        hit = rows >= 0
        newly = {row: at for row, at in zip(rows[hit].tolist(), at_s[hit].tolist(), strict=True) if row not in dead}
        olds.append(Old(record, segment, dead | newly, newly))
    return olds, damaged


def _absent(snapshot: Snapshot, olds: list[Old]) -> Listing:
    """The places of the guild that no undamaged segment holds."""
    listing = snapshot.listing(None)
    held = [old.survivors().place for old in olds]
    return listing.take(~np.isin(listing.place, np.concatenate(held))) if held else listing


def _to_purge(olds: list[Old], settings: IndexSettings, everything: bool) -> list[Old]:
    # Maintenance runs every few minutes, so a margin of an hour (a quarter of a short limit) keeps the time limit.
    limit = settings.purge_after_s - min(3600.0, settings.purge_after_s / 4)
    oldest = time.time() - limit
    return [
        old
        for old in olds
        if old.dead and (everything or old.dead_share > DEAD_SHARE or min(old.dead.values()) <= oldest)
    ]


def _with_small_ones(olds: list[Old], purge: list[Old], fresh_rows: int) -> list[Old]:
    """The segments to rewrite: those to purge, and those not much larger than what they are merged with.

    A segment is added when it is at most twice as large as the sum of those already added. So sizes grow geometrically:
    a guild of n pictures has O(log n) segments, and each vector is copied O(log n) times.
    """
    chosen = list(purge)
    total = fresh_rows + sum(old.record.vectors for old in chosen)
    for old in sorted(olds, key=lambda old: old.record.vectors):
        if old not in chosen and old.record.vectors <= 2 * total and total + old.record.vectors <= MAX_ROWS:
            chosen.append(old)
            total += old.record.vectors
    return chosen


def _write(
    arranged: segment_writer.Arranged, snapshot: Snapshot, vectors: Vectors, path_of: Callable[[str], Path]
) -> tuple[list[Record], list[Path]]:
    """Writes the files, gives them their final names, and returns when they are on the disk."""
    records: list[Record] = []
    paths: list[Path] = []
    begun: list[Path] = []
    try:
        for piece in arranged.pieces(MAX_ROWS):
            final = path_of(secrets.token_hex(8))
            final.parent.mkdir(parents=True, exist_ok=True)
            partial = final.with_suffix(PARTIAL)
            begun += [partial, final]
            records.append(
                segment_writer.write(
                    partial, piece, snapshot.dimension, vectors, snapshot.check, snapshot.frame_vectors
                )
            )
            partial.rename(final)
            paths.append(final)
        for folder in {path.parent for path in paths}:
            for level in (folder, folder.parent, folder.parent.parent):
                sync_folder(level)
    except BaseException as error:
        for path in begun:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"No segment could be written ({error}). Searches go on; make room on the disk.") from error
        if isinstance(error, OSError):
            raise RetryLater(f"No segment could be written ({error}). Searches go on; check the disk.") from error
        raise
    return records, paths
