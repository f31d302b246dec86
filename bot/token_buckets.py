"""Limits how often a member or an address may do something: one token bucket each, in bounded memory, never on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from indexer.lru import LruCache

# Members (or addresses) remembered at once. Beyond that, the one that has taken nothing for the longest time is
# forgotten first.
REMEMBERED = 10_000


class TokenBuckets:
    """One bucket for each: `burst` tokens at once, `per_minute` in the long run.

    A full bucket holds no information about anybody, and is forgotten.
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
        """Takes `cost` tokens (at most the burst) and returns 0.0; or returns the seconds until so many are there."""
        now = self._clock()
        cost = min(cost, self._burst)
        tokens = self._tokens(who, now)
        wait_s = max(cost - tokens, 0.0) / self._rate
        self._keep(who, tokens - (0.0 if wait_s else cost), now)
        return wait_s

    def charge(self, who: Hashable, cost: float) -> None:
        """Takes `cost` tokens for what is done already: the bucket may owe up to a burst afterwards."""
        now = self._clock()
        self._keep(who, max(self._tokens(who, now) - cost, -self._burst), now)

    def _tokens(self, who: Hashable, now: float) -> float:
        tokens, updated_s = self._buckets.get(who) or (self._burst, now)
        return min(self._burst, tokens + (now - updated_s) * self._rate)

    def _keep(self, who: Hashable, tokens: float, now: float) -> None:
        self._buckets.put(who, (tokens, now), lifetime_s=(self._burst - tokens) / self._rate)
