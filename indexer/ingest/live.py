"""What happens on the servers now, written down within two seconds of its event.

Every method is one event, safe to call twice and in any order: a deletion that comes before its message still wins
(see messages.delete), an older edit never overwrites a newer one (see messages.store).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Protocol

from indexer.ingest.progress import now_ms
from indexer.model import Channel, ChannelId, Guild, GuildId, Message, MessageId, PlaceId, UserId
from indexer.storage import channels, guilds, messages, opt_outs
from indexer.storage.database import Database

# Messages deleted in one transaction when a channel or a guild goes: some 50 ms, so that nobody waits for the writer.
STEP = 500


class Takes(Protocol):
    """The part of the pipeline that live events need."""

    async def submit(self, message: Message, fresh: Sequence[PlaceId]) -> None: ...


class Live:
    """Turns events into rows. Only guilds that consented are written about; deletions always count."""

    def __init__(self, db: Database, pipeline: Takes, keep: messages.Keep) -> None:
        self._db = db
        self._pipeline = pipeline
        self._keep = keep

    async def on_message(self, message: Message, channel: Channel) -> None:
        """A new message. `channel` is where it stands, whether known before or not."""
        if message.pictures or self._keep == "all":
            await self._store(message, channel)

    async def on_edit(self, message: Message, channel: Channel) -> None:
        """A message as it is now: pictures may have come (an embed that was just unfurled) or gone."""
        await self._store(message, channel)

    async def on_delete(self, message_ids: Collection[MessageId]) -> None:
        """Messages that are gone, one or many."""
        async with self._db.transaction() as tx:
            await messages.delete(tx, message_ids)

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
        """A channel or thread that is gone, with everything that was read of it and of its threads."""
        async with self._db.reader() as connection:
            channel = await channels.get(connection, channel_id)
            known = await channels.of_guild(connection, channel.guild_id) if channel is not None else []
        for going in [one.id for one in known if one.parent_id == channel_id] + [channel_id]:
            await self._empty(channel_id=going)
        async with self._db.transaction() as tx:
            await channels.delete(tx, [channel_id])

    async def on_guild_join(self, guild: Guild) -> None:
        """A guild the bot is in. Nothing of it is read until it consents."""
        async with self._db.transaction() as tx:
            await guilds.upsert(tx, guild)

    async def on_guild_leave(self, guild_id: GuildId) -> None:
        """The bot was removed from a guild, or left it: all of it goes. Killed half-way, call it again."""
        async with self._db.transaction() as tx:
            await guilds.set_consent(tx, guild_id, False)
        await self._empty(guild_id=guild_id)
        async with self._db.transaction() as tx:
            await guilds.forget(tx, guild_id)

    async def on_guilds_present(self, present: Collection[GuildId]) -> list[GuildId]:
        """At start: forgets the guilds that the bot was removed from while it was away; returns them.

        `present` are all guilds of all shards, also those that Discord calls unavailable.
        """
        async with self._db.reader() as connection:
            known = await guilds.known(connection)
        gone = [guild.id for guild in known if guild.id not in present]
        for guild_id in gone:
            await self.on_guild_leave(guild_id)
        return gone

    async def on_permissions(
        self, guild_id: GuildId, why_closed: Callable[[ChannelId], str | None]
    ) -> frozenset[ChannelId]:
        """Permissions changed: parks the channels that `why_closed` gives a reason for, reopens those it does not.

        Returns the reopened ones: their history has to be read (`run_guild(…, only=…)`).
        """
        async with self._db.transaction() as tx:
            parked = await channels.parked(tx, guild_id)
            reopened = set[ChannelId]()
            for channel in await channels.of_guild(tx, guild_id):
                reason = why_closed(channel.id)
                if reason is not None and channel.id not in parked:
                    await channels.park(tx, channel.id, reason)
                elif reason is None and channel.id in parked:
                    await channels.unpark(tx, channel.id)
                    reopened.add(channel.id)
        return frozenset(reopened)

    async def on_opt_out(self, user_id: UserId, guild_id: GuildId | None) -> int:
        """A person who wants not to be found, here or (None) everywhere; returns how many messages went. Durable."""
        async with self._db.transaction(durable=True) as tx:
            return await opt_outs.add(tx, user_id, guild_id if guild_id is not None else opt_outs.EVERYWHERE)

    async def _store(self, message: Message, channel: Channel) -> None:
        async with self._db.transaction() as tx:
            if not await guilds.has_consented(tx, message.guild_id) or await channels.is_parked(tx, channel.id):
                return
            if await channels.get(tx, channel.id) is None:
                await channels.upsert(tx, [channel])
            stored = await messages.store(tx, [message], keep=self._keep, now_ms=now_ms())
        if stored.new_places:
            await self._pipeline.submit(message, stored.new_places)

    async def _empty(self, *, guild_id: GuildId | None = None, channel_id: ChannelId | None = None) -> None:
        """Deletes the messages of a guild or channel in steps, each a transaction of its own."""
        while True:
            async with self._db.transaction() as tx:
                if not await messages.delete_some(tx, STEP, guild_id=guild_id, channel_id=channel_id):
                    return
