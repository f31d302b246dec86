"""Decides which channel's page is read next, among the channels of one crawl. Some of them wait after a fault."""

from __future__ import annotations

import asyncio
import heapq
import time
from dataclasses import dataclass, field, replace

from indexer.crawl.search_walk import SearchWalk
from indexer.records.ids import MessageId
from indexer.records.messages import Channel

# The age of a new channel's messages is not known yet, so its first page is read before all others.
FIRST = -(1 << 63)


@dataclass(frozen=True, order=True, slots=True)
class Turn:
    """A channel that waits for its next page. The channel with the newest unread history sorts first.

    `before` is where its unread history begins (None: at its newest message). `failures` counts temporary faults in a
    row. `was_empty`: the last page was empty and has to be confirmed. `pages` counts full pages read in this run, and
    `shown` the messages with pictures on them. `walk` is the channel's search, where it is read by search.
    """

    sort_key: int
    channel: Channel = field(compare=False)
    before: MessageId | None = field(compare=False, default=None)
    failures: int = field(compare=False, default=0)
    was_empty: bool = field(compare=False, default=False)
    pages: int = field(compare=False, default=0)
    shown: int = field(compare=False, default=0)
    walk: SearchWalk | None = field(compare=False, default=None)

    def onward(self, before: MessageId, *, pages: int = 0, shown: int = 0, walk: SearchWalk | None = None) -> Turn:
        """The turn after a successful one, which read `pages` full pages with `shown` messages that have pictures."""
        return Turn(-before, self.channel, before, pages=self.pages + pages, shown=self.shown + shown, walk=walk)

    def again(self) -> Turn:
        """The same turn, with one more fault counted."""
        return replace(self, failures=self.failures + 1)


class CrawlSchedule:
    """The queue of turns. Belongs to one event loop. After each turn of `next` the caller calls `ended` once."""

    def __init__(self) -> None:
        self._ready: list[Turn] = []
        self._resting: list[tuple[float, Turn]] = []
        self._under_way = 0
        self._open = True
        self._changed = asyncio.Condition()

    async def put(self, turn: Turn) -> None:
        async with self._changed:
            heapq.heappush(self._ready, turn)
            self._changed.notify()

    async def rest(self, turn: Turn, wait_s: float) -> None:
        """Puts a turn back. `next` gives it out again after `wait_s` seconds at the earliest."""
        async with self._changed:
            heapq.heappush(self._resting, (time.monotonic() + wait_s, turn))
            self._changed.notify()

    async def close(self) -> None:
        """Says that no new channels come. Then `next` returns None once the last turn has ended."""
        async with self._changed:
            self._open = False
            self._changed.notify_all()

    async def next(self) -> Turn | None:
        """Waits for the next turn and returns it; None once nothing is left."""
        async with self._changed:
            while True:
                now = time.monotonic()
                while self._resting and self._resting[0][0] <= now:
                    heapq.heappush(self._ready, heapq.heappop(self._resting)[1])
                if self._ready:
                    self._under_way += 1
                    return heapq.heappop(self._ready)
                if not (self._open or self._under_way or self._resting):
                    self._changed.notify_all()
                    return None
                try:
                    async with asyncio.timeout(self._resting[0][0] - now if self._resting else None):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def ended(self) -> None:
        """Says that a turn of `next` has ended."""
        async with self._changed:
            self._under_way -= 1
            self._changed.notify_all()

    @property
    def newest_unread(self) -> MessageId | None:
        """The message id down to which every channel has been read; None while that is not known."""
        waiting = [*self._ready, *(turn for _, turn in self._resting)]
        cursors = [turn.before for turn in waiting if turn.before is not None]
        return max(cursors) if cursors and len(cursors) == len(waiting) and not self._open else None
