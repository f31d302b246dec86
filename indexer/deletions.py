"""What whoever runs the bot deletes from the index, and takes back: in steps, so that nobody waits for the writer.

All messages are marked before the first one is deleted. After a kill the bot's next start deletes the rest; a command
that is given again does the same. A marked message is not stored again, whoever shows it, until it is taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from indexer.database.database import Database
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, MessageId
from indexer.store import audit, deleted_here, emptying, origins, promises, spans

MARKED_AT_ONCE = 5_000  # messages in one transaction: some 20 ms
NAME = "deletions"  # the name of this work among the faults


@dataclass(frozen=True, slots=True)
class Meant:
    """What would be deleted. `pictures` counts places."""

    message_ids: Sequence[int]
    pictures: int


class Deletions:
    """Of one data folder that is open for writing. `repeat` runs under the supervisor while the bot runs."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._turn = asyncio.Lock()
        self._left = asyncio.Event()
        self._left.set()  # a process that was killed may have left some

    async def meant(self, guild_id: GuildId, filter: Filter, among: Collection[MessageId] | None = None) -> Meant:
        """The messages inside the filter, of `among` alone where that is given."""
        async with self._db.reader() as connection:
            message_ids = await deleted_here.meant(connection, guild_id, filter, among)
            count = 0
            for start in range(0, len(message_ids), MARKED_AT_ONCE):
                count += await deleted_here.pictures(connection, message_ids[start : start + MARKED_AT_ONCE])
        return Meant(message_ids, count)

    async def delete(self, guild_id: GuildId, meant: Meant, told: Callable[[int], None] | None = None) -> int:
        """Deletes these messages of the guild with their texts, pictures and vectors; returns how many were there.

        `told` hears how many are done. Raises RetryLater where the database is busy: what is marked by then is deleted
        by `repeat`, or by the next start.
        """
        async with self._working():
            for start in range(0, len(meant.message_ids), MARKED_AT_ONCE):
                async with self._db.transaction(durable=True) as tx:
                    some = meant.message_ids[start : start + MARKED_AT_ONCE]
                    await deleted_here.mark(tx, some)
                    await promises.note_deleted(tx, some)
                    if not start:
                        detail = {"messages": len(meant.message_ids), "pictures": meant.pictures}
                        await audit.add(tx, "messages.delete", guild_id=guild_id, detail=detail)
            return await self._delete_marked(meant.message_ids, told)

    async def take_back(self, channel_ids: Collection[ChannelId], guild_id: GuildId, low: int, high: int) -> int:
        """Messages of these channels with ids low ≤ id < high that were deleted here may be stored again.

        Returns how many. The stretch of history in which they lie counts as not read: the next crawl, and the next
        import of an archive, bring back what is still there.
        """
        async with self._db.reader() as connection:
            found = await deleted_here.marked(connection, channel_ids, low, high)
        returned, detail = 0, {"messages": sum(count for count, _, _ in found.values())}
        for channel_id, (_, oldest, newest) in found.items():
            step = MARKED_AT_ONCE
            while step == MARKED_AT_ONCE:
                async with self._db.transaction(durable=True) as tx:
                    some = await deleted_here.take_back(tx, channel_id, oldest, newest, MARKED_AT_ONCE)
                    await promises.note_undeleted(tx, channel_id, some)
                    step = len(some)
                    # In each step: a crawl may read the stretch between two; and the command that is given again after
                    # a kill finds nothing more of what is done.
                    await spans.uncover(tx, channel_id, oldest, newest)
                    await origins.read_again(tx)
                    if step and not returned:
                        await audit.add(tx, "messages.undelete", guild_id=guild_id, detail=detail)
                returned += step
        return returned

    def look_again(self) -> None:
        """Others have marked messages: `repeat` deletes them."""
        self._left.set()

    async def delete_left(self) -> None:
        """Deletes what was marked and not deleted, where no `repeat` runs."""
        async with self._working():
            async with self._db.reader() as connection:
                left = await deleted_here.unfinished(connection)
            await self._delete_marked(left, None)

    async def repeat(self) -> None:
        """Deletes what was marked and not deleted, until it is cancelled. Raises what prevented it."""
        while True:
            await self._left.wait()
            self._left.clear()
            await self.delete_left()

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        """One deletes at a time. Where the block fails, or is cancelled, `repeat` does the rest."""
        async with self._turn:
            try:
                yield
            except BaseException:
                self._left.set()
                raise

    async def _delete_marked(self, message_ids: Sequence[int], told: Callable[[int], None] | None) -> int:
        deleted = 0
        for start in range(0, len(message_ids), emptying.STEP):
            some = message_ids[start : start + emptying.STEP]
            async with self._db.transaction() as tx:
                deleted += await deleted_here.delete(tx, some)
            if told is not None:
                told(start + len(some))
        return deleted
