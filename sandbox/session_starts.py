"""What Discord allows of IDENTIFY: how many a day, and how soon after one another."""

import time
from dataclasses import dataclass, field
from typing import Final

from sandbox.wire import Json

_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Asked:
    """An IDENTIFY: when (seconds of the monotonic clock), of which shard of how many, and whether it got a session."""

    at_s: float
    shard: tuple[int, int]
    accepted: bool


@dataclass(slots=True)
class SessionStarts:
    """`shards`: how many Discord recommends. `max_concurrency` buckets, in each of which an IDENTIFY may come `gap_s`
    seconds after the one before (Discord: 5; 0: at once). `total` may come in `window_s` seconds. A shard has at most
    `guilds_a_shard` guilds.
    """

    shards: int = 1
    max_concurrency: int = 1
    gap_s: float = 0.0
    total: int = 1_000
    window_s: float = _DAY_S
    guilds_a_shard: int = 2_500
    asked: list[Asked] = field(default_factory=list)
    _ends_s: float = 0.0
    _used: int = 0

    @property
    def remaining(self) -> int:
        """How many may still come in this window."""
        return self.total - self._used if time.monotonic() < self._ends_s else self.total

    def ask(self, shard: tuple[int, int]) -> bool:
        """Counts an IDENTIFY, and says whether it comes late enough after the one before of its bucket."""
        now_s = time.monotonic()
        if now_s >= self._ends_s:
            self._ends_s, self._used = now_s + self.window_s, 0
        self._used += 1
        bucket = shard[0] % self.max_concurrency
        before = [
            asked.at_s for asked in self.asked if asked.accepted and asked.shard[0] % self.max_concurrency == bucket
        ]
        accepted = not before or now_s - before[-1] >= self.gap_s
        self.asked.append(Asked(now_s, shard, accepted))
        return accepted

    def limit(self) -> Json:
        """`session_start_limit` of /gateway/bot."""
        left_s = max(self._ends_s - time.monotonic(), 0.0)
        return {
            "total": self.total, "remaining": max(self.remaining, 0), "reset_after": round(left_s * 1000),
            "max_concurrency": self.max_concurrency,
        }  # fmt: skip
