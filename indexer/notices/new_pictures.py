"""Pictures that have become searchable: read by a follower, outside of indexing, each once and none lost.

A follower asks for its oldest lines, does its work, and deletes them in the transaction that stores what came of them.
What is killed in between begins again with the same lines. Lines exist only of messages that somebody waits for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import aiosqlite

from indexer.database.database import Database
from indexer.records.ids import GuildId
from indexer.records.new_pictures import NewPicture
from indexer.store import new_pictures

log = logging.getLogger(__name__)

AT_ONCE: Final = 50  # pictures that a follower deals with in one go
MOST_LINES: Final = 20_000  # of all followers. Of more the oldest go: nobody waits for news of last week


class NewPictures:
    """The lines of one follower. Its methods raise RetryLater where the database is not free in time."""

    def __init__(self, db: Database, follower: str) -> None:
        self._db = db
        self._follower = follower

    async def guilds(self) -> list[GuildId]:
        """Those where something is new."""
        async with self._db.reader() as connection:
            found = await new_pictures.guilds(connection, self._follower)
        if found:
            async with self._db.transaction() as tx:
                if lost := await new_pictures.trim(tx, MOST_LINES):
                    log.warning("%d new pictures were not looked at: more than %d waited", lost, MOST_LINES)
        return found

    async def oldest(self, guild_id: GuildId) -> list[NewPicture]:
        """AT_ONCE at most."""
        async with self._db.reader() as connection:
            return await new_pictures.oldest(connection, self._follower, guild_id, AT_ONCE)

    @staticmethod
    async def done(tx: aiosqlite.Connection, lines: Sequence[NewPicture]) -> None:
        """Deletes the lines, in the transaction that stores what came of them."""
        await new_pictures.delete(tx, lines)
