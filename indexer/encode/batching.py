"""Single requests → batches, with queries ahead of indexing between two batches."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from indexer.errors import Reason, Rejected, RetryLater
from indexer.model import Pixels, Vectors
from indexer.ports import Priority

log = logging.getLogger(__name__)

# Items that may wait: enough to fill the next batches while one runs. Beyond that callers wait, and the pipeline
# behind them. A frame of 256 pixels is 196 KB, so 64 are 13 MB.
_ROOM = {Priority.QUERY: 256, Priority.INDEXING: 64}
_WORDS_A_BATCH = 32
# While members are searching, indexing goes on in batches of an eighth, so one by one unless larger ones were chosen:
# ViT-B/32 on two cores, /similar asked without a break, took 140 ms (p95) instead of 176 with a quarter, and indexing a
# fifth longer.
_ATTENTIVE_S = 2.0
_ATTENTIVE_DIVISOR = 8


class Kind(StrEnum):
    PIXELS = "pictures"
    WORDS = "texts"


Payload = Pixels | str
Run = Callable[[Kind, Sequence[Payload]], Coroutine[Any, Any, Vectors]]


@dataclass(slots=True, eq=False)
class _Item:
    payload: Payload
    number: int
    answer: asyncio.Future[Vectors]


class Batches:
    """A bounded queue in front of a model. `run` turns up to `batch_size` payloads of one kind into [n, d] vectors."""

    def __init__(self, run: Run, batch_size: int) -> None:
        self._run = run
        self._batch_size = batch_size
        self._lines: dict[tuple[Priority, Kind], deque[_Item]] = {
            (priority, kind): deque() for priority in Priority for kind in Kind
        }
        self._room = {priority: asyncio.Semaphore(room) for priority, room in _ROOM.items()}
        self._numbers = itertools.count()
        self._work = asyncio.Event()
        self._last_query = float("-inf")
        self._closed = False

    async def encode(self, kind: Kind, payloads: Sequence[Payload], priority: Priority) -> list[Vectors]:
        """One vector a payload, in order. Waits where the queue is full.

        Raises Rejected when the model fails on a payload, RetryLater when the encoder is closed meanwhile. Cancelling
        takes back what has not begun.
        """
        loop = asyncio.get_running_loop()
        if priority is Priority.QUERY:
            self._last_query = loop.time()
        items: list[_Item] = []
        try:
            for payload in payloads:
                await self._room[priority].acquire()
                if self._closed:
                    self._room[priority].release()
                    raise _closed()
                item = _Item(payload, next(self._numbers), loop.create_future())
                items.append(item)
                self._lines[priority, kind].append(item)
                self._work.set()
            return [await item.answer for item in items]
        finally:
            for item in items:
                self._take_back(item, priority, kind)

    def _take_back(self, item: _Item, priority: Priority, kind: Kind) -> None:
        if item.answer.done():
            if not item.answer.cancelled():
                item.answer.exception()  # seen: of several failures the first one is enough
            return
        item.answer.cancel()
        if item in self._lines[priority, kind]:
            self._lines[priority, kind].remove(item)
            self._room[priority].release()

    async def pump(self) -> None:
        """Run batches until cancelled; the supervisor begins it anew after a fault."""
        while True:
            kind, batch = self._next_batch()
            if not batch:
                self._work.clear()
                await self._work.wait()
                continue
            try:
                await self._run_batch(kind, batch)
            except BaseException:  # cancelled; anything else is a fault of this file, and goes to the supervisor
                for item in batch:
                    _fail(item, _closed())
                raise

    def _next_batch(self) -> tuple[Kind, list[_Item]]:
        """Queries first; within a priority the kind that has waited longest. A batch never mixes priorities, so that
        a query's batch is as small as it can be."""
        for priority in Priority:
            lines = [(self._lines[priority, kind][0].number, kind) for kind in Kind if self._lines[priority, kind]]
            if not lines:
                continue
            kind = min(lines)[1]
            line = self._lines[priority, kind]
            size = min(self._limit(priority, kind), len(line))
            batch = [line.popleft() for _ in range(size)]
            for _ in batch:
                self._room[priority].release()
            return kind, batch
        return Kind.PIXELS, []

    def _limit(self, priority: Priority, kind: Kind) -> int:
        if kind is Kind.WORDS:
            return _WORDS_A_BATCH
        searching = asyncio.get_running_loop().time() - self._last_query < _ATTENTIVE_S
        if priority is Priority.INDEXING and searching:
            return max(self._batch_size // _ATTENTIVE_DIVISOR, 1)
        return self._batch_size

    async def _run_batch(self, kind: Kind, batch: list[_Item]) -> None:
        try:
            vectors = await self._run(kind, [item.payload for item in batch])
            if len(vectors) != len(batch):
                raise ValueError(f"the model gave {len(vectors)} vectors for {len(batch)} {kind}")
            finite = [bool(np.isfinite(vector).all()) for vector in vectors]
        except Exception as error:  # torch raises RuntimeError for nearly everything, memory included
            if len(batch) > 1:
                log.warning("a batch of %d %s failed (%s); trying them one by one", len(batch), kind, error)
                for item in batch:
                    await self._run_batch(kind, [item])
                return
            log.exception("the model failed on one of the %s", kind)
            _fail(batch[0], Rejected(Reason.INTERNAL, f"the model failed: {type(error).__name__}: {error}"))
            return
        for item, vector, usable in zip(batch, vectors, finite, strict=True):
            if not usable:
                _fail(item, Rejected(Reason.INTERNAL, "the model's answer is not finite"))
            elif not item.answer.done():
                item.answer.set_result(vector)

    def close(self) -> None:
        """Fail whoever waits; the pump must have ended."""
        self._closed = True
        for (priority, _), line in self._lines.items():
            while line:
                _fail(line.popleft(), _closed())
                self._room[priority].release()


def _fail(item: _Item, error: Exception) -> None:
    if not item.answer.done():
        item.answer.set_exception(error)


def _closed() -> RetryLater:
    return RetryLater("The model is shutting down; what it had not encoded yet is encoded after the next start.")
