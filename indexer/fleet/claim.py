"""What one process alone may do, over all machines: a claim that lapses, kept as numbered objects of a storage.

    000000000041    {"holder": "a", "ttl_s": 30}
    000000000042    {"holder": "a", "ttl_s": 30}    renewed
    000000000043    {"holder": "b", "ttl_s": 30}    taken over
    000000000044    {"holder": "", "ttl_s": 30}     given back

A renewal and a takeover create the same next number, so one of them alone succeeds. A holder counts its time from
before it looked, another one from after it has seen the newest number: so the former's has passed when the latter may
begin. Nobody compares clocks: each measures spans of its own.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from indexer.errors import RetryLater
from indexer.fleet.object_storage import Storage


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies under a number. `holder` is empty where it was given back."""

    holder: str
    ttl_s: float


@dataclass(slots=True)
class Claim:
    """One process's view: pure, `now_s` is its own monotonic clock.

    Others may take over `ttl_s` after they have seen the newest number; the holder itself uses the first `usable_s`.
    """

    holder: str
    ttl_s: float
    usable_s: float
    number: int = 0  # the newest that was seen
    valid_until_s: float = float("-inf")
    seen_s: dict[int, float] = field(default_factory=dict)  # when each number was first seen
    entry: Entry = Entry("", 0.0)

    def holds(self, now_s: float) -> bool:
        return now_s < self.valid_until_s

    def saw(self, number: int, entry: Entry, now_s: float) -> None:
        """The newest number, as it was read; `now_s` is the time after the reading."""
        self.seen_s.setdefault(number, now_s)
        if number > self.number:
            self.number, self.entry = number, entry
            if entry.holder != self.holder:
                self.valid_until_s = float("-inf")

    def may_try(self, now_s: float) -> bool:
        """Whether it may create the next number: it holds the claim, nobody does, or the holder's time has passed."""
        if self.number == 0 or not self.entry.holder:
            return True
        if self.entry.holder == self.holder and self.holds(now_s):
            return True
        return now_s >= self.seen_s[self.number] + max(self.entry.ttl_s, self.ttl_s)

    def created(self, number: int, looked_s: float, now_s: float) -> None:
        """It created this number, after a look that began at `looked_s` had shown none so high.

        Its time counts from that look: after a longer pause the number may have been another one's, and be deleted.
        """
        self.saw(number, Entry(self.holder, self.ttl_s), now_s)
        if number == self.number:
            self.valid_until_s = max(self.valid_until_s, looked_s + self.usable_s)

    def refused(self) -> None:
        """Somebody else created the number."""
        self.valid_until_s = float("-inf")

    def outdated(self, now_s: float) -> list[int]:
        """Numbers that may be deleted: whoever could still be about to create one of them again is too late with it."""
        return [at for at, seen_s in self.seen_s.items() if at < self.number and now_s - seen_s > 2 * self.ttl_s]


def clock_s() -> float:
    """Seconds that pass while the machine sleeps, too, where the system has such a clock."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    else:  # noqa: RET505 -- mypy follows a platform check only with its else
        return time.monotonic()


class StoredClaim:
    """A claim whose numbers lie in a folder of the storage. Belongs to one event loop."""

    def __init__(
        self, storage: Storage, folder: str, ttl_s: float, usable_s: float, clock: Callable[[], float] = clock_s
    ) -> None:
        self._storage = storage
        self._folder = folder
        self._clock = clock
        self._claim = Claim(f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex[:8]}", ttl_s, usable_s)

    @property
    def held(self) -> bool:
        return self._claim.holds(self._clock())

    @property
    def remaining_s(self) -> float:
        """For how long it is held if nobody renews it; 0 where it is not held."""
        return max(self._claim.valid_until_s - self._clock(), 0.0)

    @property
    def holder(self) -> str:
        """Who held it when it was looked at last."""
        return self._claim.entry.holder or "nobody"

    async def attempt(self) -> bool:
        """One look, and one attempt where that is due. Returns whether the claim is held. Raises RetryLater."""
        claim, looked_s = self._claim, self._clock()
        numbers = [int(name) for name in await self._storage.names(self._folder) if name.isdecimal()]
        if numbers and max(numbers) > claim.number:
            data = await self._storage.read(self._path(max(numbers)))
            if data is None:
                raise RetryLater(f"{self._folder} changed while it was read")
            claim.saw(max(numbers), self._entry(data), self._clock())
        for number in numbers:
            claim.seen_s.setdefault(number, self._clock())
        if not claim.may_try(self._clock()):
            return False
        number = claim.number + 1
        if not await self._storage.create(self._path(number), _bytes(Entry(claim.holder, claim.ttl_s))):
            claim.refused()
            return False
        claim.created(number, looked_s, self._clock())
        return self.held

    def stop(self) -> int:
        """It is held no more, though nobody else knows that yet. Returns the number that `free` creates."""
        self._claim.valid_until_s = float("-inf")
        return self._claim.number + 1

    async def free(self, number: int) -> None:
        """Whoever comes next need not wait for the end of its time. Raises RetryLater."""
        entry = Entry("", self._claim.ttl_s)
        if await self._storage.create(self._path(number), _bytes(entry)):
            self._claim.saw(number, entry, self._clock())

    async def delete_outdated(self) -> None:
        """Raises RetryLater."""
        for old in self._claim.outdated(self._clock()):
            await self._storage.delete(self._path(old))
            del self._claim.seen_s[old]

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:012}"

    def _entry(self, data: bytes) -> Entry:
        try:
            parsed = json.loads(data)
            return Entry(str(parsed["holder"]), float(parsed["ttl_s"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RetryLater(f"{self._folder} has something in it that is damaged, or nothing of ours.") from error


def _bytes(entry: Entry) -> bytes:
    return json.dumps({"holder": entry.holder, "ttl_s": entry.ttl_s}).encode()
