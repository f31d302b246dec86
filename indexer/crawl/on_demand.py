"""Indexes the newest pictures while the member waits, where no picture is embedded yet (the third floor, ADR 4).

These pictures are indexed like all others, but at the front of the queue. They stay in the index, and the next query
finds them there. So this floor has no search of its own, and permissions, opt-outs and deletions apply as usual.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Protocol

from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.errors import ChannelClosed, ChannelGone, RetryLater
from indexer.lru import LruCache
from indexer.ports import History
from indexer.progress import Progress
from indexer.records.ids import ChannelId, GuildId, ModelId
from indexer.records.messages import Message
from indexer.settings import Keep
from indexer.store import channels, embeddings, guilds, messages
from indexer.store.message_pictures import NewPlace

log = logging.getLogger(__name__)

CHANNELS = 4  # channels that are read for one query, the youngest; of each a page of up to 100 messages
PICTURES = 24  # pictures that are indexed for one query, the newest: within WAIT_S at 4 pictures a second
WAIT_S = 6.0  # seconds that a member waits for them; the next query finds pictures that come later
AGAIN_S = 60.0  # seconds before a channel is read again, for any member
REMEMBERED = 4_096  # channels whose last reading is remembered


class Takes(Protocol):
    """The part of the pipeline that OnDemand needs."""

    def submit(self, guild_id: GuildId, fresh: Sequence[NewPlace], progress: Progress) -> None: ...


class OnDemand:
    """Indexes the newest pictures of channels that have no embedding."""

    def __init__(self, db: Database, history: History, pipeline: Takes, model_id: ModelId, keep: Keep) -> None:
        self._db = db
        self._history = history
        self._pipeline = pipeline
        self._model_id = model_id
        self._keep = keep
        self._looked: LruCache[ChannelId, bool] = LruCache(REMEMBERED, AGAIN_S)

    async def take_in(self, guild_id: GuildId, among: Collection[ChannelId], wait_s: float = WAIT_S) -> bool:
        """Whether a picture of these channels became searchable, within about `wait_s` seconds.

        Nothing is read in a guild that has not consented, where indexing is paused, or where the channels have pictures
        in the index.
        """
        if self._db.room.low:
            return False
        asleep = {channel_id for channel_id, _ in self._looked.items()}
        async with self._db.reader() as connection:
            blank = await embeddings.blank_channels(connection, guild_id, self._model_id, set(among) - asleep, CHANNELS)
        if not blank:
            return False
        for channel_id in blank:
            self._looked.put(channel_id, True)
        progress, asked_ms = Progress(guild_id), now_ms()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                page = await self._newest(blank)
                await self._take(guild_id, page, progress, asked_ms)
                await progress.settled()
        log.info("guild %d: %d pictures taken in for a question", guild_id, progress.places_done)
        return progress.places_done > progress.failed

    async def _newest(self, channel_ids: Sequence[ChannelId]) -> list[Message]:
        """The newest messages with pictures in these channels, newest first. A channel that fails is left out."""

        async def page(channel_id: ChannelId) -> Sequence[Message]:
            try:
                return await self._history.page(channel_id)
            except (ChannelClosed, ChannelGone, RetryLater) as error:
                log.info("channel %d is not looked into: %s", channel_id, error)
                return ()

        async with asyncio.TaskGroup() as tasks:
            pages = [tasks.create_task(page(channel_id)) for channel_id in channel_ids]
        shown = [message for task in pages for message in task.result() if message.pictures]
        return sorted(shown, key=lambda message: -message.id)[:PICTURES]

    async def _take(self, guild_id: GuildId, page: Sequence[Message], progress: Progress, asked_ms: int) -> None:
        async with self._db.transaction() as tx:
            if not page or not await guilds.has_consented(tx, guild_id):
                return
            asked = {message.channel_id for message in page}
            closed = {channel_id for channel_id in asked if await channels.is_parked(tx, channel_id)}
            page = [message for message in page if message.channel_id not in closed]
            await messages.store(tx, page, keep=self._keep, seen_ms=asked_ms)
            fresh = await embeddings.lacking(tx, self._model_id, page, PICTURES)
        self._pipeline.submit(guild_id, fresh, progress)
