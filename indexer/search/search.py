"""Query → hits. The stages of a search stand here in their order; each has a file of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from indexer.database.database import Database
from indexer.errors import TellPerson
from indexer.lru import LruCache
from indexer.ports import Encoder
from indexer.query.query import Query
from indexer.records.caches import Remembered
from indexer.records.hits import Floor, RerankOutcome, SearchResult
from indexer.records.ids import ChannelId, GuildId, ModelId
from indexer.records.pictures import PixelSpec
from indexer.search import picture_facts
from indexer.search.baseline import Baseline
from indexer.search.browse import browse
from indexer.search.calibrations import Calibrations
from indexer.search.choose import Choose
from indexer.search.compare import Compare, asked_of
from indexer.search.copy_checker import BUDGET_S, CopyChecker
from indexer.search.fuse import Fuse
from indexer.search.judge import Judge
from indexer.search.new_matches import Bar, bar_of
from indexer.search.picture_facts import Version
from indexer.search.prepare import embedded, looked_up, texts_of
from indexer.search.query_vector import QueryVector, make_query_vector
from indexer.search.retrieve import Retrieve
from indexer.search.score_bands import Calibration
from indexer.search.stages import Search, Stage, StageClock
from indexer.search.word_vectors import WordVectors
from indexer.settings import SearchSettings
from indexer.vectors.index import VectorIndex

if TYPE_CHECKING:  # imported where there is a second model
    from indexer.search.rerank import Rerank

REMEMBERED = 256  # answers
# An answer in which the second model could not see every picture: long enough to turn its pages in one order.
PARTLY_S = 60.0


def stages_of(
    db: Database,
    index: VectorIndex,
    model_id: ModelId,
    settings: SearchSettings,
    checker: CopyChecker | None,
    second: Rerank | None = None,
) -> tuple[Stage, ...]:
    """The stages of a search, in order. `second`: where a second model is configured."""
    candidates = 0 if second is None else second.candidates
    return (
        Retrieve(db, index, model_id, with_words=bool(settings.words_weight), candidates=candidates),
        *([] if checker is None else [Compare(db, checker)]),
        Judge(),
        Fuse(settings.words_weight),
        *([] if second is None else [second]),
        Choose(db, model_id),
    )


class Searcher:
    """Answers queries with one model. Safe to use from many tasks at once.

    An answer is remembered under everything that it depends on: the question with its asker, filter and visible
    channels, and the version of the guild's index. So a change of any of them misses, and nothing has to be told to
    forget. Another member's answer is never used: how soon it comes would tell that somebody asked.
    """

    def __init__(
        self,
        db: Database,
        index: VectorIndex,
        encoder: Encoder,
        model_id: ModelId,
        settings: SearchSettings,
        checker: CopyChecker | None = None,
        second: Rerank | None = None,
    ) -> None:
        """Without a checker, copies are told by the model and the hash alone. Without a second model, nothing is
        ordered anew.
        """
        self._second = second
        self._db = db
        self._index = index
        self._checker = checker
        self._encoder = encoder
        self._model_id = model_id
        self._stages = stages_of(db, index, model_id, settings, checker, second)
        self._words = WordVectors(encoder)
        self._baseline = Baseline(encoder, db.path.parent)
        self._calibrations = Calibrations(index, model_id, self._baseline)
        self._answers: LruCache[tuple[bytes, Version], SearchResult] = LruCache(REMEMBERED)

    @property
    def model_id(self) -> ModelId:
        """The model whose vectors are searched."""
        return self._model_id

    @property
    def remembered(self) -> Mapping[str, Remembered]:
        """What is kept in memory, by name."""
        return {"answers": self._answers, "vectors of words": self._words.known}

    @property
    def pixel_spec(self) -> PixelSpec:
        """The frames that this searcher's queries hold."""
        return self._encoder.pixel_spec

    @property
    def awake(self) -> bool:
        """Whether the model is loaded."""
        return self._encoder.awake

    async def learn_baseline(self) -> None:
        """Embeds what calibrations are measured against, where no earlier start has, so that no question waits for it.

        Raises RetryLater where the model is not to be had.
        """
        await self._baseline.vectors()

    async def prepare(self, query: Query) -> Query:
        """The same query, its pictures and words embedded and its model named, so that asking it again costs no model.

        Raises TellPerson when a picture of `like` is gone, or shown nowhere inside the filter's channels.
        """
        query = await embedded(query, self._encoder, self._words)
        return await looked_up(replace(query, model_id=self._model_id), self._db, self._model_id)

    async def learn_words(self, queries: Sequence[Query]) -> None:
        """Embeds the words of many queries of one asker in one call of each model, so that none waits for it."""
        texts = list(dict.fromkeys(text for query in queries for text in texts_of(query)))
        if texts:
            await self._words.of(queries[0].asker, texts)
        if self._second is not None:
            await self._second.learn(queries)

    async def search(self, query: Query, *, compare_s: float = BUDGET_S) -> SearchResult:
        """The nearest pictures inside the query's filter, best first, each once with all its places there.

        For the comparison of pixels it waits `compare_s` seconds at most. Raises TellPerson as `prepare` does,
        RetryLater when the database is not free in time.
        """
        clock = StageClock()
        if not query.filter.channels:
            return SearchResult((), 0, Floor.INDEX, clock.finished())
        if query.filters_only:
            with clock.stage("list"):
                async with self._db.reader() as connection:
                    hits, inside = await browse(connection, query.guild_id, query.filter, query.count)
            return SearchResult(hits, inside, Floor.INDEX, clock.finished())
        with clock.stage("picture"):
            query = await self.prepare(query)
        version = await self._version(query.guild_id)
        key = (query.fingerprint(), version)
        if (known := self._answers.get(key)) is not None:
            return replace(known, stage_ms=clock.finished())
        with clock.stage("text"):
            calibration = await self._calibrations.of(query.guild_id, query.seen, version)
            target = await self._query_vector(query, calibration)
        search = Search(query, target, calibration, clock, compare_s=compare_s)
        for stage in self._stages:
            with clock.stage(stage.name):
                await stage.run(search)
        result = SearchResult(
            search.hits, search.searched, search.floor, clock.finished(), search.compared.coming, search.reranked
        )
        self._remember(key, result)
        return result

    async def bar(self, query: Query) -> Bar:
        """What a new picture must reach to match this question, measured on what its asker may see now.

        The question looks for something. Raises as `search` does.
        """
        query = await self.prepare(query)
        calibration = await self.calibration(query.guild_id, query.seen)
        target = await self._query_vector(query, calibration)
        nearest = await asyncio.to_thread(
            self._index.search, query.guild_id, self._model_id, target.vector, 1, query.filter
        )
        return bar_of(query, target, calibration, nearest.searched)

    def _remember(self, key: tuple[bytes, Version], result: SearchResult) -> None:
        """Unless the same search may say more in a moment."""
        outcome = RerankOutcome.DONE if result.reranked is None else result.reranked.outcome
        if result.coming:
            return
        if outcome is RerankOutcome.DONE:
            self._answers.put(key, result)
        elif outcome in (RerankOutcome.PARTLY, RerankOutcome.UNSEEN):
            self._answers.put(key, result, lifetime_s=PARTLY_S)

    async def compared(self, query: Query) -> None:
        """Waits until nothing more is being compared for this question, which was prepared. Bounded by the budget."""
        asked = asked_of(query)
        if self._checker is not None and asked is not None:
            await self._checker.finished(asked)

    async def calibration(self, guild_id: GuildId, visible: frozenset[ChannelId]) -> Calibration:
        """What is close, measured on pictures of the channels that the asker may see, as they are now."""
        return await self._calibrations.of(guild_id, visible, await self._version(guild_id))

    async def _version(self, guild_id: GuildId) -> Version:
        async with self._db.reader() as connection:
            return await picture_facts.version(connection, guild_id)

    async def _query_vector(self, query: Query, calibration: Calibration) -> QueryVector:
        vectors = await self._words.of(query.asker, texts_of(query))
        words = vectors.pop(0) if query.words.strip() else None
        target = make_query_vector(query.vectors, words, vectors, calibration.sample, query.picture_weight)
        if target is None:
            raise TellPerson("search-nothing-asked")
        return target
