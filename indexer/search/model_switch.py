"""Which model answers in a guild: the configured one, or, until that has seen every picture there, the one before.

Vectors of two models cannot be compared, so a question is embedded by the model whose vectors it is compared with. The
old model is opened when a question needs it, and closed when no question has needed it for IDLE_S seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from indexer.backoff import Backoff
from indexer.database.database import Database
from indexer.errors import AfterimageError, ModelUnavailable, TellPerson
from indexer.ports import Encoder, Priority
from indexer.query.query import Query
from indexer.questions import Questions
from indexer.records.caches import Remembered
from indexer.records.hits import SearchResult
from indexer.records.ids import GuildId, ModelId
from indexer.records.pictures import ModelSpec, Pixels, PixelSpec, Vectors
from indexer.search.copy_checker import BUDGET_S, CopyChecker
from indexer.search.new_matches import Bar
from indexer.search.search import Searcher
from indexer.settings import SearchSettings
from indexer.store import embeddings
from indexer.vectors.index import VectorIndex

if TYPE_CHECKING:
    from indexer.search.rerank import Rerank

log = logging.getLogger(__name__)

IDLE_S = 900.0  # seconds without a question after which an old model is let go: it holds as much memory as the new one
LOOK_S = 60.0
# A model that could not be opened (a hub out of reach for a moment, memory that was short) is tried again when a
# question needs it, not before these pauses. In the meantime the new one answers with what it has.
AGAIN = Backoff(tries=0, first_s=60.0, longest_s=3600.0)
OPEN_S = 20.0  # what a question waits for an old model; after that the new one answers with what it has

OpenModel = Callable[[ModelSpec], AbstractAsyncContextManager[Encoder]]
"""Opens a model that was used before, by its spec. May raise ModelUnavailable."""


@dataclass(slots=True)
class _Old:
    """A model that is being opened, open, or (`searcher` gives None) not to be had until `again`, a monotonic time.

    `failures` counts how often in a row it could not be opened.
    """

    searcher: asyncio.Future[Searcher | None]
    failures: int = 0
    again: float = 0.0
    used: float = field(default_factory=time.monotonic)


class GuildSearcher:
    """Answers each guild with the model that covers it. Safe to use from many tasks; see `open_searcher`."""

    def __init__(
        self,
        db: Database,
        index: VectorIndex,
        searcher: Searcher,
        settings: SearchSettings,
        open_model: OpenModel,
        checker: CopyChecker | None = None,
        questions: Questions | None = None,
        second: Rerank | None = None,
    ) -> None:
        """`questions` is told of each question."""
        self._questions = questions or Questions()
        self._db = db
        self._second = second
        self._index = index
        self._searcher = searcher
        self._settings = settings
        self._open_model = open_model
        self._checker = checker
        self._olds: dict[ModelId, _Old] = {}
        self._holding: set[asyncio.Task[None]] = set()
        self.searched: Callable[[Mapping[str, float]], None] | None = None  # is told each search's stages, milliseconds

    @property
    def awake(self) -> bool:
        """Whether every model that questions wait for now is loaded."""
        return self._searcher.awake and all(old.searcher.done() for old in self._olds.values())

    @property
    def remembered(self) -> Mapping[str, Remembered]:
        """As `Searcher.remembered`, of the configured model."""
        return self._searcher.remembered

    @property
    def reranks(self) -> bool:
        """Whether a second model is configured."""
        return self._second is not None

    @property
    def second_pid(self) -> int | None:
        """The id of the second model's process; None where there is none."""
        return None if self._second is None else self._second.pid

    async def wake_second(self) -> None:
        """Waits until the second model is open, or cannot be had."""
        if self._second is not None:
            await self._second.wake()

    async def learn_baseline(self) -> None:
        """As `Searcher.learn_baseline`, of the configured model."""
        await self._searcher.learn_baseline()

    async def prepare(self, query: Query) -> Query:
        """As `Searcher.prepare`; what it gives is asked of the same model from then on."""
        with self._questions.asking():
            return await (await self._asked(query)).prepare(query)

    async def learn_words(self, queries: Sequence[Query]) -> None:
        """As `Searcher.learn_words`; all queries are of one guild."""
        if queries:
            await (await self._asked(queries[0])).learn_words(queries)

    async def search(self, query: Query, *, compare_s: float = BUDGET_S) -> SearchResult:
        """As `Searcher.search`. Also raises TellPerson where the query's model is no longer to be had."""
        with self._questions.asking():
            result = await (await self._asked(query)).search(query, compare_s=compare_s)
        if self.searched is not None:
            self.searched(result.stage_ms)
        return result

    async def bar(self, query: Query) -> Bar:
        """As `Searcher.bar`."""
        return await (await self._asked(query)).bar(query)

    async def compared(self, query: Query) -> None:
        """As `Searcher.compared`."""
        await (await self._asked(query)).compared(query)

    async def of(self, guild_id: GuildId) -> Searcher:
        """The searcher with the model that answers in this guild now."""
        serving = await asyncio.to_thread(self._index.serving_model, guild_id, self._searcher.model_id)
        if serving == self._searcher.model_id:
            return self._searcher
        return await self._old(serving) or self._searcher

    async def close(self) -> None:
        """Lets every old model go."""
        holding = set(self._holding)
        for task in holding:
            task.cancel()
        if holding:
            await asyncio.wait(holding)

    async def _asked(self, query: Query) -> Searcher:
        if query.model_id is None:
            return await self.of(query.guild_id)
        if query.model_id == self._searcher.model_id:
            return self._searcher
        searcher = await self._old(query.model_id)
        if searcher is None:
            raise TellPerson("search-too-old")
        return searcher

    async def _old(self, model_id: ModelId) -> Searcher | None:
        old = self._olds.get(model_id)
        refused = old is not None and old.searcher.done() and old.searcher.result() is None
        if old is None or (refused and time.monotonic() >= old.again):
            failures = 0 if old is None else old.failures
            old = self._olds[model_id] = _Old(asyncio.get_running_loop().create_future(), failures)
            task = asyncio.create_task(self._hold(model_id, old), name=f"model {model_id}")
            self._holding.add(task)
            task.add_done_callback(self._holding.discard)
        old.used = time.monotonic()
        try:
            async with asyncio.timeout(OPEN_S):
                return await asyncio.shield(old.searcher)  # whoever gives up waiting does not stop it from being opened
        except TimeoutError:
            return None

    async def _hold(self, model_id: ModelId, old: _Old) -> None:
        """Keeps an old model open as long as it is asked."""
        try:
            async with self._db.reader() as connection:
                spec = (await embeddings.models(connection))[model_id]
            async with self._open_model(spec) as encoder:
                if encoder.spec != spec:
                    raise ModelUnavailable(f"{spec.name} ({spec.pretrained}) has other weights or settings by now.")
                fitted = _Fitted(encoder, self._searcher.pixel_spec.size)
                old.searcher.set_result(
                    Searcher(self._db, self._index, fitted, model_id, self._settings, self._checker, self._second)
                )
                log.info("%s (%s) answers until the new model has seen every picture", spec.name, spec.pretrained)
                while time.monotonic() - old.used < IDLE_S:  # noqa: ASYNC110 -- what is waited for is that nothing happens
                    await asyncio.sleep(LOOK_S)
                del self._olds[model_id]  # before it closes: who comes now opens it anew
        except AfterimageError as error:
            log.warning(
                "the new model answers from what it has embedded so far, since the one before cannot be opened: %s",
                error,
            )
        except Exception:
            log.exception("the model before cannot be opened; the new one answers from what it has embedded so far")
        finally:
            if not old.searcher.done():
                old.failures += 1
                old.again = time.monotonic() + AGAIN.wait_s(old.failures)
                old.searcher.set_result(None)


class _Fitted:
    """An Encoder that takes frames of another size than its own: those that were decoded for the new model."""

    def __init__(self, encoder: Encoder, size: int) -> None:
        self._encoder = encoder
        self._size = size

    @property
    def spec(self) -> ModelSpec:
        return self._encoder.spec

    @property
    def pixel_spec(self) -> PixelSpec:
        return self._encoder.pixel_spec

    @property
    def awake(self) -> bool:
        return self._encoder.awake

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        if self._size != self.pixel_spec.size:
            frames = await asyncio.to_thread(_resized, frames, self.pixel_spec.size)
        return await self._encoder.encode_pixels(frames, priority)

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        return await self._encoder.encode_words(texts, priority)


def _resized(frames: Sequence[Pixels], size: int) -> list[Pixels]:
    return [np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC)) for frame in frames]


@asynccontextmanager
async def open_searcher(
    db: Database,
    index: VectorIndex,
    encoder: Encoder,
    model_id: ModelId,
    settings: SearchSettings,
    open_model: OpenModel,
    checker: CopyChecker | None = None,
    questions: Questions | None = None,
    second: Rerank | None = None,
) -> AsyncIterator[GuildSearcher]:
    """A searcher whose old models live as long as the block, at most."""
    current = Searcher(db, index, encoder, model_id, settings, checker, second)
    searcher = GuildSearcher(db, index, current, settings, open_model, checker, questions, second)
    try:
        yield searcher
    finally:
        await searcher.close()
