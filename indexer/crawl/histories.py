"""Chooses the History that is asked: Discord, or the archive that contains a message.

A run reads one origin. A stored message names its origin, and its picture is fetched again from that origin.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.errors import ArchiveClosed, RetryLater
from indexer.lru import LruCache
from indexer.ports import PAGE, Archive, History
from indexer.records.ids import DISCORD, ChannelId, GuildId, MessageId, OriginId
from indexer.records.messages import Channel, Guild, Message, Origin
from indexer.store import origins

OPEN = 16  # archives whose index of messages is kept in memory: those that were asked last

OpenArchive = Callable[[Database, Origin], Awaitable[History]]


def page_size(history: History) -> int:
    """How many messages a full page has."""
    return history.page_size if isinstance(history, Archive) else PAGE


def seen_ms(history: History) -> int:
    """The time (Unix milliseconds) at which its next answer is known to be true."""
    return history.written_ms if isinstance(history, Archive) else now_ms()


class Disconnected:
    """Stands for Discord in a process that has no connection to it. Every method raises RetryLater."""

    async def guild(self, guild_id: GuildId) -> Guild:
        raise _not_connected()

    def channels(self, guild_id: GuildId) -> AsyncIterator[Channel]:
        raise _not_connected()

    async def page(
        self, channel_id: ChannelId, *, before: MessageId | None = None, after: MessageId | None = None
    ) -> Sequence[Message]:
        raise _not_connected()

    async def message(self, channel_id: ChannelId, message_id: MessageId) -> Message | None:
        raise _not_connected()


def _not_connected() -> RetryLater:
    return RetryLater("This process has no connection to Discord; the running bot has one.")


class Histories:
    """Every History of one data folder. Belongs to one event loop."""

    def __init__(self, db: Database, discord: History | None = None, open_archive: OpenArchive | None = None) -> None:
        """`discord` None: this process has no connection to it. `open_archive` raises ArchiveClosed where an archive
        cannot be read. Its Archive must close its files when it is dropped: nothing else closes them.
        """
        self._db = db
        self._open_archive = open_archive
        self._archives: LruCache[OriginId, tuple[Origin, History]] = LruCache(OPEN)
        self.connected = discord is not None
        self.discord: History = Disconnected() if discord is None else discord

    async def of(self, origin_id: OriginId) -> History:
        """The History of this origin. Raises ArchiveClosed where it is an archive that cannot be read now."""
        if origin_id == DISCORD:
            return self.discord
        async with self._db.reader() as connection:
            origin = await origins.get(connection, origin_id)
        opened_as, history = self._archives.get(origin_id) or (None, None)
        if history is None or opened_as != origin:
            if origin is None or self._open_archive is None:
                raise ArchiveClosed(Path(origin.location if origin else str(origin_id)))
            history = await self._open_archive(self._db, origin)
            self.remember(origin, history)
        return history

    def remember(self, origin: Origin, archive: History) -> None:
        """Keeps an archive that is open already, so that `of` does not read all of it again. Of an archive that has
        changed, the former version is let go.
        """
        self._archives.put(origin.id, (origin, archive))
