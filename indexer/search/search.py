"""Query → hits: the one place where model, vector index and word index meet."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import aiosqlite
import numpy as np

from indexer.database.database import Database
from indexer.errors import TellPerson
from indexer.lru import LruCache
from indexer.model import (
    ChannelId,
    Filter,
    Floor,
    GuildId,
    Hit,
    ModelId,
    PictureId,
    PixelSpec,
    Place,
    SearchResult,
    UserId,
    Vectors,
)
from indexer.ports import Encoder, Priority
from indexer.query.query import Query
from indexer.search import picture_facts
from indexer.search.baseline_sentences import BASELINE_SENTENCES
from indexer.search.browse import browse
from indexer.search.center_crops import center_crops
from indexer.search.choose import choose
from indexer.search.copies import groups_of_copies, repeated_elsewhere
from indexer.search.hits import hit_at
from indexer.search.query_vector import QueryVector, make_query_vector
from indexer.search.rank import reciprocal_rank_fusion
from indexer.search.relevance import Judged, copies_first, judge
from indexer.search.score_bands import Calibration
from indexer.settings import SearchSettings
from indexer.store import places
from indexer.text import text_search
from indexer.text.terms import cut_phrase
from indexer.vectors.columns import Bytes, as_vectors
from indexer.vectors.index import IndexAnswer, VectorIndex

# Candidates from each side: enough that what collapses, is excluded or too far off leaves a full answer.
CANDIDATES = 100
CANDIDATES_A_HIT = 4
# Of the fused list so many are looked at closely: what collapses into another hit must not leave the answer short.
RANKED = 40
RANKED_A_HIT = 4
REMEMBERED_ANSWERS = 256
REMEMBERED_TEXTS = 2_048
# Pictures that stand for all that a member may see: the mean cosine to 512 of them is within ± 0.01 of the mean to all,
# at the spread of 0.11 that real servers show (0.11 / √512 = 0.005).
SAMPLE = 512
REMEMBERED_CALIBRATIONS = 32  # of 1 MB each at 512 dimensions
REFERENCES_AT_ONCE = 16

Version = tuple[int, int]  # of a guild's index, as picture_facts.version reads it


class _Stages:
    """Milliseconds of each named stage, and of all."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._start = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + (time.perf_counter() - start) * 1000

    def finished(self) -> dict[str, float]:
        return {**self.ms, "total": (time.perf_counter() - self._start) * 1000}


class Searcher:
    """Answers queries. Safe to use from many tasks at once."""

    def __init__(
        self, db: Database, index: VectorIndex, encoder: Encoder, model_id: ModelId, settings: SearchSettings
    ) -> None:
        self._db = db
        self._index = index
        self._encoder = encoder
        self._model_id = model_id
        self._settings = settings
        self._answers: LruCache[tuple[bytes, Version], SearchResult] = LruCache(REMEMBERED_ANSWERS)
        self._texts: LruCache[tuple[UserId | None, str], Vectors] = LruCache(REMEMBERED_TEXTS)
        self._samples: LruCache[tuple[GuildId, frozenset[ChannelId], Version], bytes] = LruCache(REMEMBERED_ANSWERS)
        self._calibrations: LruCache[bytes, Calibration] = LruCache(REMEMBERED_CALIBRATIONS)
        self._references: Vectors | None = None
        self._measuring = asyncio.Lock()

    @property
    def model_id(self) -> ModelId:
        """The model whose vectors are searched."""
        return self._model_id

    @property
    def pixel_spec(self) -> PixelSpec:
        """The frames that this searcher's queries hold."""
        return self._encoder.pixel_spec

    async def prepare(self, query: Query) -> Query:
        """The same query with its pictures embedded and its model named, so that asking it again costs no model.

        Raises TellPerson when a picture of `like` is gone, or shown nowhere inside the filter's channels.
        """
        if query.frames:
            frames = list(query.frames)
            if not query.has_words:  # with words beside it, nobody looks for a copy
                frames += await asyncio.to_thread(center_crops, query.frames)
            try:
                # The words are embedded in the same breath and remembered, so that no batch of indexing comes between.
                async with asyncio.TaskGroup() as tasks:
                    encoding = tasks.create_task(self._encoder.encode_pixels(frames, Priority.QUERY))
                    tasks.create_task(self._encode(query.asker, _texts_of(query)))
            except ExceptionGroup as group:  # both ask the same model: the first says what happened
                raise group.exceptions[0] from group
            embedded, count = tuple(encoding.result()), len(query.frames)
            query = replace(
                query,
                frames=(),
                vectors=(*query.vectors, *embedded[:count]),
                crops=(*query.crops, *embedded[count:]),
            )
        query = replace(query, model_id=self._model_id)
        if not query.like:
            return query
        async with self._db.reader() as connection:
            everywhere = replace(query.filter, authors=None, after_ms=None, before_ms=None, not_message=None)
            shown = await picture_facts.places(connection, query.guild_id, query.like, everywhere)
            facts = await picture_facts.facts(connection, self._model_id, query.like)
        if any(picture_id not in shown or picture_id not in facts for picture_id in query.like):
            raise TellPerson("search-picture-gone")
        known = [facts[picture_id] for picture_id in query.like]
        return replace(
            query,
            like=(),
            vectors=(*query.vectors, *(one.vector for one in known)),
            digests=query.digests | {one.sha256 for one in known},
            hashes=(*query.hashes, *(one.perceptual_hash for one in known if one.perceptual_hash is not None)),
            not_pictures=query.not_pictures | set(query.like),
        )

    async def search(self, query: Query) -> SearchResult:
        """The nearest pictures inside the query's filter, best first, each once with all its places there.

        Raises TellPerson as `prepare` does, RetryLater when the database is not free in time.
        """
        stages = _Stages()
        if not query.filter.channels:
            return SearchResult((), 0, Floor.INDEX, stages.finished())
        if query.filters_only:
            with stages.stage("list"):
                async with self._db.reader() as connection:
                    hits, inside = await browse(connection, query.guild_id, query.filter, query.count)
            return SearchResult(hits, inside, Floor.INDEX, stages.finished())
        with stages.stage("picture"):
            query = await self.prepare(query)
        async with self._db.reader() as connection:
            version = await picture_facts.version(connection, query.guild_id)
        key = (query.fingerprint(), version)
        if (known := self._answers.get(key)) is not None:
            return replace(known, stage_ms=stages.finished())
        with stages.stage("text"):
            calibration = await self.calibration(query.guild_id, query.seen, version)
            target = await self._query_vector(query, calibration)
        answer, said = await self._look(query, target, stages)
        with stages.stage("rank"):
            hits = await self._hits(query, target, calibration, answer, said)
        result = SearchResult(hits, answer.searched, answer.floor, stages.finished())
        self._answers.put(key, result)
        return result

    async def _query_vector(self, query: Query, calibration: Calibration) -> QueryVector:
        vectors = await self._encode(query.asker, _texts_of(query))
        spoken = bool(query.words.strip())
        target = make_query_vector(
            query.vectors,
            vectors[0] if spoken else None,
            vectors[spoken:],
            calibration.sample,
            query.picture_weight,
        )
        if target is None:
            raise TellPerson("search-nothing-asked")
        return target

    async def _encode(self, asker: UserId | None, texts: Sequence[str]) -> list[Vectors]:
        """Vectors of the texts, from memory where the same member asked for them before.

        Whether another member did would be felt: the model takes far longer than memory.
        """
        new = [text for text in dict.fromkeys(texts) if self._texts.get((asker, text)) is None]
        fresh = dict(zip(new, await self._encoder.encode_words(new), strict=True)) if new else {}
        for text, vector in fresh.items():
            self._texts.put((asker, text), vector)
        return [fresh[text] if text in fresh else self._known_text(asker, text) for text in texts]

    def _known_text(self, asker: UserId | None, text: str) -> Vectors:
        vector = self._texts.get((asker, text))
        assert vector is not None, "it was there before the model was asked, and the memory holds far more"
        return vector

    async def calibration(
        self, guild_id: GuildId, visible: frozenset[ChannelId], version: Version | None = None
    ) -> Calibration:
        """Measured on pictures of the channels that the asker may see, as they are now (in this version of the index).

        Remembered by the very vectors that it is measured on, so it is the same whoever asked before.
        """
        if version is None:
            async with self._db.reader() as connection:
                version = await picture_facts.version(connection, guild_id)
        references = await self._reference_vectors()
        now = (guild_id, visible, version)
        measured_on = self._samples.get(now)
        known = self._calibrations.get(measured_on) if measured_on is not None else None
        if known is None:
            sample, digest = await asyncio.to_thread(self._sample, guild_id, visible)
            known = self._calibrations.get(digest)
            if known is None:
                known = await asyncio.to_thread(Calibration.measured, as_vectors(sample), references)
            self._calibrations.put(digest, known)
            self._samples.put(now, digest)
        return known

    def _sample(self, guild_id: GuildId, visible: frozenset[ChannelId]) -> tuple[Bytes, bytes]:
        sample = self._index.sample(guild_id, self._model_id, Filter(visible), SAMPLE)
        return sample, hashlib.blake2b(sample.tobytes(), digest_size=32).digest()

    async def _reference_vectors(self) -> Vectors:
        """[m, d]: embedded once, a few at a time, so that a member's own words never wait for all of them."""
        async with self._measuring:
            if self._references is None:
                parts = [
                    await self._encoder.encode_words(BASELINE_SENTENCES[start : start + REFERENCES_AT_ONCE])
                    for start in range(0, len(BASELINE_SENTENCES), REFERENCES_AT_ONCE)
                ]
                self._references = np.concatenate(parts)
            return self._references

    async def _look(
        self, query: Query, target: QueryVector, stages: _Stages
    ) -> tuple[IndexAnswer, list[text_search.WordHit]]:
        """Both indexes at once: vectors in a thread, words in SQLite."""
        limit = max(CANDIDATES, CANDIDATES_A_HIT * query.count)

        async def vectors() -> IndexAnswer:
            with stages.stage("vectors"):
                return await asyncio.to_thread(
                    self._index.search, query.guild_id, self._model_id, target.vector, limit, query.filter
                )

        async def said() -> list[text_search.WordHit]:
            if not query.has_words or not (self._settings.words_weight or query.phrases):
                return []
            with stages.stage("words"):
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

        try:
            async with asyncio.TaskGroup() as tasks:
                looking = tasks.create_task(vectors())
                reading = tasks.create_task(said())
        except ExceptionGroup as group:  # the two have no errors in common: the first says what happened
            raise group.exceptions[0] from group
        return looking.result(), reading.result()

    async def _hits(
        self,
        query: Query,
        target: QueryVector,
        calibration: Calibration,
        answer: IndexAnswer,
        said: Sequence[text_search.WordHit],
    ) -> tuple[Hit, ...]:
        found = [(one.picture_id, one.places) for one in answer.candidates if one.picture_id not in query.not_pictures]
        said = [hit for hit in said if hit.picture_id not in query.not_pictures]
        async with self._db.reader() as connection:
            near = await self._spoken_of(connection, query, found)
            facts = await picture_facts.facts(connection, self._model_id, [*near, *(hit.picture_id for hit in said)])
            judged = judge(query, target, calibration, near, said, facts, answer.searched)
            words_weight = self._settings.words_weight * (0.5 if query.has_pictures else 1.0)
            fused = reciprocal_rank_fusion(
                [
                    [(one, 1.0) for one in copies_first(near, judged)],
                    # Half of the question said hardly answers it: MRR 0.95 with this power, 0.92 with 4, 0.85 with 2.
                    [(hit.picture_id, words_weight * hit.share**8) for hit in said if hit.picture_id in judged],
                ]
            )
            top = list(fused)[: max(RANKED, RANKED_A_HIT * query.count)]
            shown = await picture_facts.places(connection, query.guild_id, top, query.filter)
            chosen = choose(query, [judged[one] for one in top if one in shown], facts, fused, shown)
            copies: Mapping[PictureId, tuple[PictureId, ...]] = {}
            if repeated_elsewhere([alike for _, alike in chosen], facts, calibration.typical):
                shown = await picture_facts.places(connection, query.guild_id, list(facts), query.filter)
                copies = groups_of_copies(facts, shown, calibration.typical)
            return await self._complete(connection, query, chosen, shown, copies)

    async def _spoken_of(
        self,
        connection: aiosqlite.Connection,
        query: Query,
        candidates: Sequence[tuple[PictureId, tuple[Place, ...]]],
    ) -> list[PictureId]:
        """Those candidates that some message shows with all of the phrases and none of the excluded words."""
        if not (query.phrases or query.without):
            return [picture_id for picture_id, _ in candidates]
        allowed = {place.message_id for _, shown in candidates for place in shown}
        for phrase in query.phrases:
            allowed &= await text_search.saying_all(connection, cut_phrase(phrase), allowed)
        for unwanted in query.without:
            allowed -= await text_search.saying_all(connection, cut_phrase(unwanted), allowed)
        return [picture_id for picture_id, shown in candidates if any(one.message_id in allowed for one in shown)]

    async def _complete(
        self,
        connection: aiosqlite.Connection,
        query: Query,
        chosen: Sequence[tuple[Judged, Sequence[PictureId]]],
        shown: Mapping[PictureId, tuple[Place, ...]],
        copies: Mapping[PictureId, tuple[PictureId, ...]],
    ) -> tuple[Hit, ...]:
        """Hits with all that a reply shows, as SQLite has it at this moment."""
        together = [
            (found, sorted({place for one in alike for place in shown[one]}, reverse=True)) for found, alike in chosen
        ]
        repeated = [
            sorted({place for one in alike for copy in copies.get(one, ()) for place in shown[copy]} - set(everywhere))
            for (_, alike), (_, everywhere) in zip(chosen, together, strict=True)
        ]
        leading = [_leading(found, everywhere, shown) for found, everywhere in together]
        details = await places.describe(connection, [place.place_id for place in leading])
        hits = []
        for (found, everywhere), again, place in zip(together, repeated, leading, strict=True):
            detail = details.get(place.place_id)
            if detail is None or detail.channel_id not in query.filter.channels:
                continue  # cannot happen inside one snapshot; were it to, silence beats a leak
            others = tuple(one for one in everywhere if one != place)
            newest_first = tuple(reversed(again))
            hits.append(
                hit_at(found.picture_id, place, detail, found.band, others, copies=newest_first, parts=found.parts)
            )
        return tuple(hits)


def _texts_of(query: Query) -> list[str]:
    """What of a query the model has to read: its words, if there are any, then what is excluded."""
    return [*([query.words] if query.words.strip() else []), *query.without]


def _leading(found: Judged, everywhere: Sequence[Place], shown: Mapping[PictureId, tuple[Place, ...]]) -> Place:
    """The place that stands for the hit: the message whose words matched, else the newest of the picture itself."""
    own = shown[found.picture_id]
    return next((place for place in own if place.message_id == found.best_message), own[0])
