"""How often one member may do something: a token bucket a member, in bounded memory and never on disk."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

# Members remembered at once; of more, whoever has taken nothing for longest is forgotten first.
REMEMBERED = 10_000


class TokenBuckets:
    """One bucket a user: `burst` tokens at once, `per_minute` in the long run.

    A bucket that is full again says nothing about its user, and is forgotten at the next call.
    """

    def __init__(self, per_minute: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60  # tokens a second
        self._burst = float(burst)
        self._clock = clock
        self._buckets: OrderedDict[int, tuple[float, float]] = OrderedDict()  # user → tokens left, and when

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, user_id: int, cost: float = 1.0) -> float:
        """0.0 and `cost` tokens less, or the seconds until so many are there. `cost` is at most the burst."""
        now = self._clock()
        cost = min(cost, self._burst)
        left, then = self._buckets.pop(user_id, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._rate)
        if left < cost:
            self._buckets[user_id] = (left, now)
            return (cost - left) / self._rate
        self._buckets[user_id] = (left - cost, now)
        self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Buckets lie in the order of their last use, so the first ones are the first to be full."""
        while self._buckets:
            left, then = next(iter(self._buckets.values()))
            if len(self._buckets) <= REMEMBERED and left + (now - then) * self._rate < self._burst:
                return
            self._buckets.popitem(last=False)
