"""Promises of this folder, made safe against the loss of its machine, and those of all folders, kept here.

Kept here first, in one transaction with a line of `promises_waiting`; then created in the journal under the next
number; then "done" is said. Before a number is created, every record before it is read and holds here, so a record of
ours that a kill left unnoted is met there, and never written twice (docs/adr/0066).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from indexer.database.database import Database
from indexer.errors import RetryLater, StorageError
from indexer.fleet import journal
from indexer.fleet.journal import EVERYBODY, Record
from indexer.fleet.object_storage import Storage, open_storage, require_create_only
from indexer.records.ids import GuildId, UserId
from indexer.settings import FleetSettings
from indexer.store import promises
from indexer.store.promises import Waiting

NAME = "promises"  # the name of this work among the faults
EVERY_S = 10.0  # between two looks at what other folders have promised
SAFE_S = 5.0  # a member waits so long for the storage
START_S = 20.0  # and a start
AT_ONCE = 100  # waiting promises read at once
BEGIN_AT_ONCE = 5_000  # deleted messages in one record: some 200 KB


class Keeping(Protocol):
    """What the folder's owner does for records of the journal: the deletions that follow from them."""

    async def settle_user(self, user_id: UserId) -> None:
        """All deletions for this author are done when it returns. Raises RetryLater."""

    async def settle_guild(self, guild_id: GuildId) -> None:
        """All deletions for this guild are done when it returns. Raises RetryLater."""

    async def take_up(self) -> None:
        """Sees to it that what newly holds is carried out, now or soon."""


@dataclass(frozen=True, slots=True)
class PromisesStatus:
    """`waiting`: how many promises are kept here alone."""

    storage: str
    waiting: int


class Promises:
    """Of one data folder that is open for writing. `run` runs under the supervisor. Belongs to one event loop."""

    def __init__(self, db: Database, storage: Storage, folder: str, keeping: Keeping) -> None:
        self._db = db
        self._storage = storage
        self._folder = folder
        self._keeping = keeping
        self._turn = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._waiting = 0

    @property
    def storage(self) -> Storage:
        return self._storage

    @property
    def status(self) -> PromisesStatus:
        """As of the last look."""
        return PromisesStatus(self._storage.address, self._waiting)

    async def start(self) -> None:
        """Follows the journal, up to its end. Where the storage cannot be reached, a folder that has followed it before
        goes on without; one that is new to it, or was restored, must not: it does not know what was promised.

        Raises StorageError, ConfigError.
        """
        try:
            async with asyncio.timeout(START_S):
                await require_create_only(self._storage)
                await self._follow(await journal.journal_id(self._storage))
                await self.exchange()
        except (RetryLater, TimeoutError) as error:
            async with self._db.reader() as connection:
                position = await promises.position(connection)
            if position is None or position.behind:
                why = str(error) or "no answer in time"
                raise StorageError(
                    f"fleet.storage cannot be reached ({why}), and this folder is new there or was restored: what"
                    " members were promised meanwhile is not known. Try again when it can be reached; nothing is"
                    " read or shown before."
                ) from error
            await self._count()

    async def run(self) -> None:
        """Exchanges promises until it is cancelled. Raises RetryLater where the storage cannot be reached."""
        while True:
            self._wanted.clear()
            await self.exchange()
            try:
                async with asyncio.timeout(EVERY_S):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def made_safe(self, within_s: float = SAFE_S) -> bool:
        """Whether all that was promised here until now is in the storage; waits for it.

        False: it is kept here and goes there as soon as the storage can be reached.
        """
        try:
            async with asyncio.timeout(within_s):
                await self.exchange()
        except (RetryLater, TimeoutError):
            await self._count()
            self._wanted.set()
            return False
        return True

    async def exchange(self) -> None:
        """Reads the journal to its end, and adds what waits here. Raises RetryLater, StorageError.

        May be cancelled anywhere: a record that was created and not noted is met at the next reading.
        """
        async with self._turn:
            try:
                while True:
                    number = await self._read()
                    for waiting in (batch := await self._oldest()):
                        number = await self._put(number, waiting)
                    if not batch and not await self._begin():
                        break
            except RetryLater:
                await self._count()
                raise
            self._waiting = 0

    async def _follow(self, journal_id: str) -> None:
        async with self._db.transaction(durable=True) as tx:
            position = await promises.position(tx)
            if position is None or position.journal != journal_id:
                await promises.follow(tx, journal_id)

    async def _begin(self) -> bool:
        """The journal was read to its end. What held here before it was followed now waits to be added to it, once.

        False where there is nothing of that kind to do.
        """
        async with self._db.reader() as connection:
            position = await promises.position(connection)
        if position is None or (position.begun and not position.behind):
            return False
        async with self._db.transaction(durable=True) as tx:
            if not position.begun:
                await promises.begin(tx, BEGIN_AT_ONCE)
            await promises.up_to_date(tx)
        return True

    async def _oldest(self) -> list[Waiting]:
        async with self._db.reader() as connection:
            return await promises.waiting(connection, AT_ONCE)

    async def _put(self, position: int, waiting: Waiting) -> int:
        """Creates its record; returns the number up to which the journal was read then."""
        record = Record(waiting.uid, self._folder, waiting.kind, waiting.what, waiting.at_s)
        while not await journal.append(self._storage, position + 1, record):
            before, position = position, await self._read()
            async with self._db.reader() as connection:
                if await promises.own(connection, waiting.uid) is None:
                    return position  # it was there: a kill, or an end of time, came before it was noted
            if position == before:
                raise RetryLater(f"{self._storage.address}: another process is adding a promise.")
        if waiting.carried:
            await self._settle(record)
        async with self._db.transaction(durable=True) as tx:
            if waiting.carried:
                await promises.apply(tx, record.kind, record.what, record.at_s)
            await promises.arrived(tx, position + 1, waiting.waiting_id)
        if waiting.carried:
            await self._keeping.take_up()
        return position + 1

    async def _read(self) -> int:
        """Makes every record hold that this folder has not read yet; returns the last number."""
        async with self._db.reader() as connection:
            position = await promises.position(connection)
        if position is None:
            raise RetryLater("the journal of promises was never reached")
        last, applied = position.number, False
        try:
            async for number, record in journal.records(self._storage, position.number):
                applied |= await self._take(number, record)
                last = number
        finally:
            if applied:
                await self._keeping.take_up()
        return last

    async def _take(self, number: int, record: Record) -> bool:
        """Makes it hold, where it concerns this folder and does not hold yet. Returns whether that was needed."""
        async with self._db.reader() as connection:
            own = await promises.own(connection, record.uid)
        holds = own is not None and not own.carried
        applies = not holds and (record.kind in EVERYBODY or record.folder == self._folder)
        if applies:
            await self._settle(record)
        async with self._db.transaction(durable=True) as tx:
            if applies:
                await promises.apply(tx, record.kind, record.what, record.at_s)
            await promises.arrived(tx, number, None if own is None else own.waiting_id)
        return applies

    async def _settle(self, record: Record) -> None:
        """What came before in the journal is carried out before what takes it back."""
        if record.kind == "returned":
            await self._keeping.settle_user(UserId(record.what["user"]))
        elif record.kind == "consented":
            await self._keeping.settle_guild(GuildId(record.what["guild"]))

    async def _count(self) -> None:
        async with self._db.reader() as connection:
            self._waiting = await promises.count_waiting(connection)


@asynccontextmanager
async def open_promises(db: Database, settings: FleetSettings, keeping: Keeping) -> AsyncIterator[Promises]:
    """Started, until the block ends. Raises StorageError, ConfigError."""
    async with open_storage(settings.storage) as storage:
        opened = Promises(db, storage, settings.name, keeping)
        await opened.start()
        yield opened
