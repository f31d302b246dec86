"""Discord's ids: 42 bits of milliseconds since 2015, then 22 bits that distinguish ids of the same millisecond."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

EPOCH_MS: Final = 1_420_070_400_000
"""The first millisecond of 2015, in Unix milliseconds."""

_PER_MS: Final = 1 << 22


def at(unix_ms: int) -> int:
    """The smallest id of that millisecond."""
    return (unix_ms - EPOCH_MS) << 22


def ms(snowflake: int) -> int:
    """The Unix time in milliseconds when the id was made."""
    return (snowflake >> 22) + EPOCH_MS


def iso(unix_ms: float) -> str:
    """Unix milliseconds as Discord writes a time: ISO 8601 in UTC with six decimals."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="microseconds")


class Clock:
    """The sandbox's time. `advance` moves it forward, so that links and tokens expire without waiting."""

    def __init__(self, now_ms: int | None = None) -> None:
        self._ahead_ms = 0 if now_ms is None else now_ms - time.time_ns() // 1_000_000

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000 + self._ahead_ms

    def advance(self, seconds: float) -> None:
        """Move the sandbox's time forward."""
        self._ahead_ms += round(seconds * 1000)


class Snowflakes:
    """Makes ids. No two are equal; ids made for a later millisecond are larger."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._made: dict[int, int] = {}

    def make(self, unix_ms: int | None = None) -> int:
        """A new id of that millisecond (None: of now). Raises OverflowError after 4,194,304 in one millisecond."""
        moment = self._now_ms() if unix_ms is None else unix_ms
        count = self._made.get(moment, 0)
        if count >= _PER_MS:
            raise OverflowError(f"no ids left in millisecond {moment}")
        self._made[moment] = count + 1
        return at(moment) + count
