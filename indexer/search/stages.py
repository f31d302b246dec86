"""A search is a list of stages. This is what a stage is, and what passes from one to the next."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from indexer.query.query import Query
from indexer.records.copies import Copy
from indexer.records.hits import Floor, Hit, Reranked
from indexer.records.ids import PictureId
from indexer.search.picture_facts import PictureFacts
from indexer.search.query_vector import QueryVector
from indexer.search.relevance import Judged
from indexer.search.score_bands import Calibration
from indexer.text.text_search import WordHit


class StageClock:
    """Milliseconds of each named stage, and of all."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}
        self._start_s = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time that the block takes to this stage's."""
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self.ms[name] = self.ms.get(name, 0.0) + (time.perf_counter() - start_s) * 1000

    def finished(self) -> dict[str, float]:
        return {**self.ms, "total": (time.perf_counter() - self._start_s) * 1000}


@dataclass(frozen=True, slots=True)
class Compared:
    """`told`: for each picture that was compared what was done to it, or None: it is another picture. `coming`: some
    are still being compared. `doubtful` were to be compared.
    """

    told: Mapping[PictureId, Copy | None] = field(default_factory=dict)
    coming: bool = False
    doubtful: Sequence[PictureId] = ()


@dataclass(slots=True)
class Search:
    """One question on its way to its hits. Each stage reads what those before it wrote, and writes its own part."""

    query: Query
    target: QueryVector
    calibration: Calibration
    clock: StageClock

    # Retrieve: candidates of the vector index (nearest first), those whose perceptual hash agrees (fewest bits first)
    # and those of the text index (best first), what is known of them, the same by each one's frame that is nearest to
    # the question, how many places are inside the filter, and which floor answered.
    near: Sequence[PictureId] = ()
    agreeing: Sequence[PictureId] = ()
    said: Sequence[WordHit] = ()
    facts: Mapping[PictureId, PictureFacts] = field(default_factory=dict)
    nearest_frames: Mapping[PictureId, PictureFacts] = field(default_factory=dict)
    searched: int = 0
    floor: Floor = Floor.INDEX

    # Compare: which of the nearest are copies of the picture that was asked with, by their pixels. It waits for that
    # `compare_s` seconds at most, which the one who asks has set.
    compare_s: float = 0.0
    compared: Compared = field(default_factory=Compared)

    # Judge: the candidates that are worth showing.
    judged: Mapping[PictureId, Judged] = field(default_factory=dict)

    # Fuse: their scores, best first. Rerank, where there is a second model, orders the first of them anew, and says
    # what became of that.
    scores: Mapping[PictureId, float] = field(default_factory=dict)
    reranked: Reranked | None = None

    # Choose: what the member is shown.
    hits: tuple[Hit, ...] = ()


class Stage(Protocol):
    """One step of a search. A stage belongs to one model and serves many searches at once: it keeps nothing of them."""

    @property
    def name(self) -> str:
        """Its name among the milliseconds that `explain` shows."""
        ...

    async def run(self, search: Search) -> None:
        """Does its step. Raises RetryLater when the database is not free in time."""
        ...
