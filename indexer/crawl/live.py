"""Stores live events within two seconds.

Every method handles one event. Events may come twice and in any order. A message whose deletion came first is not
stored (see messages.delete). An older edit never overwrites a newer one (see messages.store). A deletion is written
into the journal first, so that it is not lost when the database is busy (see removals.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol

from indexer.clock import now_ms
from indexer.crawl.removals import ChannelDeleted, GuildLeft, MessageChanged, MessagesDeleted, Removals
from indexer.database.database import Database
from indexer.records.ids import DISCORD, ChannelId, GuildId, MessageId, Serves, serves_all
from indexer.records.messages import Channel, Guild, Message
from indexer.sentence import Sentence
from indexer.settings import Keep
from indexer.store import channels, guilds, message_checks, messages
from indexer.store.message_pictures import NewPlace


class Takes(Protocol):
    """The part of the pipeline that live events need."""

    def submit(self, guild_id: GuildId, fresh: Sequence[NewPlace]) -> None: ...


class Live:
    """Stores events as rows. Only events of guilds that consented are stored; deletions are stored for all guilds."""

    def __init__(
        self, db: Database, pipeline: Takes, removals: Removals, keep: Keep, serves: Serves = serves_all
    ) -> None:
        self._db = db
        self._serves = serves
        self._pipeline = pipeline
        self._removals = removals
        self._keep = keep

    async def on_message(self, message: Message, channel: Channel) -> None:
        """A new message. `channel` is its channel, which need not be known before."""
        if message.pictures or self._keep == "all":
            await self._store(message, channel)

    async def on_edit(self, message: Message, channel: Channel) -> None:
        """An edited message as it is now. An edit can add pictures (when Discord unfurls an embed) or remove them."""

        async def store() -> int:
            await self._store(message, channel)
            return 0

        async with self._db.reader() as connection:
            takes_away = await messages.takes_away(connection, message)
        if takes_away:
            await self._removals.carry_out(MessageChanged(channel.id, message.id), store)
        else:
            await store()

    async def on_delete(self, message_ids: Collection[MessageId]) -> None:
        """Messages that were deleted, one or many."""
        await self._removals.carry_out(MessagesDeleted(tuple(sorted(message_ids))))

    async def on_missed_edits(self, message_ids: Collection[MessageId]) -> None:
        """Messages whose edits are not known in detail. The sweep checks them next."""
        async with self._db.transaction() as tx:
            await message_checks.mark_unchecked(tx, message_ids)

    async def on_channel(self, channel: Channel) -> None:
        """A channel or thread that is new, renamed, archived, or age-restricted (which its threads inherit).

        Not for channels that Discord hides from the bot.
        """
        async with self._db.transaction() as tx:
            if not await guilds.has_consented(tx, channel.guild_id):
                return
            before = await channels.get(tx, channel.id)
            inheriting: list[Channel] = []
            if before is not None and before.age_restricted != channel.age_restricted:
                inheriting = [
                    replace(thread, age_restricted=channel.age_restricted)
                    for thread in await channels.of_guild(tx, channel.guild_id)
                    if thread.parent_id == channel.id
                ]
            await channels.upsert(tx, [channel, *inheriting])

    async def on_channel_delete(self, channel_id: ChannelId) -> None:
        """A deleted channel or thread. Everything that was read of it and of its threads is deleted too."""
        await self._removals.carry_out(ChannelDeleted(channel_id))

    async def on_guild_join(self, guild: Guild) -> None:
        """A guild that the bot is in. Pending deletions of it come first. Nothing of it is read until it consents."""
        await self._removals.settle(lambda removal: removal == GuildLeft(guild.id))
        async with self._db.transaction() as tx:
            await guilds.upsert(tx, guild)

    async def on_guilds_present(self, present: Collection[GuildId], absent_s: float) -> list[GuildId]:
        """Records which guilds the bot is in. Returns those that it has not been in for `absent_s` seconds.

        `present` are all guilds of all shards of this process, also those that Discord calls unavailable. A guild of
        another process is never absent: Discord does not list it here.
        """
        async with self._db.transaction() as tx:
            elsewhere = {guild.id for guild in await guilds.known(tx) if not self._serves(guild.id)}
            return await guilds.note_present(tx, elsewhere.union(present), now_ms(), round(absent_s * 1000))

    async def on_permissions(
        self, guild_id: GuildId, why_closed: Callable[[ChannelId], Sentence | None]
    ) -> frozenset[ChannelId]:
        """After a change of permissions: parks the channels that `why_closed` has a reason for, and reopens the others.

        Returns the reopened channels. Their history has to be read (`run_guild(…, only=…)`).
        """
        async with self._db.transaction() as tx:
            parked = await channels.parked(tx, guild_id)
            reopened = set[ChannelId]()
            for channel in await channels.of_guild(tx, guild_id):
                if channel.origin_id != DISCORD:
                    continue
                reason = why_closed(channel.id)
                if reason is not None and channel.id not in parked:
                    await channels.park(tx, channel.id, reason)
                elif reason is None and channel.id in parked:
                    await channels.unpark(tx, channel.id)
                    reopened.add(channel.id)
        return frozenset(reopened)

    async def _store(self, message: Message, channel: Channel) -> None:
        """Raises DiskFull where the disk has no room. The next reading of the channel stores the message then."""
        self._db.room.check()
        async with self._db.transaction() as tx:
            if not await guilds.has_consented(tx, message.guild_id) or await channels.is_parked(tx, channel.id):
                return
            known = await channels.get(tx, channel.id)
            if known is None or known.origin_id != DISCORD:
                await channels.upsert(tx, [channel])
            stored = await messages.store(tx, [message], keep=self._keep, seen_ms=now_ms())
        if stored.new_places:
            self._pipeline.submit(message.guild_id, stored.new_places)
