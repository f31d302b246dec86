"""What keeps the files in order: by itself in the running bot, and when whoever runs it gives a command."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from indexer.database.database import Database
from indexer.database.kept_file import KeptFile
from indexer.errors import Reason
from indexer.records.ids import GuildId
from indexer.store import audit, forget, pictures, places
from indexer.vectors.index import VectorIndex

# How often the index is looked after. Looking costs a few queries where nothing has changed; what was deleted is out of
# every answer at once, and out of the files within index.purge_after_s.
MAINTAIN_S = 15.0
FORGET_AT_ONCE = 500  # pictures in one transaction


class Upkeep:
    """Of one data folder that is open for writing."""

    def __init__(self, db: Database, index: VectorIndex, *derived: KeptFile) -> None:
        """`derived`: files of what is made of pictures."""
        self._db = db
        self._index = index
        self._derived = derived

    async def retry_failed(self, guild_id: GuildId | None = None, reasons: Collection[Reason] = tuple(Reason)) -> int:
        """Lets every picture that failed for one of these reasons be tried again; returns how many."""
        async with self._db.transaction() as tx:
            count = await places.retry(tx, guild_id, reasons)
            detail: dict[str, int | str | bool | None] = {"places": count}
            if len(reasons) < len(Reason):
                detail["reasons"] = ", ".join(reason.value for reason in reasons)
            await audit.add(tx, "retry", guild_id=guild_id, detail=detail)
        return count

    async def database_bytes(self) -> int:
        """The size of the database's file."""
        return (await asyncio.to_thread(self._db.path.stat)).st_size

    async def shrink(self) -> None:
        """Gives back the room that deleted rows have left. Nothing can be stored meanwhile."""
        await self._db.rewrite()

    async def compact_index(self) -> None:
        """Writes the index's files anew, without what was deleted."""
        await self._index.compact(self._db)

    async def purge(self) -> bool:
        """Takes the bytes of what was deleted out of the database's files, and what was made of it out of the others.

        False where a reader was in the way.
        """
        return await forget.purge(self._db, self._purge_derived)

    async def _purge_derived(self) -> bool:
        return all([await file.purge() for file in self._derived])

    async def keep(self, purge_after_s: float, woken: asyncio.Event, idle: Callable[[], bool]) -> None:
        """Seals, compacts and purges whenever that is due, until cancelled; at once when `woken`: history was read.

        Once no more is read (`idle`), what a salvage kept for that goes. Raises what kept it from all that: it runs
        under the supervisor.
        """
        await self._purge_derived()  # a backup may have been put in place, or the setting changed
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(MAINTAIN_S):
                    await woken.wait()
            if woken.is_set() and idle():
                await self._forget_unshown()
            woken.clear()
            if not self._db.room.low:  # a segment is written beside those that it replaces
                await self._index.maintain(self._db)
            async with self._db.reader() as connection:
                since_s = await forget.residue_since(connection)
            if since_s is not None and time.time() - since_s > purge_after_s:
                await self.purge()  # False: a reader was in the way, the next round tries again

    async def _forget_unshown(self) -> None:
        """Deletes what a salvage kept of messages that Discord does not show any more."""
        async with self._db.reader() as connection:
            deleted = FORGET_AT_ONCE if await pictures.any_unshown(connection) else 0
        while deleted:
            async with self._db.transaction() as tx:
                deleted = await pictures.delete_unshown(tx, FORGET_AT_ONCE)
