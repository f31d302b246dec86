"""Pictures that were posted again, as they were or edited: groups, each led by the post that came first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

import aiosqlite
import numpy as np
import numpy.typing as npt

from indexer.model import Filter, GuildId, ModelId, PictureId, Place, Vectors
from indexer.search import lookup
from indexer.search.bands import HASH_BITS, LARGEST_HASH_PART, Calibration, copy_bits_of, copy_scores
from indexer.storage import places
from indexer.storage.database import Database
from indexer.storage.places import PlaceDetail

# Each picture is compared with each: 20,000 of 512 dimensions take 4 s on two cores and 120 MB. Of more, the newest.
MAX_PICTURES = 20_000
# Vectors are stored as float16: of two that are equal the cosine may be this much less than 1.
ROUNDING = 1e-3
_BLOCK = 512  # rows compared at once: 512 × 20,000 cosines are 40 MB


@dataclass(frozen=True, slots=True)
class RepostGroup:
    """One picture's posts, oldest first, one a message. `confidence` (0–1) is that of the least certain of them."""

    first: Place
    detail: PlaceDetail
    others: tuple[Place, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Reposts:
    """The groups, largest first. `compared` of `total` pictures inside the filter were looked at, the newest."""

    groups: tuple[RepostGroup, ...]
    compared: int
    total: int


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The pictures of a filter, in the order of their first posts; rows of `vectors` and `hashes` belong to `ids`."""

    ids: list[PictureId]
    vectors: Vectors
    hashes: npt.NDArray[np.uint64]
    known: npt.NDArray[np.bool_]  # which of the hashes there are
    shown: dict[PictureId, tuple[Place, ...]]
    total: int


async def find_reposts(
    db: Database, guild_id: GuildId, model_id: ModelId, filter: Filter, threshold: float, calibration: Calibration
) -> Reposts:
    """Groups of two messages and more inside the filter whose pictures are one, as sure as `threshold` (0–1).

    How sure is the calibration's closeness of their copy score: 0 at the guild's typical neighbours, 1 at identity.
    """
    async with db.reader() as connection:
        loaded = await _load(connection, guild_id, model_id, filter)
    leads = await asyncio.to_thread(_leaders, loaded, threshold, calibration.typical)
    groups = _groups(loaded, leads)
    async with db.reader() as connection:  # a message that went meanwhile is not shown
        details = await places.describe(connection, [first.place_id for first, _, _ in groups])
    return Reposts(
        tuple(
            RepostGroup(first, details[first.place_id], others, confidence)
            for first, others, confidence in groups
            if first.place_id in details
        ),
        len(loaded.ids),
        loaded.total,
    )


async def _load(connection: aiosqlite.Connection, guild_id: GuildId, model_id: ModelId, filter: Filter) -> _Loaded:
    rows = await connection.execute_fetchall(
        "SELECT p.picture_id, max(p.message_id) FROM messages m JOIN places p USING (message_id)"
        " WHERE m.guild_id = :guild AND p.state = 'ready'"
        " AND m.channel_id IN (SELECT value FROM json_each(:channels))"
        " AND (:authors IS NULL OR m.author_id IN (SELECT value FROM json_each(:authors)))"
        " AND p.message_id >= :low AND p.message_id < :high AND p.message_id IS NOT :not_message"
        " AND (p.flags & :require) = :require AND (p.flags & :exclude) = 0"
        " GROUP BY p.picture_id ORDER BY 2 DESC",
        {"guild": guild_id, **lookup.filter_values(filter)},
    )
    newest = [PictureId(picture_id) for picture_id, _ in rows]
    chosen = newest[:MAX_PICTURES]
    shown = await lookup.places(connection, guild_id, chosen, filter)
    data = await connection.execute_fetchall(
        "SELECT p.picture_id, e.vector, p.perceptual_hash FROM pictures p"
        " JOIN embeddings e ON e.picture_id = p.picture_id AND e.model_id = ?"
        " WHERE p.picture_id IN (SELECT value FROM json_each(?))",
        (model_id, json.dumps(chosen)),
    )
    rows = sorted((row for row in data if row[0] in shown), key=lambda row: min(shown[row[0]]))
    dimension = len(rows[0][1]) // 2 if rows else 1
    vectors = np.frombuffer(b"".join(row[1] for row in rows), "<f2").reshape(-1, dimension).astype(np.float32)
    return _Loaded(
        ids=[PictureId(row[0]) for row in rows],
        vectors=vectors,
        hashes=np.array([(row[2] or 0) & (1 << 64) - 1 for row in rows], np.uint64),
        known=np.array([row[2] is not None for row in rows], np.bool_),
        shown=shown,
        total=len(newest),
    )


def _leaders(loaded: _Loaded, threshold: float, typical: float) -> list[tuple[int, float]]:
    """For each picture the one that it repeats (itself, if none) and how sure that is.

    A picture joins the earliest-posted leader's group that it is surest of; it never leads others then, so a chain of
    small changes does not pull in what the first post does not resemble.
    """
    count = len(loaded.ids)
    leads = [(one, 1.0) for one in range(count)]
    leading = np.ones(count, np.bool_)
    least = typical + threshold * (1 - typical)
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        cosines = loaded.vectors[start:stop] @ loaded.vectors[:stop].T
        for row in range(stop - start):
            own = start + row
            near = np.flatnonzero((cosines[row, :own] >= least - LARGEST_HASH_PART) & leading[:own])
            if not len(near):
                continue
            bits = copy_bits_of(loaded.hashes[near], loaded.hashes[own])
            bits[~(loaded.known[near] & loaded.known[own])] = HASH_BITS
            scores = copy_scores(cosines[row, near], bits)
            best = int(np.argmax(scores))
            if scores[best] >= least - ROUNDING:
                sure = (float(scores[best]) - typical) / (1 - typical)
                leads[own] = (int(near[best]), min(max(sure, threshold), 1.0))
                leading[own] = False
    return leads


def _groups(loaded: _Loaded, leads: Sequence[tuple[int, float]]) -> list[tuple[Place, tuple[Place, ...], float]]:
    members: dict[int, list[tuple[int, float]]] = {}
    for own, (leader, confidence) in enumerate(leads):
        members.setdefault(leader, []).append((own, confidence))
    groups = []
    for group in members.values():
        by_message: dict[int, Place] = {}
        for own, _ in group:
            for place in loaded.shown[loaded.ids[own]]:
                known = by_message.get(place.message_id)
                by_message[place.message_id] = place if known is None else min(place, known)
        first, *others = sorted(by_message.values())
        if others:
            groups.append((first, tuple(others), min(confidence for _, confidence in group)))
    return sorted(groups, key=lambda group: (-len(group[1]), -max(group[1]).message_id))
