"""The first stage: candidates, from the vector index and from the text index at the same time, and by their hash."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiosqlite

from indexer.database.database import Database
from indexer.query.query import Query, Retrieval
from indexer.records.hits import Floor, Place
from indexer.records.ids import ModelId, PictureId
from indexer.search import hash_lookup, picture_facts
from indexer.search.stages import Search
from indexer.supervisor import both
from indexer.text import text_search
from indexer.text.terms import cut_phrase
from indexer.text.text_search import WordHit
from indexer.vectors.index import IndexAnswer, VectorIndex

# Candidates from each side: enough that what collapses, is excluded or too far off leaves a full answer.
CANDIDATES = 100
CANDIDATES_A_HIT = 4


class Retrieve:
    """Writes `near`, `agreeing`, `said`, `facts`, `nearest_frames`, `searched` and `floor`."""

    name = "retrieve"

    def __init__(
        self,
        db: Database,
        index: VectorIndex,
        model_id: ModelId,
        *,
        with_words: bool,
        candidates: int = CANDIDATES,
    ) -> None:
        """`with_words`: the text index is asked for every question with words; else only for phrases. `candidates` from
        each side are found at least.
        """
        self._candidates = max(CANDIDATES, candidates)
        self._db = db
        self._index = index
        self._model_id = model_id
        self._with_words = with_words

    async def run(self, search: Search) -> None:
        query = search.query
        limit = max(self._candidates, CANDIDATES_A_HIT * query.count)
        answer, said = await both(self._nearest(search, limit), self._saying(search, limit))
        search.said = [hit for hit in said if hit.picture_id not in query.not_pictures]
        near = {found.picture_id: found.places for found in answer.candidates}
        async with self._db.reader() as connection:
            agreeing: Mapping[PictureId, tuple[Place, ...]] = {}
            # With words beside the picture, nobody looks for a copy.
            if query.by is Retrieval.HYBRID and query.has_pictures and not query.has_words:
                agreeing = await hash_lookup.agreeing(connection, query.guild_id, query.hashes, query.filter, limit)
            search.near = await _with_the_phrases(connection, query, near)
            search.agreeing = await _with_the_phrases(connection, query, agreeing)
            wanted = [*search.near, *search.agreeing, *(hit.picture_id for hit in search.said)]
            search.facts = await picture_facts.facts(connection, self._model_id, wanted)
        target = search.target.vector
        search.nearest_frames = {picture_id: known.nearest_frame(target) for picture_id, known in search.facts.items()}
        search.searched, search.floor = answer.searched, answer.floor

    async def _nearest(self, search: Search, limit: int) -> IndexAnswer:
        query = search.query
        if query.by is Retrieval.WORDS:
            return IndexAnswer((), 0, Floor.INDEX)
        with search.clock.stage("vectors"):
            return await asyncio.to_thread(
                self._index.search, query.guild_id, self._model_id, search.target.vector, limit, query.filter
            )

    async def _saying(self, search: Search, limit: int) -> list[WordHit]:
        query = search.query
        wanted = self._with_words or query.phrases or query.by is Retrieval.WORDS
        if not query.has_words or not wanted or query.by is Retrieval.VECTORS:
            return []
        with search.clock.stage("words"):
            async with self._db.reader() as connection:
                return await text_search.ranked(
                    connection,
                    query.guild_id,
                    query.words,
                    query.filter,
                    limit,
                    phrases=query.phrases,
                    without=query.without,
                )


async def _with_the_phrases(
    connection: aiosqlite.Connection, query: Query, candidates: Mapping[PictureId, tuple[Place, ...]]
) -> list[PictureId]:
    """Those candidates that some message shows with all of the phrases and none of the excluded words.

    Without those that the question excludes. `candidates` has the places of each.
    """
    wanted = {key: places for key, places in candidates.items() if key not in query.not_pictures}
    if not (query.phrases or query.without):
        return list(wanted)
    allowed = {place.message_id for places in wanted.values() for place in places}
    for phrase in query.phrases:
        allowed &= await text_search.saying_all(connection, cut_phrase(phrase), allowed)
    for unwanted in query.without:
        allowed -= await text_search.saying_all(connection, cut_phrase(unwanted), allowed)
    return [key for key, places in wanted.items() if any(place.message_id in allowed for place in places)]
