"""Which channels may this member see, here and now? Everything that is shown passes through here.

A channel is visible when the member may view it AND read its history at this moment, by Discord's own rules:

- owner and administrators see everything; otherwise roles, then the channel's overwrites for @everyone, for roles, for
  the member (`granted`, by discord.py, which also masks members in time-out down to viewing and reading);
- voice and stage channels need Connect as well, which a time-out takes away;
- a thread has no permissions of its own: its channel's count, and a private thread needs Manage Threads or membership
  (as Discord told it within the last seconds, see `thread_members`) too (`Thread.permissions_for` knows nothing of
  that, so it is never asked);
- an age-restricted channel, or a thread in one, only when the question is asked from an age-restricted channel;
- a channel that the bot itself cannot view is hidden from everybody: Discord no longer tells the bot who may see it;
- a channel or thread that only an archive knows is hidden from everybody, whatever the archive says of it.

What cannot be decided is not visible. The answer is an explicit set of ids, never "all".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import discord
from discord.abc import GuildChannel

from bot.history.granted import granted
from bot.permissions.thread_members import ThreadMembers
from indexer.model import DISCORD, Channel, ChannelId, ChannelKind

# Why an asking channel may be missing: an interaction can come from a channel the cache does not hold.
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
    `joined` are the private threads that the member is known, as of now, to be in. `restricted_too` says whether
    age-restricted channels count; None: where the asking channel is age-restricted.
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
    """`visible_channels`, with Discord asked about private threads where only membership decides, the newest first.

    A thread whose membership is not known in time, or not within the member's budget, stays hidden.
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
    # Worked out anew: while Discord was asked, permissions may have changed.
    return visible_channels(guild, member, asking_channel, stored=stored, joined=joined)


def hidden_for_age(
    guild: discord.Guild, member: discord.Member, asking_channel: AskingChannel, stored: Iterable[Channel]
) -> frozenset[ChannelId]:
    """What `member` may read and is not shown only because `asking_channel` is not age-restricted.

    Private threads that membership alone opens are left out.
    """
    stored = list(stored)
    shown = visible_channels(guild, member, asking_channel, stored=stored)
    return visible_channels(guild, member, asking_channel, stored=stored, restricted_too=True) - shown


def can_read(channel: GuildChannel, member: discord.Member) -> bool:
    """Whether `member` may view `channel` and read its history now (age restriction aside)."""
    if isinstance(channel, discord.CategoryChannel):
        return False
    held = granted(channel, member)
    if not (held.view_channel and held.read_message_history):
        return False
    if isinstance(channel, discord.VoiceChannel | discord.StageChannel):
        return held.connect
    return True


def is_age_restricted(guild: discord.Guild, channel: AskingChannel) -> bool:
    """Whether `channel` is age-restricted as the guild has it now; a thread inherits from its channel.

    Of a channel that Discord hides from the bot the interaction has told it (gateway/asking_channel.py). Of a thread in
    such a channel nobody tells it, until somebody has asked from the channel itself: it is taken for one that is not,
    so that nothing age-restricted is shown there. So is a channel that cannot be found.
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
    """Without the channels that archives alone know: what an archive says of a thread is no reason to show it, since it
    may have been private, or another server's.
    """
    return (channel for channel in stored if channel.origin_id == DISCORD)


def _threads(guild: discord.Guild, stored: Iterable[Channel]) -> Iterator[_Thread]:
    """Every thread that cache or storage knows, each once. The cache is fresher, and wins."""
    cached = {thread.id for thread in guild.threads}
    for thread in guild.threads:
        yield _Thread(ChannelId(thread.id), thread.parent_id, thread.type is discord.ChannelType.private_thread)
    for channel in told_by_discord(stored):
        if channel.kind.is_thread and channel.parent_id is not None and channel.id not in cached:
            yield _Thread(channel.id, channel.parent_id, channel.kind is ChannelKind.PRIVATE_THREAD)


def _manages_threads(guild: discord.Guild, parent_id: int, member: discord.Member) -> bool:
    parent = guild.get_channel(parent_id)
    return parent is not None and granted(parent, member).manage_threads
