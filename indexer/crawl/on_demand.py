"""Indexes the newest pictures while the member waits: where no picture is embedded yet (the third floor, ADR 4), and
where a member asks for the newest messages of channels that the crawl has not come to.

These pictures are indexed like all others, but at the front of the queue. They stay in the index, and the next query
finds them there. So this floor has no search of its own, and permissions, opt-outs and deletions apply as usual. What
was read is recorded as read, so the crawl does not read it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.errors import ChannelClosed, ChannelGone, RetryLater, TellPerson
from indexer.lru import LruCache
from indexer.ports import PAGE, History
from indexer.progress import Progress
from indexer.records.ids import ChannelId, GuildId, ModelId, UserId
from indexer.records.messages import Message
from indexer.settings import Keep
from indexer.store import channels, embeddings, guilds, messages, newest_unread, spans
from indexer.store.message_pictures import NewPlace

log = logging.getLogger(__name__)

CHANNELS = 4  # channels that are read for one query, the youngest; of each a page of up to 100 messages
PICTURES = 24  # pictures that are indexed for one query, with the rest of the last message: in WAIT_S at 4 a second
WAIT_S = 6.0  # seconds that a member waits for them; the next query finds pictures that come later
AGAIN_S = 60.0  # seconds before a channel is read again, for any member, and before a member may ask for it again
REMEMBERED = 4_096  # channels whose last reading is remembered, and members who asked for one


class Takes(Protocol):
    """The part of the pipeline that OnDemand needs."""

    def submit(self, guild_id: GuildId, fresh: Sequence[NewPlace], progress: Progress) -> None: ...


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What was done while a member waited: how many channels were read, and how many pictures are found since then."""

    channels: int
    pictures: int


class OnDemand:
    """Indexes the newest pictures of channels whose newest ones cannot be found."""

    def __init__(self, db: Database, history: History, pipeline: Takes, model_id: ModelId, keep: Keep) -> None:
        self._db = db
        self._history = history
        self._pipeline = pipeline
        self._model_id = model_id
        self._keep = keep
        self._looked: LruCache[ChannelId, bool] = LruCache(REMEMBERED, AGAIN_S)
        self._asked: LruCache[tuple[GuildId, UserId], bool] = LruCache(REMEMBERED, AGAIN_S)

    async def take_in(self, guild_id: GuildId, among: Collection[ChannelId], wait_s: float = WAIT_S) -> bool:
        """Whether a picture of these channels became searchable, within about `wait_s` seconds.

        Nothing is read in a guild that has not consented, where indexing is paused, or where the channels have pictures
        in the index.
        """
        if self._db.room.low:
            return False
        async with self._db.reader() as connection:
            wanted = self._rested(among)
            blank = await embeddings.blank_channels(connection, guild_id, self._model_id, wanted, CHANNELS)
        return (await self._read(guild_id, blank, wait_s)).pictures > 0

    async def unread(self, guild_id: GuildId, among: Collection[ChannelId]) -> int:
        """Of how many of these channels the newest messages have not been read, or their newest picture still waits.

        0 in a guild that has not consented, or where indexing is paused.
        """
        async with self._db.reader() as connection:
            return len(await newest_unread.channels(connection, guild_id, among))

    async def read_newest(
        self, guild_id: GuildId, asker: UserId, among: Collection[ChannelId], wait_s: float = WAIT_S
    ) -> TakenIn:
        """Reads the newest messages of the youngest CHANNELS of those that `unread` counts, in about `wait_s` seconds.

        A channel that was read within AGAIN_S is left out. Raises TellPerson where this member asked within AGAIN_S.
        """
        if self._asked.peek((guild_id, asker)):
            raise TellPerson("error-newest-again", seconds=round(AGAIN_S))
        self._asked.put((guild_id, asker), True)
        if self._db.room.low:
            return TakenIn(0, 0)
        async with self._db.reader() as connection:
            unread = await newest_unread.channels(connection, guild_id, self._rested(among))
        return await self._read(guild_id, unread[:CHANNELS], wait_s)

    def _rested(self, among: Collection[ChannelId]) -> set[ChannelId]:
        return set(among) - {channel_id for channel_id, _ in self._looked.items()}

    async def _read(self, guild_id: GuildId, channel_ids: Sequence[ChannelId], wait_s: float) -> TakenIn:
        if not channel_ids:
            return TakenIn(0, 0)
        for channel_id in channel_ids:
            self._looked.put(channel_id, True)
        progress, asked_ms = Progress(guild_id), now_ms()
        read = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                pages = await self._newest(channel_ids)
                read = await self._take(guild_id, pages, progress, asked_ms)
                await progress.settled()
        log.info("guild %d: %d pictures taken in for a question", guild_id, progress.places_done)
        return TakenIn(read, progress.places_done - progress.failed)

    async def _newest(self, channel_ids: Sequence[ChannelId]) -> dict[ChannelId, Sequence[Message]]:
        """The newest page of each of these channels. A channel that fails is left out."""

        async def page(channel_id: ChannelId) -> Sequence[Message] | None:
            try:
                return await self._history.page(channel_id)
            except (ChannelClosed, ChannelGone, RetryLater) as error:
                log.info("channel %d is not looked into: %s", channel_id, error)
                return None

        async with asyncio.TaskGroup() as tasks:
            reading = {channel_id: tasks.create_task(page(channel_id)) for channel_id in channel_ids}
        pages = {channel_id: task.result() for channel_id, task in reading.items()}
        return {channel_id: found for channel_id, found in pages.items() if found is not None}

    async def _take(
        self, guild_id: GuildId, pages: Mapping[ChannelId, Sequence[Message]], progress: Progress, asked_ms: int
    ) -> int:
        """Stores what is new enough for PICTURES pictures, with the span that it covers. Returns how many channels."""
        lowest = _lowest([message for page in pages.values() for message in page])
        fresh: list[NewPlace] = []
        read = 0
        async with self._db.transaction() as tx:
            if not await guilds.has_consented(tx, guild_id):
                return 0
            for channel_id, page in pages.items():
                if await channels.is_parked(tx, channel_id) or await channels.get(tx, channel_id) is None:
                    continue
                read += 1
                kept = [message for message in page if message.id >= lowest]
                if not kept:
                    continue
                await messages.store(tx, kept, keep=self._keep, seen_ms=asked_ms)
                beginning = int(page[-1].id) if len(page) >= PAGE else 0
                await spans.cover(tx, channel_id, lowest if len(kept) < len(page) else beginning, int(page[0].id))
                most = sum(len(message.pictures) for message in kept)
                fresh += await embeddings.lacking(tx, self._model_id, kept, most)
        self._pipeline.submit(guild_id, fresh, progress)
        return read


def _lowest(found: Collection[Message]) -> int:
    """The id of the oldest message that is taken in: with those newer than it, it has PICTURES pictures; 0: all are."""
    pictures = 0
    for message in sorted(found, key=lambda message: -message.id):
        pictures += len(message.pictures)
        if pictures >= PICTURES:
            return int(message.id)
    return 0
