"""What the gateway tells, as the indexer's live events, in order and in bounded memory.

discord.py gives every event a task of its own and forgets it. Here they stand in one queue and are worked off by one
task, so that memory is bounded and the database is asked once at a time. A flood that the queue cannot hold loses new
messages only: the server is read again from where it was (`Jobs.catch_up`), which finds them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import discord

from bot.access import can_read
from bot.history import HIDDEN_FLAG, HIDDEN_NAME, KINDS, DiscordHistory
from bot.payload import payload_of
from indexer.errors import AfterimageError, Stop
from indexer.model import Channel, ChannelId, GuildId, Message, MessageId
from indexer.service import Service
from indexer.storage import channels

logger = logging.getLogger(__name__)

# Events that wait: a minute of the busiest servers, about 20 MB if all were messages of usual size.
QUEUED = 10_000

Event = Callable[[], Awaitable[None]]

CLOSED = "The bot lacks View Channel or Read Message History."


def channel_of(channel: object) -> Channel | None:
    """discord.py's channel or thread as the indexer's; None for kinds without history and for what is hidden."""
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        return None
    kind = KINDS.get(channel.type.value)
    flags = channel.flags.value if isinstance(channel, discord.Thread) else getattr(channel, "_flags", 0)
    if kind is None or channel.name == HIDDEN_NAME or flags & HIDDEN_FLAG:
        return None
    thread = channel if isinstance(channel, discord.Thread) else None
    return Channel(
        id=ChannelId(channel.id),
        guild_id=GuildId(channel.guild.id),
        kind=kind,
        name=channel.name,
        parent_id=ChannelId(thread.parent_id) if thread else None,
        age_restricted=thread.is_nsfw() if thread else bool(getattr(channel, "nsfw", False)),
        archived=thread.archived if thread else False,
    )


class Events:
    """The queue between gateway and indexer. `run` works it off until cancelled."""

    def __init__(self, client: discord.Client, service: Service, history: DiscordHistory) -> None:
        self._client = client
        self._service = service
        self._history = history
        self._queue: asyncio.Queue[tuple[GuildId, Event]] = asyncio.Queue(QUEUED)
        self._missed: set[GuildId] = set()

    async def run(self) -> None:
        """Works events off, one after the other. Raises Stop where nothing can go on; any other error is logged."""
        while True:
            guild_id, event = await self._queue.get()
            try:
                await event()
            except Stop:
                raise
            except AfterimageError as error:
                logger.warning("an event of guild %d is left to the next reading: %s", guild_id, error)
                self._missed.add(guild_id)
            except Exception:
                logger.exception("an event of guild %d failed", guild_id)
            finally:
                self._queue.task_done()
            if self._missed and self._queue.empty():
                await self._read_again()

    async def settled(self) -> None:
        """Waits until all that stands in the queue is done."""
        await self._queue.join()

    async def _read_again(self) -> None:
        while self._missed:
            guild_id = self._missed.pop()
            if guild_id in await self._service.consented():
                await self._service.jobs.catch_up(guild_id)

    def _offer(self, guild_id: int, event: Event) -> None:
        """For new messages and edits: a later reading finds what finds no room."""
        try:
            self._queue.put_nowait((GuildId(guild_id), event))
        except asyncio.QueueFull:
            if guild_id not in self._missed:
                logger.warning("guild %d: more events than can be held; it is read again afterwards", guild_id)
            self._missed.add(GuildId(guild_id))

    async def _put(self, guild_id: int, event: Event) -> None:
        """For what no later reading would tell, such as a deletion: waits for room."""
        await self._queue.put((GuildId(guild_id), event))

    def message(self, message: discord.Message) -> None:
        if message.guild is None:
            return
        guild_id, where, payload = GuildId(message.guild.id), message.channel, payload_of(message)

        async def event() -> None:
            parsed, channel = self._parse(payload, guild_id), channel_of(where)
            if parsed is not None and channel is not None:
                await self._service.live.on_message(parsed, channel)

        self._offer(guild_id, event)

    def edit(self, edit: discord.RawMessageUpdateEvent) -> None:
        if edit.guild_id is None:
            return
        guild_id, data = GuildId(edit.guild_id), dict(edit.data)

        async def event() -> None:
            channel = channel_of(self._client.get_channel(edit.channel_id))
            if channel is None:
                return  # an archived thread or a hidden channel: the next reading has it
            if "author" in data:
                parsed = self._parse(data, guild_id)
            else:  # Discord may send what has changed and nothing else
                parsed = await self._history.message(ChannelId(edit.channel_id), MessageId(edit.message_id))
            if parsed is not None:
                await self._service.live.on_edit(parsed, channel)

        self._offer(guild_id, event)

    async def delete(self, guild_id: int | None, message_ids: set[int]) -> None:
        if guild_id is not None:
            ids = [MessageId(message_id) for message_id in message_ids]
            await self._put(guild_id, lambda: self._service.live.on_delete(ids))

    async def channel(self, channel: object) -> None:
        found = channel_of(channel)
        if found is not None:
            await self._put(found.guild_id, lambda: self._service.live.on_channel(found))

    async def channel_gone(self, guild_id: int, channel_id: int) -> None:
        await self._put(guild_id, lambda: self._service.live.on_channel_delete(ChannelId(channel_id)))

    async def permissions(self, guild: discord.Guild) -> None:
        """Roles, overwrites or the bot's own roles have changed: what closed is parked, what opened is read."""

        async def event() -> None:
            guild_id = GuildId(guild.id)
            async with self._service.db.reader() as connection:
                stored = await channels.of_guild(connection, guild_id)
            parents = {channel.id: channel.parent_id or channel.id for channel in stored}

            def why_closed(channel_id: ChannelId) -> str | None:
                channel = guild.get_channel(parents.get(channel_id, channel_id))
                return None if channel is not None and can_read(channel, guild.me) else CLOSED

            reopened = await self._service.live.on_permissions(guild_id, why_closed)
            if reopened and guild_id in await self._service.consented():
                await self._service.jobs.catch_up(guild_id, reopened)

        await self._put(guild.id, event)

    async def guild_gone(self, guild_id: int) -> None:
        await self._put(guild_id, lambda: self._service.forget_guild(GuildId(guild_id)))

    def _parse(self, payload: Mapping[str, Any], guild_id: GuildId) -> Message | None:
        try:
            return self._history.parse(payload, guild_id)
        except (KeyError, TypeError, ValueError):
            logger.warning("message %s of guild %d has a shape this bot does not know", payload.get("id"), guild_id)
            return None
