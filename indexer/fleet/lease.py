"""One writer of a folder's name over all machines: a lease that is renewed, and a check before each commit.

Its numbers lie in lease/home for the name `home` (claim.py). A process that was stopped between its check and the end
of its commit may add that one transaction to its own folder, which nobody reads any more (docs/adr/0066).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from indexer.errors import RetryLater, StorageError
from indexer.fleet.claim import StoredClaim, clock_s
from indexer.fleet.object_storage import Storage, open_storage, require_create_only
from indexer.settings import FleetSettings

log = logging.getLogger(__name__)

WAITING: Final = "waiting for the lease on"  # how the line begins by which a supervisor knows it (bot/fleet)

NAME = "lease"  # the name of this work among the faults
Waits = Callable[[str], None]  # takes why a start waits, and "" when it goes on

MARGIN = 0.2  # share of the time to live that a holder does not use: a commit takes a moment
RENEWALS = 4  # in a time to live
TRIES = 3  # times to live for which a start waits for another holder


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """`remaining_s`: for how long it is held if it cannot be renewed; then the bot stops. `fault`: why the last try to
    renew it failed; empty where it did not.
    """

    name: str
    held: bool
    remaining_s: float
    fault: str


class Lease:
    """Held, or lost for good. Belongs to one event loop."""

    def __init__(self, storage: Storage, name: str, ttl_s: float) -> None:
        self._name = name
        self._ttl_s = ttl_s
        self._claim = StoredClaim(storage, f"lease/{name}", ttl_s, ttl_s * (1 - MARGIN))
        self._fault = ""

    @property
    def status(self) -> LeaseStatus:
        return LeaseStatus(self._name, self._claim.held, round(self._claim.remaining_s, 1), self._fault)

    def require(self) -> None:
        """Raises StorageError where the lease is not held: nothing may be committed."""
        if not self._claim.held:
            raise StorageError(
                f"The lease on {self._name} was lost: it could not be renewed in time, and another process may write"
                " for this name by now. Nothing more is stored here. Start the bot again: it waits until"
                " the lease is free."
            )

    async def acquire(self, waits: Waits) -> None:
        """Waits until it is free, and gives `waits` the reason.

        Raises StorageError where somebody else goes on holding it, or nothing answers.
        """
        end_s, told = clock_s() + TRIES * self._ttl_s, ""
        while True:
            try:
                if await self._claim.attempt():
                    waits("")
                    return
                why = f"{self._claim.holder} goes on renewing it"
            except RetryLater as error:
                why = str(error)
            if clock_s() > end_s:
                raise StorageError(f"The lease on {self._name} cannot be had: {why}. Stop that process, or look there.")
            if why != told:
                told = why
                log.info("%s %s: %s", WAITING, self._name, why)
                waits(f"{WAITING} {self._name}: {why}")
            await asyncio.sleep(self._ttl_s / RENEWALS / 2)

    async def renew(self) -> None:
        """Renews it until it is cancelled. Raises StorageError where it is lost."""
        while True:
            await asyncio.sleep(self._ttl_s / RENEWALS)
            try:
                await self._claim.attempt()
                await self._claim.delete_outdated()
                self._fault = ""
            except RetryLater as error:
                self._fault = str(error)
                log.warning("the lease on %s is not renewed: %s", self._name, error)
            self.require()

    async def watch(self) -> None:
        """Raises StorageError soon after the lease is lost."""
        while True:
            self.require()
            await asyncio.sleep(self._ttl_s / RENEWALS)

    async def give_back(self) -> None:
        """Whoever comes next need not wait. Raises RetryLater."""
        if self._claim.held:
            await self._claim.free(self._claim.stop())


@asynccontextmanager
async def open_lease(settings: FleetSettings, waits: Waits = lambda reason: None) -> AsyncIterator[Lease]:
    """Held until the block ends, unless it is lost: then `require` and `watch` raise. Raises StorageError."""
    async with open_storage(settings.storage) as storage:
        lease = Lease(storage, settings.name, settings.lease_s)
        try:
            await require_create_only(storage)
        except RetryLater as error:
            raise StorageError(f"The lease on {settings.name} cannot be had: {error}") from error
        await lease.acquire(waits)
        renewing = asyncio.create_task(lease.renew(), name=NAME)
        try:
            yield lease
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError, StorageError):
                await renewing
            with suppress(RetryLater):
                await lease.give_back()
