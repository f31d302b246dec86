"""Which new pictures fit which saved searches, and which members are due to be told of them.

What is costly, a search with a member's own rights, is done for few: a gate of each search, made at its last look, is
held against all new pictures by one product. Searches with filters alone have no gate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import aiosqlite

from indexer.clock import now_ms
from indexer.database.connections import in_thread
from indexer.database.database import Database
from indexer.notices.new_pictures import NewPictures
from indexer.query.grammar import parse
from indexer.records.hits import Place
from indexer.records.ids import GuildId, ModelId, PictureId, PlaceId, UserId
from indexer.records.new_pictures import NewPicture
from indexer.records.pictures import Vectors
from indexer.records.saved_searches import Telling
from indexer.search import picture_facts
from indexer.search.new_matches import Gate, Gates
from indexer.search.picture_facts import PictureFacts
from indexer.store import picture_texts, saved_notices, saved_searches
from indexer.text.terms import Term, counts, cut, pattern_of

FOLLOWER: Final = "saved searches"  # the name of the lines that migration 0023 writes
# Places that one search gathers until its member is told. `/saved run` shows the others.
MOST_GATHERED: Final = 20
# A gate is made anew after a day: the server's pictures have changed, and what the member may see.
GATE_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What a closer look at one saved search gave: places that fit, and its next gate (None: everything may fit)."""

    saved_id: int
    places: Sequence[PlaceId]
    model_id: ModelId
    gate: Gate | None


class SavedNotices:
    """Of one data folder. Its methods raise RetryLater where the database is not free in time."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.new = NewPictures(db, FOLLOWER)

    async def worth_a_look(self, guild_id: GuildId, pictures: Sequence[NewPicture], model_id: ModelId) -> list[Telling]:
        """The saved searches that some of these pictures may fit, by member, each with those places.

        Never what its member posted, and nothing posted before it was saved.
        """
        newest = max(picture.place.message_id for picture in pictures)
        async with self._db.reader() as connection:
            waiting = await saved_notices.waiting(connection, guild_id, newest, MOST_GATHERED)
            ids = [telling.saved_id for telling in waiting]
            stored = await saved_notices.gates(connection, ids, model_id, now_ms() - GATE_MS)
            facts = await picture_facts.facts(connection, model_id, {picture.picture_id for picture in pictures})
            texts = await _texts(connection, pictures)
        gates = {saved_id: Gate(*gate) for saved_id, gate in stored.items()}
        return await asyncio.to_thread(_worth_a_look, waiting, pictures, model_id, gates, facts, texts)

    async def store(self, pictures: Sequence[NewPicture], looked: Sequence[Looked]) -> None:
        """These pictures are dealt with, and this came of them."""
        at_ms = now_ms()
        async with self._db.transaction() as tx:
            for look in looked:
                gate = None if look.gate is None else (look.gate.vector, look.gate.least)
                await saved_notices.put_gate(tx, look.saved_id, look.model_id, gate, at_ms)
                if look.places:
                    await saved_notices.add_matches(tx, look.saved_id, look.places)
            await self.new.done(tx, pictures)

    async def due(self, told_before_ms: int) -> list[int]:
        """Saved searches with something to tell, whose members were not told since then (Unix milliseconds)."""
        async with self._db.reader() as connection:
            return await saved_notices.due(connection, told_before_ms)

    async def take(self, saved_id: int) -> Telling | None:
        """What its member is to be told now. The same again until `told` says that it is done; None: it is gone."""
        async with self._db.transaction() as tx:
            return await saved_notices.take(tx, saved_id)

    async def told(self, saved_id: int, *, counts: bool) -> None:
        """What `take` gave is told, or is nothing that its member may see now. `counts`: the next one has to wait."""
        async with self._db.transaction() as tx:
            await saved_notices.told(tx, saved_id, now_ms() if counts else None)

    async def member_left(self, user_id: UserId, guild_id: GuildId) -> None:
        """Deletes all that this member has saved in the server."""
        async with self._db.transaction() as tx:
            await saved_searches.remove_all(tx, user_id, guild_id)


def _worth_a_look(
    waiting: Sequence[Telling],
    pictures: Sequence[NewPicture],
    model_id: ModelId,
    gates: Mapping[int, Gate],
    facts: Mapping[PictureId, PictureFacts],
    texts: Mapping[PlaceId, str],
) -> list[Telling]:
    columns: dict[PictureId, list[int]] = {}
    frames: list[tuple[Vectors, int]] = []
    for picture_id, known in facts.items():
        shown = [(frame.vector, frame.moment.perceptual_hash) for frame in known.further]
        columns[picture_id] = list(range(len(frames), len(frames) + 1 + len(shown)))
        frames += [(known.vector, known.perceptual_hash), *shown]
    gated = [telling for telling in waiting if telling.saved_id in gates]
    row = {telling.saved_id: number for number, telling in enumerate(gated)}
    hashes = [0 if telling.search.picture is None else telling.search.picture.perceptual_hash for telling in gated]
    table = Gates.of([gates[telling.saved_id] for telling in gated], hashes)
    open_for = table.open([vector for vector, _ in frames], [perceptual_hash for _, perceptual_hash in frames])
    found = []
    for telling in waiting:
        terms = _terms(telling)
        if not terms and telling.search.picture is not None and telling.search.picture.model_id != model_id:
            continue  # it asks for nothing that can be compared any more
        said = _saying(terms, texts)
        places: list[Place] = []
        for picture in pictures:
            place = picture.place
            if place.message_id <= telling.notice.after_id or place.author_id == telling.user_id:
                continue
            near = telling.saved_id not in row or bool(
                open_for[row[telling.saved_id], columns.get(picture.picture_id, [])].any()
            )
            if near or place.place_id in said:
                places.append(place)
        if places:
            found.append(replace(telling, places=tuple(places), said=said))
    return found


def _terms(telling: Telling) -> list[Term]:
    return cut(parse(telling.search.question, now_ms()).words) if telling.search.question else []


async def _texts(connection: aiosqlite.Connection, pictures: Sequence[NewPicture]) -> dict[PlaceId, str]:
    """What each message says, and what its picture says."""
    ids = {picture.place.message_id for picture in pictures}
    said = await saved_notices.texts(connection, ids)
    shown = await in_thread(connection, lambda raw: picture_texts.shown_by(raw, ids))
    texts = {}
    for picture in pictures:
        message_id = picture.place.message_id
        own = shown.get(message_id, {}).get(picture.picture_id, {})
        texts[picture.place.place_id] = "\n".join([said.get(message_id, ""), *own.values()])
    return texts


def _saying(terms: Sequence[Term], texts: Mapping[PlaceId, str]) -> frozenset[PlaceId]:
    """The places that say all of the words, as near as they can be counted without FTS5."""
    if not terms:
        return frozenset()
    patterns = [pattern_of(term) for term in terms]
    return frozenset(place_id for place_id, text in texts.items() if all(counts(text, patterns)))
