"""How often one member may ask: a token bucket a member, in bounded memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from bot.config import LimitSettings

# Members remembered at once; whoever has not asked for longest is forgotten first (their bucket is full by then).
REMEMBERED = 10_000


class TokenBuckets:
    """One bucket a user: `burst` commands at once, `per_minute` in the long run."""

    def __init__(self, settings: LimitSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._buckets: OrderedDict[int, tuple[float, float]] = OrderedDict()  # user → commands left, and when

    def take(self, user_id: int) -> float:
        """0.0 and one command less, or the seconds until the next command is allowed."""
        now = self._clock()
        rate = self._settings.per_minute / 60
        left, then = self._buckets.pop(user_id, (float(self._settings.burst), now))
        left = min(float(self._settings.burst), left + (now - then) * rate)
        if left < 1:
            self._buckets[user_id] = (left, now)
            return (1 - left) / rate
        self._buckets[user_id] = (left - 1, now)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return 0.0
