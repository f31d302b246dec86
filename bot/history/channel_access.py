"""Which channels and threads the bot may read at this moment, and where it may not, why.

A channel needs View Channel and Read Message History, one with voice also Connect. A thread follows its parent; a
private one also needs membership or Manage Threads. Reasons are keys of the catalogue (`closed-…`).
"""

from __future__ import annotations

from dataclasses import dataclass

import discord

from bot.history.granted import granted, why_unreadable
from bot.history.hidden_channels import is_hidden, is_hidden_payload
from bot.history.rest import Rest
from indexer.errors import ChannelClosed, RetryLater
from indexer.lru import LruCache
from indexer.records.ids import GuildId

THREADS_KEPT = 20_000  # threads whose parent is remembered, about 200 bytes each


@dataclass(frozen=True, slots=True)
class Thread:
    """The facts that decide whether a thread may be read. `joined`: the bot is a member of it."""

    guild_id: int
    parent_id: int
    private: bool
    joined: bool


class ChannelAccess:
    """Decides from discord.py's cache. Only a thread that is in neither cache is asked of Discord."""

    def __init__(self, client: discord.Client, rest: Rest) -> None:
        self._client = client
        self._rest = rest
        self._threads: LruCache[int, Thread] = LruCache(THREADS_KEPT)

    def guild(self, guild_id: int) -> discord.Guild:
        """Raises ChannelClosed where the bot is not in the guild, RetryLater before it is connected or in an outage."""
        guild = self._client.get_guild(guild_id)
        if guild is None:
            if not self._client.is_ready():
                raise RetryLater(f"Server {guild_id}: the bot is not connected to Discord yet.")
            raise ChannelClosed("closed-server", server=str(guild_id))
        if guild.unavailable:
            raise RetryLater(f"Server {guild_id}: Discord has an outage there.")
        return guild

    async def require_open(self, channel_id: int) -> GuildId:
        """The guild of a channel or thread that the bot may read. Raises as `guild`, and ChannelClosed with the
        reason.
        """
        channel = self._client.get_channel(channel_id)
        if isinstance(channel, discord.abc.GuildChannel):
            guild = channel.guild
            closed = self.channel_closed(guild, channel_id)
        else:
            thread = self._threads.get(channel_id) or await self._find_thread(channel_id, channel)
            guild = self.guild(thread.guild_id)
            closed = self.channel_closed(guild, thread.parent_id) or self.thread_closed(guild, channel_id, thread)
        if closed is not None:
            raise ChannelClosed(closed, channel=str(channel_id))
        return GuildId(guild.id)

    def channel_closed(self, guild: discord.Guild, channel_id: int) -> str | None:
        """The reason why the bot may not read a channel (no thread); None where it may."""
        channel = guild.get_channel(channel_id)
        if channel is None or is_hidden(channel):
            return "closed-hidden"
        return why_unreadable(channel, guild.me)

    def thread_closed(self, guild: discord.Guild, thread_id: int, thread: Thread) -> str | None:
        """The reason why the bot may not read a thread whose parent it may read; None where it may."""
        if not thread.private or thread.joined:
            return None
        parent = guild.get_channel(thread.parent_id)
        if parent is not None and granted(parent, guild.me).manage_threads:
            return None
        cached = guild.get_thread(thread_id)
        return None if cached is not None and cached.me is not None else "closed-private-thread"

    def remember(self, thread_id: int, thread: Thread) -> Thread:
        """Keeps what Discord has told of a thread, so that it is not asked again. Returns `thread`."""
        self._threads.put(thread_id, thread)
        return thread

    async def _find_thread(self, channel_id: int, cached: object) -> Thread:
        if isinstance(cached, discord.Thread):
            return self.remember(
                channel_id, Thread(cached.guild.id, cached.parent_id, cached.is_private(), cached.me is not None)
            )
        raw = await self._rest.get("/channels/{channel_id}", about=f"Channel {channel_id}", channel_id=channel_id)
        if is_hidden_payload(raw) or raw.get("parent_id") is None or raw.get("guild_id") is None:
            raise ChannelClosed("closed-hidden", channel=str(channel_id))
        return self.remember(
            channel_id,
            Thread(int(raw["guild_id"]), int(raw["parent_id"]), raw.get("type") == 12, raw.get("member") is not None),
        )
