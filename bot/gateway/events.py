"""Turns gateway events into the indexer's live events: in order within a guild, in bounded memory.

discord.py starts a task of its own for every event and keeps no reference to it. Here each guild has a queue of its
own. So a flood in one guild, or a slow answer of Discord, does not delay the events of other guilds. If a flood does
not fit into the queue, only messages and edits are dropped. The guild's history is then read on from where reading
stopped (`Jobs.catch_up`), which finds the dropped messages. The sweep finds the dropped edits.
"""

from __future__ import annotations

from collections.abc import Collection

import discord

from bot.gateway.guild_queue import Event, GuildQueues
from bot.history.discord_history import KINDS, DiscordHistory
from bot.history.hidden_channels import is_hidden
from bot.history.message_parser import Payload
from bot.permissions.visible_channels import can_read
from indexer.crawl.removals import ChannelDeleted, GuildLeft, MessagesDeleted
from indexer.records.ids import ChannelId, GuildId, MessageId
from indexer.records.messages import Channel
from indexer.sentence import Sentence
from indexer.service import Service

CLOSED = Sentence("closed-either")


def channel_of(channel: object) -> Channel | None:
    """The indexer's record of discord.py's channel; None for kinds without history and for hidden channels."""
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        return None
    kind = KINDS.get(channel.type.value)
    if kind is None or is_hidden(channel):
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
    """The queues between gateway and indexer. `run` processes the events until it is cancelled."""

    def __init__(self, client: discord.Client, service: Service, history: DiscordHistory) -> None:
        self._client = client
        self._service = service
        self._history = history
        self._queues = GuildQueues(service.faults, self._read_again)
        self._readable: dict[int, frozenset[ChannelId]] = {}  # by guild, as of the last event about it
        self._judging: set[int] = set()  # guilds whose permissions have to be compared

    async def run(self) -> None:
        """Processes events. Raises Stop where nothing can go on; any other error is logged and counted."""
        await self._queues.run()

    async def settled(self) -> None:
        """Waits until every event in the queues is processed."""
        await self._queues.settled()

    @property
    def waiting(self) -> int:
        """How many events are in the queues."""
        return self._queues.waiting

    async def _read_again(self, guild_id: GuildId, edited: frozenset[MessageId]) -> None:
        self._service.hit_verifier.forget()  # a deletion or an edit may be among what was lost
        if guild_id in await self._service.consented():
            if edited:
                await self._service.live.on_missed_edits(edited)
            await self._service.jobs.catch_up(guild_id)

    def lost(self, guild_id: int) -> None:
        """An event of the guild could not be understood."""
        self._queues.lost(GuildId(guild_id))

    def knows(self, guild: discord.Guild) -> None:
        """All channels of the guild are read from now on: only channels that open later need a reading of their own."""
        self._readable[guild.id] = _readable(guild)

    def message(self, payload: Payload) -> None:
        """MESSAGE_CREATE. Raises KeyError, TypeError or ValueError where the payload has an unknown shape."""
        if "guild_id" not in payload:
            return  # a direct message
        parsed = self._history.parse(payload, GuildId(int(payload["guild_id"])))

        async def event() -> None:
            channel = channel_of(self._client.get_channel(parsed.channel_id))
            if channel is not None:
                await self._service.live.on_message(parsed, channel)

        self._queues.offer(parsed.guild_id, event)

    def edit(self, payload: Payload) -> None:
        """MESSAGE_UPDATE. Raises as `message`."""
        if "guild_id" not in payload:
            return
        guild_id, message_id = GuildId(int(payload["guild_id"])), MessageId(int(payload["id"]))
        channel_id = ChannelId(int(payload["channel_id"]))
        whole = self._history.parse(payload, guild_id) if "author" in payload else None

        async def event() -> None:
            channel = channel_of(self._client.get_channel(channel_id))
            if channel is None:
                return  # an archived thread or a hidden channel: the next reading of its history finds the edit
            # Discord may send only the fields that have changed.
            parsed = whole or await self._history.message(channel_id, message_id)
            if parsed is not None:
                await self._service.live.on_edit(parsed, channel)

        self._queues.offer(guild_id, event, message_id)

    async def delete(self, guild_id: int | None, message_ids: Collection[int]) -> None:
        """Writes the deletion down before it is queued:
        Discord reports it once, and the process may be killed meanwhile.
        """
        if guild_id is not None:
            ids = tuple(sorted(map(MessageId, message_ids)))
            await self._service.removals.write_down(MessagesDeleted(ids))
            self._queues.put_first(GuildId(guild_id), lambda: self._service.live.on_delete(ids))

    def channel(self, channel: object) -> None:
        found = channel_of(channel)
        if found is not None:
            self._queues.put(found.guild_id, lambda: self._service.live.on_channel(found))

    async def channel_gone(self, guild_id: int, channel_id: int) -> None:
        await self._service.removals.write_down(ChannelDeleted(ChannelId(channel_id)))
        self._queues.put(GuildId(guild_id), lambda: self._service.live.on_channel_delete(ChannelId(channel_id)))

    def permissions(self, guild: discord.Guild) -> None:
        """Roles, overwrites or the bot's own roles have changed: parks channels that closed, reads channels that
        opened.

        Discord may report a new role before or after the channels that it opens. So each event compares what the bot
        may read now with what it could read before, in whatever order the events come. Events that come together cause
        one comparison.
        """

        async def event() -> None:
            self._judging.discard(guild.id)
            guild_id, readable = GuildId(guild.id), _readable(guild)
            stored = await self._service.reports.channels(guild_id)
            parents = {channel.id: channel.parent_id or channel.id for channel in stored}

            def why_closed(channel_id: ChannelId) -> Sentence | None:
                return None if parents.get(channel_id, channel_id) in readable else CLOSED

            reopened = await self._service.live.on_permissions(guild_id, why_closed)
            opened = reopened | (readable - self._readable.get(guild.id, readable))
            if opened and guild_id in await self._service.consented():
                await self._service.jobs.catch_up(guild_id, opened)
            self._readable[guild.id] = readable

        if guild.id not in self._judging:
            self._judging.add(guild.id)
            self._queues.put(GuildId(guild.id), event)

    def opened(self, thread: discord.Thread) -> None:
        """A thread that the bot can read from now on. Its history has not been read."""

        async def event() -> None:
            guild_id = GuildId(thread.guild.id)
            if guild_id in await self._service.consented():
                await self._service.jobs.catch_up(guild_id, frozenset({ChannelId(thread.id)}))

        self._queues.put(GuildId(thread.guild.id), event)

    def guild(self, guild_id: int, work: Event) -> None:
        """Queues work on the guild itself, such as storing its new name."""
        self._queues.put(GuildId(guild_id), work)

    async def guild_gone(self, guild_id: int) -> None:
        await self._service.removals.write_down(GuildLeft(GuildId(guild_id)))
        self._readable.pop(guild_id, None)
        self._queues.put(GuildId(guild_id), lambda: self._service.forget_guild(GuildId(guild_id)))


def _readable(guild: discord.Guild) -> frozenset[ChannelId]:
    """The channels (without threads) whose history the bot may read now."""
    me: discord.Member | None = guild.me  # None until GUILD_CREATE, whatever its type says
    return (
        frozenset()
        if me is None
        else frozenset(ChannelId(channel.id) for channel in guild.channels if can_read(channel, me))
    )
