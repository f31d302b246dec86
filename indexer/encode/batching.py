"""Single requests → batches, with queries ahead of indexing between two batches."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np

from indexer.errors import ModelAway, NoMemory, Reason, Rejected, RetryLater
from indexer.ports import Priority
from indexer.records.pictures import Pixels, Vectors

log = logging.getLogger(__name__)

# Items that may wait: enough to fill the next batches while one runs. Beyond that callers wait, and the pipeline
# behind them. A frame of 256 pixels is 196 KB, so 64 are 13 MB.
_ROOM = {Priority.QUERY: 256, Priority.INDEXING: 64}
# With less than half of a batch, indexing begins none beside another one, nor this soon after one (seconds). It would
# take the core that the readers need to make more frames ready: in that balance each batch is of one or two pictures.
_GATHER_S = {Priority.QUERY: 0.0, Priority.INDEXING: 0.2}
_WORDS_A_BATCH = 32
_LOOK_AGAIN_S = 0.5  # seconds until what runs batches is looked at again, while it takes none
# While members are searching, indexing goes on in batches of an eighth, so one by one unless larger ones were chosen:
# ViT-B/32 on two cores, /similar asked without a break, took 140 ms (p95) instead of 176 with a quarter, and indexing a
# fifth longer.
ATTENTIVE_S = 2.0
_ATTENTIVE_DIVISOR = 8
# While questions come (one waits, is under way, or was so this many seconds ago: its search goes on then) indexing has
# a quarter of the time. Its batches come one at a time, and after each comes a pause of three times its length.
_NEAR_S = 0.1
_PAUSE_LENGTHS = 3.0
_NEVER = float("inf")
_DEATHS_ALONE = 2  # the system may have killed the process once for another's sins


class Kind(StrEnum):
    PIXELS = "pictures"
    WORDS = "texts"


Payload = Pixels | str
Run = Callable[[Kind, Sequence[Payload], Priority], Coroutine[Any, Any, Vectors]]
Rest = Callable[[], Coroutine[Any, Any, None]]


class ModelDied(ModelAway):
    """The model's process ended: over what it was asked, or for another's sins."""


class ModelFailed(Exception):
    """The model made nothing of a batch, and goes on."""


class OutOfMemory(ModelFailed):
    """The model had no memory for a batch: fewer at once may succeed."""


@dataclass(slots=True, eq=False)
class _Item:
    """`deaths` counts the ends of the model's process while it had this, `alone` those while it had nothing else."""

    payload: Payload
    number: int
    answer: asyncio.Future[Vectors]
    deaths: int = 0
    alone: int = 0


@dataclass(slots=True, eq=False)
class _Batch:
    """`again`: the model failed on it or died over it before. `began`: when it was given to the model (seconds)."""

    kind: Kind
    items: list[_Item]
    again: bool = False
    began: float = 0.0


class Batches:
    """A bounded queue in front of a model. `run` turns up to `batch_size` payloads of one kind into [n, d] vectors.

    `streams` tells how many batches `run` works on at once (0: none just now); a question's batch goes beside them.
    Questions that come meanwhile wait for it and go together. While questions come, indexing has a quarter of the time,
    in small batches; not where what runs batches sees to that itself (`attentive` false). `ahead` batches of indexing
    more are given to `run` while members are not searching: it begins them when it has ended another one. `rest` is
    called when nobody has asked for `idle_s` seconds (0: never).

    A batch that the model fails on is done one by one. A batch that the model's process dies over is tried once more
    first; what it dies over twice alone is rejected. Whatever is tried again is tried with nothing beside it, so that
    no batch is blamed for another's death. In between, questions go first as always. A batch that there is no memory
    for is halved, and no later one is larger.
    """

    def __init__(
        self,
        run: Run,
        batch_size: int,
        rest: Rest | None = None,
        idle_s: float = 0.0,
        streams: Callable[[], int] = lambda: 1,
        *,
        attentive: bool = True,
        ahead: int = 0,
    ) -> None:
        self._attentive = attentive
        self._ahead = ahead
        self._run = run
        self._batch_size = batch_size
        self._rest = rest
        self._idle_s = idle_s
        self._streams = streams
        self._under_way: list[tuple[Priority, _Batch]] = []
        self._again: dict[Priority, deque[_Batch]] = {priority: deque() for priority in Priority}
        self._lines: dict[tuple[Priority, Kind], deque[_Item]] = {
            (priority, kind): deque() for priority in Priority for kind in Kind
        }
        self._room = {priority: asyncio.Semaphore(room) for priority, room in _ROOM.items()}
        self._numbers = itertools.count()
        self._work = asyncio.Event()
        self._last_query = -_NEVER
        self._ended: dict[Priority, float] = {}  # when the last batch of each did
        self._indexing_again = -_NEVER  # when it may have its next batch while questions come
        self._closed = False

    async def encode(self, kind: Kind, payloads: Sequence[Payload], priority: Priority) -> list[Vectors]:
        """One vector a payload, in order. Waits where the queue is full.

        Raises Rejected when the model fails on a payload, NoMemory when it has none for a single one, RetryLater when
        the encoder is closed meanwhile. Cancelling takes back what has not begun.
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
        async with asyncio.TaskGroup() as group:
            while True:
                found = self._next_batch()
                if found is None:
                    await self._wait_for_work()
                    continue
                found[1].began = asyncio.get_running_loop().time()
                self._under_way.append(found)
                task = group.create_task(self._run_batch(*found))
                task.add_done_callback(partial(self._end_batch, *found))

    def _end_batch(self, priority: Priority, batch: _Batch, task: asyncio.Task[None]) -> None:
        """A callback, and not the end of the task's own code: a task that is cancelled before it begins runs none."""
        self._under_way.remove((priority, batch))
        now = self._ended[priority] = asyncio.get_running_loop().time()
        if priority is Priority.INDEXING:
            self._indexing_again = now + _PAUSE_LENGTHS * (now - batch.began)
        if task.cancelled() or task.exception() is not None:  # a fault of this file, which goes to the supervisor
            for item in batch.items:
                _fail(item, _closed())
        self._work.set()

    async def _wait_for_work(self) -> None:
        self._work.clear()
        if self._rest is not None and self._idle_s and not self._under_way and not any(self._lines.values()):
            try:
                async with asyncio.timeout(self._idle_s):
                    await self._work.wait()
            except TimeoutError:
                await self._rest()
        await self._work.wait()

    def _next_batch(self) -> tuple[Priority, _Batch] | None:
        """Queries first; within a priority what is tried again, then the kind that has waited longest. A batch never
        mixes priorities, so that a query's batch is as small as it can be. None: nothing waits, or nothing that waits
        may begin beside what is under way."""
        if any(batch.again for _, batch in self._under_way):
            return None
        for priority in Priority:
            while again := self._again[priority]:
                again[0].items = [item for item in again[0].items if not item.answer.done()]  # who asked may have gone
                if not again[0].items:
                    again.popleft()
                    continue
                return (priority, again.popleft()) if not self._under_way else None
            busy = sum(1 for others, _ in self._under_way if others is priority)
            free = (1 if priority is Priority.QUERY else self._streams()) - busy
            # While nothing runs batches (streams 0), none goes ahead either.
            ahead = self._ahead if priority is Priority.INDEXING and busy and not self._searching() else 0
            lines = [(self._lines[priority, kind][0].number, kind) for kind in Kind if self._lines[priority, kind]]
            if lines and free <= 0 and not busy:
                asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._work.set)
            gives_way = priority is Priority.INDEXING and self._attentive and self._gives_way(busy)
            if not lines or free + ahead <= 0 or gives_way:
                continue
            kind = min(lines)[1]
            line = self._lines[priority, kind]
            limit = self._limit(priority, kind)
            half = -(-limit // 2)
            if len(line) < half and (busy or self._still_comes(priority)):
                continue
            share = -(-len(line) // max(free, 1))  # as much for every stream that is free
            size = min(limit, len(line), max(share, half))
            items = [line.popleft() for _ in range(size)]
            for _ in items:
                self._room[priority].release()
            return priority, _Batch(kind, items)
        return None

    def _gives_way(self, busy: int) -> bool:
        """Whether indexing, with `busy` batches under way, leaves the model to questions now. When it need no longer,
        the pump looks again."""
        loop = asyncio.get_running_loop()
        asked = any(self._lines[Priority.QUERY, kind] for kind in Kind) or any(
            priority is Priority.QUERY for priority, _ in self._under_way
        )
        again = _NEVER if busy else self._indexing_again  # a batch that ends wakes the pump by itself
        if not asked:
            again = min(again, self._ended.get(Priority.QUERY, -_NEVER) + _NEAR_S)
        if loop.time() >= again:
            return False
        if again < _NEVER:
            loop.call_at(again, self._work.set)
        return True

    def _still_comes(self, priority: Priority) -> bool:
        """Whether more may come soon, because a batch has just ended: then the pump looks again a little later."""
        loop = asyncio.get_running_loop()
        until = self._ended.get(priority, -_NEVER) + _GATHER_S[priority]
        if loop.time() >= until:
            return False
        loop.call_at(until, self._work.set)
        return True

    def _limit(self, priority: Priority, kind: Kind) -> int:
        if kind is Kind.WORDS:
            return _WORDS_A_BATCH
        if priority is Priority.INDEXING and self._searching():
            return max(self._batch_size // _ATTENTIVE_DIVISOR, 1)
        return self._batch_size

    def _searching(self) -> bool:
        return self._attentive and asyncio.get_running_loop().time() - self._last_query < ATTENTIVE_S

    async def _run_batch(self, priority: Priority, batch: _Batch) -> None:
        kind, items = batch.kind, batch.items
        try:
            vectors = await self._run(kind, [item.payload for item in items], priority)
            if len(vectors) != len(items):
                raise ModelFailed(f"the model gave {len(vectors)} vectors for {len(items)} {kind}")
            finite = [bool(np.isfinite(vector).all()) for vector in vectors]
        except ModelDied as error:
            await self._died(priority, batch, error)
        except RetryLater as error:
            for item in items:
                _fail(item, error)
        except OutOfMemory as error:
            self._halve(priority, batch, error)
        except Exception as error:  # a ModelFailed, or a fault of whoever stands in for the model
            if len(items) > 1:
                log.warning("a batch of %d %s failed (%s); trying them one by one", len(items), kind, error)
                self._one_by_one(priority, batch)
                return
            log.exception("the model failed on one of the %s", kind)
            _fail(items[0], Rejected(Reason.INTERNAL, f"the model failed: {error}"))
        else:
            for item, vector, usable in zip(items, vectors, finite, strict=True):
                if not usable:
                    _fail(item, Rejected(Reason.INTERNAL, "the model's answer is not finite"))
                elif not item.answer.done():
                    item.answer.set_result(vector)

    def _halve(self, priority: Priority, batch: _Batch, error: OutOfMemory) -> None:
        if len(batch.items) == 1:
            _fail(batch.items[0], NoMemory(f"The model has no memory for a single one of the {batch.kind}: {error}"))
            return
        half = len(batch.items) // 2
        if batch.kind is Kind.PIXELS:
            self._batch_size = min(self._batch_size, half)
        log.warning("no memory for %d %s at once (%s): %d from now on", len(batch.items), batch.kind, error, half)
        halves = [_Batch(batch.kind, items, again=True) for items in (batch.items[:half], batch.items[half:])]
        self._again[priority].extendleft(reversed(halves))

    async def _died(self, priority: Priority, batch: _Batch, error: ModelDied) -> None:
        """Whole once more, then one by one, then alone once more; then it was this one, unless the model dies of
        anything."""
        batch.again = True
        for item in batch.items:
            item.deaths += 1
        if len(batch.items) > 1:
            log.warning("the model died over a batch of %d %s", len(batch.items), batch.kind)
            if batch.items[0].deaths > 1:
                self._one_by_one(priority, batch)
            else:
                self._again[priority].append(batch)
            return
        item = batch.items[0]
        item.alone += 1
        if item.alone < _DEATHS_ALONE:
            self._again[priority].appendleft(batch)
        elif await self._lives(item.payload):
            log.warning("the model died twice over one of the %s: it goes on without it", batch.kind)
            _fail(item, Rejected(Reason.WORKER_DIED, f"the model's process {error}"))
        else:
            _fail(item, error)

    async def _lives(self, payload: Payload) -> bool:
        """Whether the model can do something of the kind of `payload` that nothing is wrong with."""
        blank = "a" if isinstance(payload, str) else np.zeros_like(payload)
        try:
            kind = Kind.WORDS if isinstance(payload, str) else Kind.PIXELS
            await self._run(kind, [blank], Priority.INDEXING)
        except RetryLater:
            return False
        except Exception:  # it failed, and lives
            log.exception("the model failed on a blank picture or text")
        return True

    def _one_by_one(self, priority: Priority, batch: _Batch) -> None:
        self._again[priority].extendleft(_Batch(batch.kind, [item], again=True) for item in reversed(batch.items))

    def close(self) -> None:
        """Fail whoever waits; the pump must have ended."""
        self._closed = True
        for batches in self._again.values():
            for batch in batches:
                for item in batch.items:
                    _fail(item, _closed())
            batches.clear()
        for (priority, _), line in self._lines.items():
            while line:
                _fail(line.popleft(), _closed())
                self._room[priority].release()


def _fail(item: _Item, error: Exception) -> None:
    if not item.answer.done():
        item.answer.set_exception(error)


def _closed() -> RetryLater:
    return RetryLater("The model is shutting down; what it had not encoded yet is encoded after the next start.")
