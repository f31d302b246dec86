"""Which channels this member may see, at this moment and from this channel. Every result passes through here before it
is shown.

A channel is visible when the member may view it AND read its history at this moment, by Discord's own rules:

- The owner and administrators see everything. For others the roles count, then the channel's overwrites for @everyone,
  for roles and for the member (`granted`, by discord.py, which also reduces members in time-out to viewing and
  reading).
- Voice and stage channels need Connect as well, which a time-out removes.
- A thread has no permissions of its own: its channel's permissions count. A private thread also needs Manage Threads or
  membership (as Discord reported it within the last seconds, see `thread_members`). `Thread.permissions_for` does not
  know this rule, so it is never used.
- An age-restricted channel, or a thread in one, is visible only when the member asks from an age-restricted channel.
- A channel that the bot itself cannot view is hidden from everybody: Discord no longer tells the bot who may see it.
- A channel or thread that only an archive knows is hidden from everybody, whatever the archive says of it.

What cannot be decided is not visible. The answer is an explicit set of ids, never "all".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import discord
from discord.abc import GuildChannel

from bot.history.granted import granted, why_unreadable
from bot.permissions.thread_members import ThreadMembers
from indexer.records.ids import DISCORD, ChannelId
from indexer.records.messages import Channel, ChannelKind

# The asking channel may be None: an interaction can come from a channel that the cache does not hold.
AskingChannel = discord.abc.Snowflake | None


@dataclass(frozen=True, slots=True)
class _Thread:
    id: ChannelId
    parent_id: int
    private: bool


def visible_channels(
    guild: discord.Guild,
    member: discord.Member,
    asking_channel: AskingChannel,
    *,
    stored: Iterable[Channel] = (),
    joined: Collection[int] = (),
    restricted_too: bool | None = None,
) -> frozenset[ChannelId]:
    """The channels and threads of `guild` that `member` may read, asked from `asking_channel`. Pure.

    `stored` are the channels that the index knows: archived threads are in no cache, so only storage can name them.
    `joined` are the private threads that the member is known to be in now. `restricted_too` says whether age-restricted
    channels count; None: they count where the asking channel is age-restricted.
    """
    if restricted_too is None:
        restricted_too = is_age_restricted(guild, asking_channel)
    bot: discord.Member | None = guild.me  # None until GUILD_CREATE, whatever its type says
    if bot is None:
        return frozenset()
    readable = {
        channel.id
        for channel in guild.channels
        if (restricted_too or not _restricted(channel)) and can_read(channel, member) and can_read(channel, bot)
    }
    visible = {ChannelId(channel_id) for channel_id in readable}
    for thread in _threads(guild, stored):
        if thread.parent_id not in readable:
            continue
        if not thread.private or thread.id in joined or _manages_threads(guild, thread.parent_id, member):
            visible.add(thread.id)
    return frozenset(visible)


async def look(
    thread_members: ThreadMembers,
    guild: discord.Guild,
    member: discord.Member,
    asking_channel: AskingChannel,
    stored: Collection[Channel],
) -> frozenset[ChannelId]:
    """`visible_channels`, after asking Discord about private threads where only membership decides, the newest first.

    A thread stays hidden if its membership is not known in time, or not within the member's budget.
    """
    open_without = visible_channels(guild, member, asking_channel, stored=stored)
    undecided = [
        thread.id
        for thread in _threads(guild, stored)
        if thread.private and thread.id not in open_without and thread.parent_id in open_without
    ]
    if not undecided:
        return open_without
    undecided.sort(reverse=True)
    joined = await thread_members.joined(member.id, undecided)
    # Computed again: permissions may have changed while Discord was asked.
    return visible_channels(guild, member, asking_channel, stored=stored, joined=joined)


def hidden_for_age(
    guild: discord.Guild, member: discord.Member, asking_channel: AskingChannel, stored: Iterable[Channel]
) -> frozenset[ChannelId]:
    """What `member` may read but is not shown, only because `asking_channel` is not age-restricted.

    Private threads that only membership opens are left out.
    """
    stored = list(stored)
    shown = visible_channels(guild, member, asking_channel, stored=stored)
    return visible_channels(guild, member, asking_channel, stored=stored, restricted_too=True) - shown


def can_read(channel: GuildChannel, member: discord.Member) -> bool:
    """Whether `member` may view `channel` and read its history now (age restriction aside)."""
    return not isinstance(channel, discord.CategoryChannel) and why_unreadable(channel, member) is None


def is_age_restricted(guild: discord.Guild, channel: AskingChannel) -> bool:
    """Whether `channel` is age-restricted as the guild has it now; a thread inherits this from its channel.

    For a channel that Discord hides from the bot, the interaction has brought the value (gateway/asking_channel.py).
    For a thread in such a channel no value is known until somebody has asked from the channel itself. Until then the
    thread counts as not age-restricted, so that nothing age-restricted is shown there. A channel that cannot be found
    counts as not age-restricted too.
    """
    if channel is None:
        return False
    known = guild.get_channel_or_thread(channel.id) or channel
    if isinstance(known, discord.Thread):
        parent = guild.get_channel(known.parent_id)
        return parent is not None and _restricted(parent)
    return _restricted(known)


def _restricted(channel: discord.abc.Snowflake) -> bool:
    return bool(getattr(channel, "nsfw", False))


def told_by_discord(stored: Iterable[Channel]) -> Iterator[Channel]:
    """Removes the channels that only archives know. What an archive says of a thread is no reason to show it: the
    thread may have been private, or part of another server.
    """
    return (channel for channel in stored if channel.origin_id == DISCORD)


def _threads(guild: discord.Guild, stored: Iterable[Channel]) -> Iterator[_Thread]:
    """Every thread that cache or storage knows, once each. The cache's record is preferred, because it is fresher."""
    cached = {thread.id for thread in guild.threads}
    for thread in guild.threads:
        yield _Thread(ChannelId(thread.id), thread.parent_id, thread.type is discord.ChannelType.private_thread)
    for channel in told_by_discord(stored):
        if channel.kind.is_thread and channel.parent_id is not None and channel.id not in cached:
            yield _Thread(channel.id, channel.parent_id, channel.kind is ChannelKind.PRIVATE_THREAD)


def _manages_threads(guild: discord.Guild, parent_id: int, member: discord.Member) -> bool:
    parent = guild.get_channel(parent_id)
    return parent is not None and granted(parent, member).manage_threads
