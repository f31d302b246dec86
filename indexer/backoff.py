"""How long to wait before the same thing is tried again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from indexer.errors import RetryLater

T = TypeVar("T")

# The longest pause that somebody else may prescribe, in seconds: a little more than the window of Discord's bans.
LONGEST_TOLD_S = 900.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off: `first_s`, twice that, … up to `longest_s` seconds; `tries` tries in all."""

    tries: int
    first_s: float
    longest_s: float

    def wait_s(self, failures: int, told_s: float | None = None) -> float:
        """Seconds to wait after that many failures in a row (≥ 1), at least what the other side told.

        Half of it is random, so that what failed together does not come back together.
        """
        full = min(self.first_s * 2.0 ** min(failures - 1, 30), self.longest_s)
        own = full * (0.5 + random.random() / 2)
        return own if told_s is None else max(own, min(told_s, LONGEST_TOLD_S))


async def with_retries(work: Callable[[], Awaitable[T]], backoff: Backoff) -> T:
    """Awaits `work()` until it does not raise RetryLater; raises the last RetryLater after `backoff.tries` tries."""
    failures = 0
    while True:
        try:
            return await work()
        except RetryLater as error:
            failures += 1
            if failures >= backoff.tries:
                raise
            await asyncio.sleep(backoff.wait_s(failures, error.retry_after))
