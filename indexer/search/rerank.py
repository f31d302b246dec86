"""The stage behind Fuse: a second model scores the best candidates anew, which orders and cuts them.

It calls nothing a match: which candidates there are, and their bands, was decided before (docs/adr/0058). Copies of the
picture that was asked with stay ahead of it. Where it cannot work in time, the first stage's order stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TypeVar, cast

import numpy as np

from indexer.database.database import Database
from indexer.errors import NoMemory, Rejected
from indexer.query.query import Query, Stages
from indexer.records.hits import Band, Reranked, RerankOutcome
from indexer.records.ids import PictureId, PlaceId
from indexer.records.pictures import Features, Pixels, Scores
from indexer.search import picture_facts
from indexer.search.candidate_features import CandidateFeatures, Downloads, Wanted
from indexer.search.prepare import texts_of
from indexer.search.query_vector import WITHOUT_WEIGHT
from indexer.search.rank import RRF_K
from indexer.search.relevance import Judged
from indexer.search.rerank_fusion import Fusion, combined, fused
from indexer.search.rerank_limits import BatchSize, Budget
from indexer.search.second_model import NAME, NotOpen, Opened, SecondModel
from indexer.search.stages import Search
from indexer.settings import RerankSettings
from indexer.supervisor import Faults

COPIES = (Band.SAME, Band.EDITED)
# Pictures whose kept features are read at once: those of BLIP have 0.9 MB each.
KEPT_AT_ONCE = 32

Item = TypeVar("Item")
Result = TypeVar("Result")
# Scores pictures by one part of a question.
Scorer = Callable[[Features], Awaitable[Scores]]


@dataclass(slots=True)
class Progress:
    """What was scored so far: `scores` of each picture, one for each part of the question, which have `weights`."""

    model: str = ""
    weights: list[float] = field(default_factory=list)
    scores: dict[PictureId, list[float]] = field(default_factory=dict)


class Rerank:
    """Writes `scores`, `reranked` and of `judged` the values that the second model added."""

    name = "rerank"

    def __init__(
        self,
        db: Database,
        settings: RerankSettings,
        model: SecondModel,
        candidates: CandidateFeatures,
        faults: Faults,
    ) -> None:
        self._db = db
        self._settings = settings
        self._model = model
        self._candidates = candidates
        self._faults = faults
        self._batch = BatchSize(settings.batch_size)

    @property
    def candidates(self) -> int:
        """How many the first stage must find."""
        return self._settings.candidates

    @property
    def pid(self) -> int | None:
        """The id of the second model's process; None where there is none."""
        return self._model.pid

    async def wake(self) -> None:
        """Waits until the second model is open, however long that takes, or cannot be had."""
        with suppress(NotOpen):
            async with self._model.used():
                return

    async def learn(self, queries: Sequence[Query]) -> None:
        """Lets the second model read the words of many questions of one asker together. Nothing waits for a model that
        is not open, and a failure costs nothing.
        """
        texts = list(dict.fromkeys(text for query in queries for text in texts_of(query)))
        if not texts:
            return
        try:
            async with asyncio.timeout(self._settings.budget_s), self._model.used() as opened:
                await opened.reranker.learn(queries[0].asker, texts)
        except (NotOpen, TimeoutError):
            return
        except Exception as error:  # noqa: BLE001 -- each question tries it once more, and says what it met
            self._faults.add(NAME, error)

    async def run(self, search: Search) -> None:
        """Raises RetryLater when the database is not free in time."""
        query, order = search.query, list(search.scores)
        if query.stages is Stages.FIRST or not (query.has_words or query.has_pictures or query.without):
            return
        copies = [picture_id for picture_id in order if search.judged[picture_id].band in COPIES]
        kept = set(copies)
        others = [picture_id for picture_id in order if picture_id not in kept][: self._settings.candidates]
        if len(others) < 2:
            return
        async with self._db.reader() as connection:
            shown = await picture_facts.places(connection, query.guild_id, others, query.filter)
        wanted = {
            picture_id: Wanted(search.facts[picture_id].sha256, shown[picture_id][0].place_id)
            for picture_id in others
            if picture_id in shown
        }
        progress = Progress()
        outcome = await self._scored_in_time(search, wanted, progress)
        search.reranked = Reranked(progress.model, outcome, len(wanted), len(progress.scores))
        if search.reranked.fell_back:
            return
        values = combined([(w, _column(progress, at)) for at, w in enumerate(progress.weights)])
        second = dict(zip(progress.scores, values.tolist(), strict=True))
        fusion = "replace" if query.stages is Stages.SECOND else cast(Fusion, self._settings.fusion)
        first = {picture_id: search.scores[picture_id] for picture_id in others}
        lead = [*copies, *fused(fusion, self._settings.weight, first, second)][: self._settings.keep]
        leading = set(lead)
        final = [*lead, *(picture_id for picture_id in order if picture_id not in leading)]
        search.judged = explained(search.judged, order, wanted, second)
        search.scores = {picture_id: 1 / (RRF_K + rank) for rank, picture_id in enumerate(final, start=1)}

    async def _scored_in_time(
        self, search: Search, wanted: Mapping[PictureId, Wanted], progress: Progress
    ) -> RerankOutcome:
        """Never raises: whatever happens, the first stage's answer is there."""
        outcome = RerankOutcome.LOADING  # until the model is open
        try:
            async with asyncio.timeout(self._settings.budget_s):
                making, scoring = (Budget(self._settings.budget_s, monotonic) for _ in range(2))
                async with self._model.used() as opened:
                    outcome = RerankOutcome.DEADLINE
                    progress.model = opened.reranker.spec.name
                    await self._score(opened, search, wanted, progress, making, scoring)
        except NotOpen as error:
            return error.outcome
        except TimeoutError:
            if not progress.scores:
                return outcome
        except NoMemory as error:
            self._faults.add(NAME, error)
            return RerankOutcome.MEMORY
        except Exception as error:  # noqa: BLE001 -- a fault of the second model must not withhold an answer
            self._faults.add(NAME, error)
            return RerankOutcome.FAILED
        if len(progress.scores) < 2:
            return RerankOutcome.UNSEEN
        return RerankOutcome.DONE if len(progress.scores) == len(wanted) else RerankOutcome.PARTLY

    async def _score(
        self,
        opened: Opened,
        search: Search,
        wanted: Mapping[PictureId, Wanted],
        progress: Progress,
        making: Budget,
        scoring: Budget,
    ) -> None:
        """Those whose features are kept first (`scoring`), then the others in their order (`making`), as long as the
        budgets allow.
        """
        query = search.query
        scorers = await self._scorers(opened, query)
        progress.weights = [weight for weight, _ in scorers]
        if not scorers:
            return
        by_digest = {candidate.sha256: picture_id for picture_id, candidate in wanted.items()}

        async def note(found: Mapping[bytes, Features]) -> None:
            await self._note(progress, scorers, {by_digest[sha256]: row for sha256, row in found.items()})

        candidates, missing = list(wanted.values()), list[Wanted]()
        for at in range(0, len(candidates), KEPT_AT_ONCE):
            some = candidates[at : at + KEPT_AT_ONCE]
            kept = await self._candidates.known(opened, query.asker, some, all_=_measured(query))
            ready = [candidate.sha256 for candidate in some if candidate.sha256 in kept]
            while ready and (count := scoring.affords(self._batch.now)):
                begun_s = monotonic()
                await note({sha256: kept[sha256] for sha256 in ready[:count]})
                scoring.took(min(count, len(ready)), monotonic() - begun_s)
                ready = ready[count:]
            missing += [candidate for candidate in some if candidate.sha256 not in kept]
        downloads = Downloads(self._settings.downloads)
        while missing and (count := making.affords(self._batch.now)):
            some, missing = missing[:count], missing[count:]
            begun_s = monotonic()
            frames = await self._candidates.frames(opened, query.guild_id, query.asker, some, downloads)
            await note(await self._made(opened, query, frames))
            if frames:
                making.took(len(frames), monotonic() - begun_s)

    async def _made(self, opened: Opened, query: Query, frames: Mapping[bytes, Pixels]) -> dict[bytes, Features]:
        """Without those that the model makes nothing of."""
        made: dict[bytes, Features] = {}

        async def work(some: Sequence[bytes]) -> Sequence[bytes]:
            try:
                made.update(
                    await self._candidates.make(opened, query.asker, {sha256: frames[sha256] for sha256 in some})
                )
            except Rejected:
                for sha256 in some if len(some) > 1 else ():
                    await work([sha256])
            return some

        await in_batches(self._batch, list(frames), work)
        return made

    async def _note(
        self,
        progress: Progress,
        scorers: Sequence[tuple[float, Scorer]],
        found: Mapping[PictureId, Features],
    ) -> None:
        """Scores these pictures and notes it, a batch at a time."""

        async def work(some: Sequence[PictureId]) -> Sequence[PictureId]:
            rows = np.stack([found[picture_id] for picture_id in some])
            columns = [(await score(rows)).tolist() for _, score in scorers]
            for at, picture_id in enumerate(some):
                progress.scores[picture_id] = [column[at] for column in columns]
            return some

        await in_batches(self._batch, list(found), work)

    async def _scorers(self, opened: Opened, query: Query) -> list[tuple[float, Scorer]]:
        """Each part of the question with its weight: its words, its pictures, what it excludes."""
        texts = [(1.0, query.words)] if query.words.strip() else []
        pictures = await self._asked_with(opened, query)
        if texts and pictures:
            texts = [(1 - query.picture_weight, query.words)]
        share = (query.picture_weight if texts else 1.0) / max(len(pictures), 1)
        texts += [(-WITHOUT_WEIGHT / len(query.without), text) for text in query.without]
        texts = [(weight, text) for weight, text in texts if weight]
        await opened.reranker.learn(query.asker, [text for _, text in texts])

        def by_words(words: str) -> Scorer:
            return lambda features: opened.reranker.words_scores(query.asker, words, features)

        def by_picture(asked: Features) -> Scorer:
            return lambda features: opened.reranker.picture_scores(asked, features)

        found = [(weight, by_words(words)) for weight, words in texts]
        found += [(share, by_picture(picture)) for picture in pictures if share]
        return found if any(weight > 0 for weight, _ in found) else []

    async def _asked_with(self, opened: Opened, query: Query) -> list[Features]:
        """The features of the pictures that were asked with, as far as they can be had."""
        made = []
        for data in query.small_copies:
            made += await self._of_file(opened, query, data)
        for place_id in query.shown_at:
            made += await self._of_place(opened, query, place_id)
        return made

    async def _of_place(self, opened: Opened, query: Query, place_id: PlaceId) -> list[Features]:
        if len(query.digests) == len(query.shown_at) == 1:
            (sha256,) = query.digests
            wanted = [Wanted(sha256, place_id)]
            known = await self._candidates.known(opened, query.asker, wanted, all_=_measured(query))
            if sha256 in known:
                return [known[sha256]]
        data = await self._candidates.file(opened, query.guild_id, place_id)
        return [] if data is None else await self._of_file(opened, query, data)

    async def _of_file(self, opened: Opened, query: Query, data: bytes) -> list[Features]:
        frame = await self._candidates.opened(opened, query.asker, data)
        return [] if frame is None else list(await opened.reranker.features([frame]))


def explained(
    judged: Mapping[PictureId, Judged],
    order: Sequence[PictureId],
    wanted: Mapping[PictureId, Wanted],
    second: Mapping[PictureId, float],
) -> dict[PictureId, Judged]:
    """The same, with what `explain` says of both stages. Pure."""
    first_ranks = {picture_id: rank for rank, picture_id in enumerate(order, start=1)}
    scored = [picture_id for picture_id in order if picture_id in second]  # equals rank as they did
    by_second = sorted(scored, key=lambda picture_id: -second[picture_id])
    second_ranks = {picture_id: rank for rank, picture_id in enumerate(by_second, start=1)}
    said = dict(judged)
    for picture_id in wanted:
        parts = replace(
            judged[picture_id].parts,
            first_rank=first_ranks[picture_id],
            second=second.get(picture_id),
            second_rank=second_ranks.get(picture_id),
            seen="scored" if picture_id in second else "unseen",
        )
        said[picture_id] = replace(judged[picture_id], parts=parts)
    return said


async def in_batches(
    size: BatchSize, items: Sequence[Item], work: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]
) -> list[Result]:
    """What `work` makes of all items, in order, some at a time. Where it raises NoMemory, it is asked for half, and
    never for more again. Raises NoMemory where it has none for a single item.
    """
    results: list[Result] = []
    at = 0
    while at < len(items):
        some = items[at : at + size.now]
        try:
            results += await work(some)
        except NoMemory:
            if not size.halve(len(some)):
                raise
            continue
        at += len(some)
    return results


def _column(progress: Progress, at: int) -> Scores:
    return np.array([scores[at] for scores in progress.scores.values()], np.float32)


def _measured(query: Query) -> bool:
    """Whether whoever runs the bot asks: their questions tell nobody of other members' ones."""
    return query.asker is None or query.stages in (Stages.BOTH, Stages.SECOND)
