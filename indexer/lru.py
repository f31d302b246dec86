"""Values that are remembered for a while: never more than so many, never longer than so long."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LruCache(Generic[Key, Value]):
    """At most `size` values. Where there are more, the one goes that was put or got longest ago.

    A value is forgotten after `lifetime_s` seconds of `clock`; None: it stays as long as there is room.
    """

    def __init__(self, size: int, lifetime_s: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._lifetime_s = float("inf") if lifetime_s is None else lifetime_s
        self._clock = clock
        self._values: OrderedDict[Key, tuple[float, Value]] = OrderedDict()  # the end of its life, and the value
        self.hits = self.misses = 0  # of `get`

    def __len__(self) -> int:
        return len(self.items())

    def items(self) -> list[tuple[Key, Value]]:
        """All that is remembered; the one that would go next comes first."""
        now = self._clock()
        return [(key, value) for key, (end, value) in self._values.items() if now < end]

    def get(self, key: Key) -> Value | None:
        value = self.peek(key)
        if value is None:
            self.misses += 1
        else:
            self.hits += 1
            self._values.move_to_end(key)
        return value

    def peek(self, key: Key) -> Value | None:
        """As `get`, but what was looked at this way goes as early as before."""
        self._drop_ended()
        end, value = self._values.get(key, (0.0, None))
        return value if self._clock() < end else None

    def put(self, key: Key, value: Value, *, lifetime_s: float | None = None) -> None:
        """`lifetime_s` is for this value alone."""
        self._drop_ended()
        self._values[key] = (self._clock() + (self._lifetime_s if lifetime_s is None else lifetime_s), value)
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def pop(self, key: Key) -> None:
        """Forgets the value, where there is one."""
        self._values.pop(key, None)

    def clear(self) -> int:
        """Forgets every value. Returns how many there were."""
        forgotten = len(self)
        self._values.clear()
        return forgotten

    def _drop_ended(self) -> None:
        """Frees those at the front whose life has ended. One behind a longer-lived value goes after that one."""
        now = self._clock()
        while self._values and next(iter(self._values.values()))[0] <= now:
            self._values.popitem(last=False)
