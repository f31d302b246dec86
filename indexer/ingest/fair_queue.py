"""A bounded queue with lanes: one guild's work never blocks another guild's work, and live work is served first."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Generic, NamedTuple, TypeVar

from indexer.records.ids import GuildId

T = TypeVar("T")


class Lane(NamedTuple):
    """The guild and the rank of work. `rank` 0 is served before 1. Guilds of the same rank take turns."""

    rank: int
    guild_id: GuildId


class FairQueue(Generic[T]):
    """First in, first out within a lane. Lanes of the lowest rank take turns. Belongs to one event loop."""

    def __init__(self, bound: int) -> None:
        """`bound`: how many items a lane can hold. `put` waits while the lane has that many."""
        if bound < 1:
            raise ValueError("a lane holds at least one item")
        self._bound = bound
        self._lanes: dict[int, OrderedDict[Lane, deque[T]]] = {}
        self._takers: deque[asyncio.Future[None]] = deque()
        self._lane_takers: dict[Lane, deque[asyncio.Future[None]]] = {}
        self._givers: dict[Lane, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(len(items) for lanes in self._lanes.values() for items in lanes.values())

    def full(self, lane: Lane) -> bool:
        """Whether `put` would wait now."""
        return len(self._items(lane)) >= self._bound

    async def put(self, lane: Lane, item: T) -> None:
        """Adds an item at the end of its lane; waits while the lane is full."""
        while self.full(lane):
            await self._wait(self._givers.setdefault(lane, deque()))
        if not self._givers.get(lane, True):
            del self._givers[lane]
        self._add(lane, item)

    def offer(self, lane: Lane, item: T) -> bool:
        """Adds an item if the lane has room. Returns False where it has none."""
        if self.full(lane):
            return False
        self._add(lane, item)
        return True

    async def get(self, lane: Lane | None = None) -> T:
        """The next item (`lane`: of this one alone); waits while there is none."""
        takers = self._takers if lane is None else self._lane_takers.setdefault(lane, deque())
        while (item := self.get_nowait(lane)) is None:
            await self._wait(takers)
        return item

    def get_nowait(self, lane: Lane | None = None) -> T | None:
        """The next item, None where there is none."""
        if lane is not None:
            return self._of_lane(lane)
        for rank in sorted(self._lanes):
            lanes = self._lanes[rank]
            lane, items = next(iter(lanes.items()))
            item = items.popleft()
            if items:
                lanes.move_to_end(lane)
            else:
                self._forget(lane)
            self._wake(self._givers.get(lane))
            return item
        return None

    def _of_lane(self, lane: Lane) -> T | None:
        items = self._items(lane)
        if not items:
            return None
        item = items.popleft()
        if not items:
            self._forget(lane)
        self._wake(self._givers.get(lane))
        return item

    def drop(self, lane: Lane) -> list[T]:
        """Removes a lane and returns its items. Nobody may wait for an item of it alone."""
        items = list(self._items(lane))
        self._forget(lane)
        self._lane_takers.pop(lane, None)
        for _ in items:
            self._wake(self._givers.get(lane))
        return items

    def _items(self, lane: Lane) -> deque[T]:
        lanes = self._lanes.get(lane.rank)
        return lanes.get(lane, deque()) if lanes is not None else deque()

    def _add(self, lane: Lane, item: T) -> None:
        self._lanes.setdefault(lane.rank, OrderedDict()).setdefault(lane, deque()).append(item)
        self._wake(self._lane_takers.get(lane))
        self._wake(self._takers)  # also where one of the lane's own takers was woken: that one may be cancelled

    def _forget(self, lane: Lane) -> None:
        lanes = self._lanes.get(lane.rank)
        if lanes is not None:
            lanes.pop(lane, None)
            if not lanes:
                del self._lanes[lane.rank]

    @staticmethod
    def _wake(waiters: deque[asyncio.Future[None]] | None) -> None:
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _wait(self, waiters: deque[asyncio.Future[None]]) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake(waiters)  # a cancelled waiter does not use its turn, so the next waiter is woken
            raise
