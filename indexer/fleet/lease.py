"""One writer of a folder's name over all machines: a lease that is renewed, and a check before each commit.

    lease/home/000000000041    {"holder": "a", "ttl_s": 30}
    lease/home/000000000042    {"holder": "a", "ttl_s": 30}    renewed
    lease/home/000000000043    {"holder": "b", "ttl_s": 30}    taken over

A renewal and a takeover create the same next number, so one of them alone succeeds. A holder counts its time from
before it looked, another one from after it has seen the newest number: so the former's has passed when the latter may
begin. Nobody compares clocks: each measures spans of its own. A process that was stopped between its check and the end
of its commit may add that one transaction to its own folder, which nobody reads any more (docs/adr/0066).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from indexer.errors import RetryLater, StorageError
from indexer.fleet.object_storage import Storage, open_storage, require_create_only
from indexer.settings import FleetSettings

log = logging.getLogger(__name__)

WAITING: Final = "waiting for the lease on"  # how the line begins by which a supervisor knows it (bot/fleet)

NAME = "lease"  # the name of this work among the faults
MARGIN = 0.2  # share of the time to live that a holder does not use: a commit takes a moment
RENEWALS = 4  # in a time to live
TRIES = 3  # times to live for which a start waits for another holder


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies under a number. `holder` is empty where it was given back."""

    holder: str
    ttl_s: float


@dataclass(slots=True)
class Claim:
    """One process's view of the lease: pure, `now_s` is its own monotonic clock."""

    holder: str
    ttl_s: float
    number: int = 0  # the newest that was seen
    valid_until_s: float = float("-inf")
    seen_s: dict[int, float] = field(default_factory=dict)  # when each number was first seen
    entry: Entry = Entry("", 0.0)

    def may_write(self, now_s: float) -> bool:
        return now_s < self.valid_until_s

    def saw(self, number: int, entry: Entry, now_s: float) -> None:
        """The newest number, as it was read; `now_s` is the time after the reading."""
        self.seen_s.setdefault(number, now_s)
        if number > self.number:
            self.number, self.entry = number, entry
            if entry.holder != self.holder:
                self.valid_until_s = float("-inf")

    def may_try(self, now_s: float) -> bool:
        """Whether it may create the next number: it holds the lease, nobody does, or the holder's time has passed."""
        if self.number == 0 or not self.entry.holder:
            return True
        if self.entry.holder == self.holder and self.may_write(now_s):
            return True
        return now_s >= self.seen_s[self.number] + max(self.entry.ttl_s, self.ttl_s)

    def created(self, number: int, looked_s: float, now_s: float) -> None:
        """It created this number, after a look that began at `looked_s` had shown none so high.

        Its time counts from that look: after a longer pause the number may have been another one's, and be deleted.
        """
        self.saw(number, Entry(self.holder, self.ttl_s), now_s)
        if number == self.number:
            self.valid_until_s = max(self.valid_until_s, looked_s + self.ttl_s * (1 - MARGIN))

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


class Lease:
    """Held, or lost for good. Belongs to one event loop."""

    def __init__(self, storage: Storage, name: str, ttl_s: float, clock: Callable[[], float] = clock_s) -> None:
        self._storage = storage
        self._name = name
        self._folder = f"lease/{name}"
        self._clock = clock
        self._claim = Claim(f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex[:8]}", ttl_s)

    def require(self) -> None:
        """Raises StorageError where the lease is not held: nothing may be committed."""
        if not self._claim.may_write(self._clock()):
            raise StorageError(
                f"The lease on {self._name} was lost: it could not be renewed in time, and another process may write"
                " for this name by now. Nothing more is stored here. Start the bot again: it waits until"
                " the lease is free."
            )

    async def acquire(self) -> None:
        """Waits until it is free. Raises StorageError where somebody else goes on holding it, or nothing answers."""
        ttl_s = self._claim.ttl_s
        end_s, told = self._clock() + TRIES * ttl_s, False
        while True:
            try:
                if await self._try():
                    return
                why = f"{self._holder} goes on renewing it"
            except RetryLater as error:
                why = str(error)
            if self._clock() > end_s:
                raise StorageError(f"The lease on {self._name} cannot be had: {why}. Stop that process, or look there.")
            if not told:
                log.info("%s %s: %s", WAITING, self._name, why)
                told = True
            await asyncio.sleep(ttl_s / RENEWALS / 2)

    async def renew(self) -> None:
        """Renews it until it is cancelled. Raises StorageError where it is lost."""
        pause_s = self._claim.ttl_s / RENEWALS
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._try()
            except RetryLater as error:
                log.warning("the lease on %s is not renewed: %s", self._name, error)
            self.require()

    async def watch(self) -> None:
        """Raises StorageError soon after the lease is lost."""
        while True:
            self.require()
            await asyncio.sleep(self._claim.ttl_s / RENEWALS)

    async def give_back(self) -> None:
        """Whoever comes next need not wait. Raises RetryLater."""
        if self._claim.may_write(self._clock()):
            number, self._claim.valid_until_s = self._claim.number + 1, float("-inf")
            await self._storage.create(self._path(number), _bytes(Entry("", self._claim.ttl_s)))

    @property
    def _holder(self) -> str:
        return self._claim.entry.holder or "nobody"

    async def _try(self) -> bool:
        """One look, and one attempt where that is due. Returns whether the lease is held."""
        claim, looked_s = self._claim, self._clock()
        numbers = [int(name) for name in await self._storage.names(self._folder) if name.isdecimal()]
        if numbers and max(numbers) > claim.number:
            data = await self._storage.read(self._path(max(numbers)))
            if data is None:
                raise RetryLater(f"{self._folder} changed while it was read")
            claim.saw(max(numbers), _entry(data), self._clock())
        for number in numbers:
            claim.seen_s.setdefault(number, self._clock())
        if not claim.may_try(self._clock()):
            return False
        number = claim.number + 1
        if not await self._storage.create(self._path(number), _bytes(Entry(claim.holder, claim.ttl_s))):
            claim.refused()
            return False
        claim.created(number, looked_s, self._clock())
        for old in claim.outdated(self._clock()):
            await self._storage.delete(self._path(old))
            del claim.seen_s[old]
        return claim.may_write(self._clock())

    def _path(self, number: int) -> str:
        return f"{self._folder}/{number:012}"


@asynccontextmanager
async def open_lease(settings: FleetSettings) -> AsyncIterator[Lease]:
    """Held until the block ends, unless it is lost: then `require` and `watch` raise. Raises StorageError."""
    async with open_storage(settings.storage) as storage:
        lease = Lease(storage, settings.name, settings.lease_s)
        try:
            await require_create_only(storage)
        except RetryLater as error:
            raise StorageError(f"The lease on {settings.name} cannot be had: {error}") from error
        await lease.acquire()
        renewing = asyncio.create_task(lease.renew(), name=NAME)
        try:
            yield lease
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError, StorageError):
                await renewing
            with suppress(RetryLater):
                await lease.give_back()


def _bytes(entry: Entry) -> bytes:
    return json.dumps({"holder": entry.holder, "ttl_s": entry.ttl_s}).encode()


def _entry(data: bytes) -> Entry:
    parsed = json.loads(data)
    return Entry(str(parsed["holder"]), float(parsed["ttl_s"]))
