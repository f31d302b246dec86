"""How many questions are worked on at once, and how many may wait for that. Whoever comes then is refused at once.

Without a bound, questions that come faster than they are answered wait for ever longer, and all are answered too late:
at 20 a second on two slow cores, half of them after 26 s. Members who ask in Discord do not pass here: of what the
interface asks, never more than AT_ONCE is beside their questions.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from bot.web.errors import ApiError
from indexer.records.api_keys import KeyId

AT_ONCE = 4  # the model encodes their words together
WAITING = 12
OF_A_KEY = 10  # of both together: no key takes all
WAIT_S = 2.0  # the longest wait for a turn
LONGEST_S = 60  # the most that Retry-After says
# Of how long answers take, each new one counts so much in the mean: the last ten, about.
_NEWEST = 0.1


class Admission:
    """Belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._free = asyncio.Semaphore(AT_ONCE)
        self._of_keys: Counter[KeyId] = Counter()
        self._took_s = 0.1  # the mean
        self.waiting = 0
        self.refused = 0
        """How many were refused since the start."""

    @asynccontextmanager
    async def turn(self, key_id: KeyId) -> AsyncIterator[None]:
        """The block is one of the AT_ONCE; who came first has the first turn. Raises ApiError (busy)."""
        if self._of_keys[key_id] >= OF_A_KEY or (self._free.locked() and self.waiting >= WAITING):
            raise self._refusal()
        self._of_keys[key_id] += 1
        try:
            await self._turn()
            began = self._clock()
            try:
                yield
            finally:
                self._free.release()
                self._took_s += _NEWEST * (self._clock() - began - self._took_s)
        finally:
            self._of_keys[key_id] -= 1
            if not self._of_keys[key_id]:
                del self._of_keys[key_id]

    async def _turn(self) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            raise self._refusal() from None
        finally:
            self.waiting -= 1

    def _refusal(self) -> ApiError:
        self.refused += 1
        seconds = min(max(1, math.ceil((self.waiting + AT_ONCE) * self._took_s / AT_ONCE)), LONGEST_S)
        return ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "busy",
            f"Too many questions wait to be answered; ask again in {seconds} s.",
            {"retry_after_s": seconds},
            {"Retry-After": str(seconds)},
        )
