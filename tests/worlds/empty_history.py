"""A History (a port) of servers in which nobody has posted anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from indexer.records.ids import ChannelId, GuildId, MessageId
from indexer.records.messages import Channel, ChannelKind, Guild, Message


class EmptyHistory:
    """Any server, with one empty channel. The channel's id is the server's id plus one.

    If a server has a gate in `gates`, its channels wait for the gate. If `fault` is set, it is raised instead of
    returning channels. `asked` counts the requests for channels.
    """

    def __init__(self) -> None:
        self.gates: dict[GuildId, asyncio.Event] = {}
        self.names: dict[GuildId, str] = {}
        self.fault: Exception | None = None
        self.asked = 0

    async def guild(self, guild_id: GuildId) -> Guild:
        return Guild(guild_id, self.names.get(guild_id, "Town"))

    async def channels(self, guild_id: GuildId) -> AsyncIterator[Channel]:
        self.asked += 1
        if guild_id in self.gates:
            await self.gates[guild_id].wait()
        if self.fault is not None:
            raise self.fault
        yield Channel(ChannelId(guild_id + 1), guild_id, ChannelKind.TEXT, "pictures")

    async def page(
        self, channel_id: ChannelId, *, before: MessageId | None = None, after: MessageId | None = None
    ) -> Sequence[Message]:
        return []

    async def message(self, channel_id: ChannelId, message_id: MessageId) -> Message | None:
        return None
