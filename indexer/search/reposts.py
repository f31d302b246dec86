"""Pictures that were posted again, as they were or edited: groups, each led by the post that came first."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiosqlite
import numpy as np

from indexer.database.database import Database
from indexer.long_work import LongWork
from indexer.records.copies import RULE, Copy, Verdicts, pair_of
from indexer.records.hits import Filter, Place, PlaceDetail
from indexer.records.ids import ChannelId, GuildId, ModelId, PictureId, PlaceId
from indexer.search import picture_facts
from indexer.search.copies import Comparable, leaders, told_of
from indexer.search.model_switch import GuildSearcher
from indexer.search.picture_facts import known_hash
from indexer.search.score_bands import SURE_BITS, Calibration, copy_bits
from indexer.store import places, verdicts
from indexer.store.filter_sql import PLACE_INSIDE, filter_values

# Each picture is compared with each: 20,000 of 512 dimensions take 4 s on two cores and 120 MB. Of more, the newest.
MAX_PICTURES = 20_000
_ROWS = 1_000  # pictures read at once, so that the event loop comes in between


@dataclass(frozen=True, slots=True)
class RepostGroup:
    """One picture's posts, oldest first, one a message. `confidence` (0–1) is that of the least certain of them.

    `edited` has those of `others` that show neither the first post's picture nor one with almost the same hash: what
    was done to it, as the pixels of the two show, or None where they were not compared (a likely copy).
    """

    first: Place
    detail: PlaceDetail
    others: tuple[Place, ...]
    confidence: float
    edited: Mapping[PlaceId, Copy | None]


@dataclass(frozen=True, slots=True)
class Reposts:
    """The groups, largest first. `compared` of `total` pictures inside the filter were looked at, the newest."""

    groups: tuple[RepostGroup, ...]
    compared: int
    total: int


@dataclass(frozen=True, slots=True)
class Compared:
    """What comparing all pictures of a filter gave: which are one, and how sure that is. Numbers of pictures only.

    Places and links are looked up at each page, so that a post that is gone by then is not shown.
    """

    groups: tuple[tuple[tuple[PictureId, ...], float], ...]
    compared: int
    total: int


class RepostFinder:
    """Finds re-posts with the model that answers in the guild."""

    def __init__(self, db: Database, work: LongWork, searcher: GuildSearcher) -> None:
        self._db = db
        self._work = work
        self._searcher = searcher

    async def compare(
        self, owner: int, guild_id: GuildId, visible: frozenset[ChannelId], filter: Filter, threshold: float
    ) -> Compared:
        """As `compare`, measured on the channels that the asker may see. `owner` asks, and has one turn at a time.

        Raises AlreadyRunning, TooManyWaiting, Stopped, RetryLater.
        """
        async with self._work.turn(owner):
            searcher = await self._searcher.of(guild_id)
            calibration = await searcher.calibration(guild_id, visible)
            return await compare(self._db, self._work, guild_id, searcher.model_id, filter, threshold, calibration)

    async def described(self, guild_id: GuildId, filter: Filter, compared: Compared) -> Reposts:
        """As `described`."""
        return await described(self._db, guild_id, filter, compared)


async def compare(
    db: Database,
    work: LongWork,
    guild_id: GuildId,
    model_id: ModelId,
    filter: Filter,
    threshold: float,
    calibration: Calibration,
) -> Compared:
    """Which pictures inside the filter repeat one another, as sure as `threshold` (0–1) at least. What comparing their
    pixels has told decides.

    How sure is the calibration's closeness of their copy score: 0 at the guild's typical neighbours, 1 at identity.
    Takes seconds; call it within a turn of `work`. Raises Stopped.
    """
    async with db.reader() as connection:
        chosen, total = await newest(connection, guild_id, filter)
        shown: dict[PictureId, tuple[Place, ...]] = {}
        rows: list[Sequence[Any]] = []
        told = await verdicts.among(connection, guild_id, RULE, chosen)
        for some in batches(chosen):
            shown |= await picture_facts.places(connection, guild_id, some, filter)
            rows += await connection.execute_fetchall(
                "SELECT p.picture_id, e.vector, p.perceptual_hash FROM pictures p"
                " JOIN embeddings e ON e.picture_id = p.picture_id AND e.model_id = ?"
                " WHERE p.picture_id IN (SELECT value FROM json_each(?))",
                (model_id, json.dumps(some)),
            )
    groups, compared = await work.run(partial(_grouped, rows, shown, told, threshold, calibration.typical))
    return Compared(groups, compared, total)


async def described(db: Database, guild_id: GuildId, filter: Filter, found: Compared) -> Reposts:
    """The groups as they are now: without posts that are gone or outside the filter, and without groups of one post."""
    repeated = [picture for group, _ in found.groups for picture in group]
    shown: dict[PictureId, tuple[Place, ...]] = {}
    hashes: dict[PictureId, int] = {}
    async with db.reader() as connection:
        for some in batches(repeated):
            shown |= await picture_facts.places(connection, guild_id, some, filter)
            hashes |= await picture_facts.hashes(connection, some)
        told = await verdicts.among(connection, guild_id, RULE, repeated)
        groups = []
        for group, confidence in found.groups:
            if len(posts := _one_a_message(group, shown)) > 1:
                groups.append((posts, confidence))
        details = await places.describe(connection, [posts[0][0].place_id for posts, _ in groups])
    groups.sort(key=lambda group: (-len(group[0]), -group[0][-1][0].message_id))
    return Reposts(
        tuple(
            RepostGroup(
                first,
                details[first.place_id],
                tuple(place for place, _ in others),
                confidence,
                _edited(picture, others, hashes, told),
            )
            for ((first, picture), *others), confidence in groups
            if first.place_id in details
        ),
        found.compared,
        found.total,
    )


async def newest(connection: aiosqlite.Connection, guild_id: GuildId, filter: Filter) -> tuple[list[PictureId], int]:
    """The newest MAX_PICTURES pictures inside the filter, and how many there are."""
    rows = await connection.execute_fetchall(
        # Of one message's pictures not their own numbers decide, which tell what was stored elsewhere.
        "SELECT p.picture_id, max(p.message_id), max(p.place_id) FROM messages m JOIN places p USING (message_id)"  # noqa: S608 -- ours
        f" WHERE m.guild_id = :guild AND {PLACE_INSIDE} GROUP BY p.picture_id ORDER BY 2 DESC, 3",
        {"guild": guild_id, **filter_values(filter)},
    )
    ids = [PictureId(picture_id) for picture_id, *_ in rows]
    return ids[:MAX_PICTURES], len(ids)


def _grouped(
    rows: list[Sequence[Any]],
    shown: dict[PictureId, tuple[Place, ...]],
    told: Verdicts,
    threshold: float,
    typical: float,
    stop: threading.Event,
) -> tuple[tuple[tuple[tuple[PictureId, ...], float], ...], int]:
    """Groups of pictures that more than one message shows, and how many pictures were compared. Blocks for seconds."""
    rows = sorted((row for row in rows if row[0] in shown), key=lambda row: min(shown[row[0]]))
    ids = [PictureId(row[0]) for row in rows]
    dimension = len(rows[0][1]) // 2 if rows else 1
    pictures = Comparable(
        np.frombuffer(b"".join(row[1] for row in rows), "<f2").reshape(-1, dimension).astype(np.float32),
        np.array([known_hash(row[2]) for row in rows], np.uint64),
    )
    members: dict[int, list[tuple[PictureId, float]]] = {}
    for own, (leader, confidence) in enumerate(leaders(pictures, threshold, typical, told_of(ids, told), stop)):
        members.setdefault(leader, []).append((ids[own], confidence))
    groups = (
        (tuple(picture for picture, _ in group), min(confidence for _, confidence in group))
        for group in members.values()
    )
    return tuple(group for group in groups if len(_one_a_message(group[0], shown)) > 1), len(ids)


def batches(pictures: Sequence[PictureId]) -> Iterator[Sequence[PictureId]]:
    """_ROWS at a time."""
    return (pictures[start : start + _ROWS] for start in range(0, len(pictures), _ROWS))


def _one_a_message(
    pictures: Sequence[PictureId], shown: dict[PictureId, tuple[Place, ...]]
) -> list[tuple[Place, PictureId]]:
    """The places of these pictures, oldest first, the first one of each message, and which picture each shows."""
    by_message: dict[int, tuple[Place, PictureId]] = {}
    for place, picture_id in sorted((place, picture) for picture in pictures for place in shown.get(picture, ())):
        by_message.setdefault(place.message_id, (place, picture_id))
    return list(by_message.values())


def _edited(
    first: PictureId, others: Sequence[tuple[Place, PictureId]], hashes: Mapping[PictureId, int], told: Verdicts
) -> dict[PlaceId, Copy | None]:
    """As `RepostGroup.edited`; `first` is the picture of the first post."""
    return {
        place.place_id: told.get(pair_of(first, picture))
        for place, picture in others
        if picture != first and copy_bits(hashes.get(first, 0), hashes.get(picture, 0)) > SURE_BITS
    }
