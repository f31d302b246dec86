"""Whether the disk is full, and which servers were told so: what the bot needs to tell each of them once."""

from __future__ import annotations

from indexer.database.database import Database
from indexer.records.ids import ChannelId, GuildId
from indexer.store import disk_notices


class DiskNotices:
    """Of one data folder. Its methods raise RetryLater where the database is not free in time."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @property
    def full(self) -> bool:
        """Whether indexing rests because the disk has too little room."""
        return self._db.room.low

    async def told(self) -> dict[GuildId, ChannelId | None]:
        """The servers that were told, with the channel; None where one manager alone was told."""
        async with self._db.reader() as connection:
            return await disk_notices.told(connection)

    async def add(self, guild_id: GuildId, channel_id: ChannelId | None) -> None:
        """The server was told. Raises DiskFull where not even this fits."""
        async with self._db.transaction() as tx:
            await disk_notices.add(tx, guild_id, channel_id)

    async def remove(self, guild_id: GuildId) -> None:
        """The server was told that there is room again."""
        async with self._db.transaction() as tx:
            await disk_notices.remove(tx, guild_id)
