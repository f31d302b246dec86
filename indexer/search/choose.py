"""The last stage: which candidates become hits, in which order, and which pictures are one hit together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import aiosqlite
import numpy as np

from indexer.database.database import Database
from indexer.query.query import Query
from indexer.records.copies import RULE
from indexer.records.hits import Hit, Place, PlaceDetail
from indexer.records.ids import ModelId, PictureId
from indexer.search import hash_lookup, picture_facts
from indexer.search.copies import groups_of_copies, repeated_elsewhere
from indexer.search.hits import hit_at
from indexer.search.picture_facts import PictureFacts
from indexer.search.rank import cosines, diverse, groups_of_alike, hamming
from indexer.search.relevance import Judged
from indexer.search.stages import Search
from indexer.store import places, verdicts

# Two pictures are shown as one hit when they are this close: hashes of two encodings of one picture differ by a few
# bits, and a cosine this high is the same picture to the model.
ALIKE_BITS = 6
ALIKE_COSINE = 0.985
# Of the fused list so many are looked at closely: what collapses into another hit must not leave the answer short.
RANKED = 40
RANKED_A_HIT = 4
COPIES = 200  # of the hits together, which are found by their hash alone

Shown = Mapping[PictureId, tuple[Place, ...]]  # the places of each picture inside the filter, newest first


class Choose:
    """Writes `hits`, with all that a reply shows of them, as SQLite has it at this moment."""

    name = "choose"

    def __init__(self, db: Database, model_id: ModelId) -> None:
        self._db = db
        self._model_id = model_id

    async def run(self, search: Search) -> None:
        query, facts, typical = search.query, search.facts, search.calibration.typical
        top = list(search.scores)[: max(RANKED, RANKED_A_HIT * query.count)]
        async with self._db.reader() as connection:
            shown = await picture_facts.places(connection, query.guild_id, top, query.filter)
            found = [search.judged[picture_id] for picture_id in top if picture_id in shown]
            chosen = choose(query, found, facts, search.scores, shown)
            facts = await self._with_copies(connection, query, facts, [judged.picture_id for judged, _ in chosen])
            told = await verdicts.among(connection, query.guild_id, RULE, list(facts))
            copies: Mapping[PictureId, tuple[PictureId, ...]] = {}
            if repeated_elsewhere([alike for _, alike in chosen], facts, typical, told):
                shown = await picture_facts.places(connection, query.guild_id, list(facts), query.filter)
                copies = groups_of_copies(facts, shown, typical, told)
            leading = [_leading(judged, shown) for judged, _ in chosen]
            colours = await picture_facts.colour_shares(
                connection, [judged.picture_id for judged, _ in chosen], query.filter.colours
            )
            details = await places.describe(connection, [place.place_id for place in leading])
        search.hits = tuple(
            _hit(_with_colour(judged, colours), alike, place, detail, shown, copies)
            for (judged, alike), place in zip(chosen, leading, strict=True)
            # Neither can happen inside one snapshot; were it to, silence beats a leak.
            if (detail := details.get(place.place_id)) is not None and detail.channel_id in query.filter.channels
        )

    async def _with_copies(
        self,
        connection: aiosqlite.Connection,
        query: Query,
        facts: Mapping[PictureId, PictureFacts],
        chosen: Sequence[PictureId],
    ) -> Mapping[PictureId, PictureFacts]:
        """The same facts, and those of the pictures inside the filter whose hash agrees with that of a chosen one, or
        that are copies of it by their pixels.
        """
        hashes = [facts[picture_id].perceptual_hash for picture_id in chosen]
        alike = await hash_lookup.agreeing(connection, query.guild_id, hashes, query.filter, COPIES)
        told = await verdicts.of_any(connection, query.guild_id, RULE, chosen)
        copies = {picture_id for pair, copy in told.items() if copy is not None for picture_id in pair} - facts.keys()
        shown = await picture_facts.places(connection, query.guild_id, sorted(copies), query.filter) if copies else {}
        if not (more := (alike.keys() | shown.keys()) - facts.keys()):
            return facts
        return {**facts, **await picture_facts.facts(connection, self._model_id, more)}


def choose(
    query: Query,
    found: Sequence[Judged],
    facts: Mapping[PictureId, PictureFacts],
    scores: Mapping[PictureId, float],
    shown: Shown,
) -> list[tuple[Judged, list[PictureId]]]:
    """The hits, each with the pictures that are one with it (itself first). `found`: best first. Pure."""
    if not found:
        return []
    vectors = np.stack([facts[judged.picture_id].vector for judged in found])
    likeness = cosines(vectors, vectors)
    hashes = [facts[judged.picture_id].perceptual_hash for judged in found]
    pairs = [
        (left, right)
        for left, right in zip(*np.nonzero(np.triu(likeness >= ALIKE_COSINE, 1)), strict=True)
        if hamming(hashes[left], hashes[right]) <= ALIKE_BITS
    ]
    groups = groups_of_alike([(int(left), int(right)) for left, right in pairs], len(found))
    heads = [group[0] for group in groups]
    relevance = [scores[found[head].picture_id] for head in heads]
    best = max(relevance)
    picked = diverse([score / best for score in relevance], vectors[heads], query.count, query.diversity)
    return [(found[heads[at]], [found[member].picture_id for member in groups[at]]) for at in picked]


def _with_colour(judged: Judged, colours: Mapping[PictureId, float]) -> Judged:
    """The same, with its share of the asked colour where one was asked for."""
    share = colours.get(judged.picture_id)
    return judged if share is None else replace(judged, parts=replace(judged.parts, colour=share))


def _leading(judged: Judged, shown: Shown) -> Place:
    """The place that stands for the hit: the message whose words matched, else the newest of the picture itself."""
    own = shown[judged.picture_id]
    return next((place for place in own if place.message_id == judged.best_message), own[0])


def _hit(
    judged: Judged,
    alike: Sequence[PictureId],
    place: Place,
    detail: PlaceDetail,
    shown: Shown,
    copies: Mapping[PictureId, tuple[PictureId, ...]],
) -> Hit:
    """The hit whose leading place is `place`; `copies` are for each picture all that are copies of one first post."""
    everywhere = {shown_at for picture_id in alike for shown_at in shown[picture_id]}
    repeated = {
        shown_at for picture_id in alike for copy_id in copies.get(picture_id, ()) for shown_at in shown[copy_id]
    }
    return hit_at(
        judged.picture_id,
        place,
        detail,
        judged.band,
        tuple(sorted(everywhere - {place}, reverse=True)),
        copies=tuple(sorted(repeated - everywhere, reverse=True)),
        parts=judged.parts,
        copied=judged.copied,
        at_ms=judged.at_ms,
    )
