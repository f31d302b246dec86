"""How often a member, or an address, may do something: a token bucket each, in bounded memory and never on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from indexer.lru import LruCache

# Members (or addresses) remembered at once; of more, whoever has taken nothing for longest is forgotten first.
REMEMBERED = 10_000


class TokenBuckets:
    """One bucket each: `burst` tokens at once, `per_minute` in the long run.

    A bucket that is full again says nothing about anybody, and is forgotten.
    """

    def __init__(self, per_minute: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60  # tokens a second
        self._burst = float(burst)
        self._clock = clock
        self._buckets: LruCache[Hashable, tuple[float, float]] = LruCache(
            REMEMBERED, clock=clock
        )  # tokens left, and when

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, who: Hashable, cost: float = 1.0) -> float:
        """0.0 and `cost` tokens less, or the seconds until so many are there. `cost` is at most the burst."""
        now = self._clock()
        cost = min(cost, self._burst)
        left, then = self._buckets.get(who) or (self._burst, now)
        left = min(self._burst, left + (now - then) * self._rate)
        wait_s = max(cost - left, 0.0) / self._rate
        left -= 0.0 if wait_s else cost
        self._buckets.put(who, (left, now), lifetime_s=(self._burst - left) / self._rate)
        return wait_s
