"""Decides what may be shown to a whole channel: only what everybody who can read that channel may read too.

The bot keeps no list of members, and a member who gets a role tomorrow can read what was shared today. So members are
not counted. For each channel it is computed whether some combination of roles, with or without a member's own
overwrite, could read the one channel and not the other. If such a combination exists, nothing of the other channel is
shared. The answer is exact over all combinations. If it is ever wrong, it shares less, never more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product

import discord
from discord.abc import GuildChannel

from bot.permissions.visible_channels import AskingChannel, can_read, is_age_restricted, told_by_discord
from indexer.records.ids import ChannelId
from indexer.records.messages import Channel, ChannelKind

_VIEW = discord.Permissions(view_channel=True).value
_HISTORY = discord.Permissions(read_message_history=True).value
_CONNECT = discord.Permissions(connect=True).value


@dataclass(frozen=True, slots=True)
class _Say:
    """What one overwrite allows and denies. Where it does both, it allows."""

    allow: int = 0
    deny: int = 0

    def allows(self, bit: int) -> bool:
        return bool(self.allow & bit)

    def denies(self, bit: int) -> bool:
        return bool(self.deny & bit) and not self.allow & bit


_SILENT = _Say()


@dataclass(frozen=True, slots=True)
class _Rules:
    """Who may read a channel, according to its overwrites and the guild's roles."""

    bits: tuple[int, ...]
    everyone: _Say
    roles: dict[int, _Say]
    members: dict[int, _Say]

    def of(self, role_id: int) -> _Say:
        return self.roles.get(role_id, _SILENT)


_Candidates = frozenset[int]
_Needs = tuple[Callable[[int], bool], ...]


def shared_channels(guild: discord.Guild, channel: AskingChannel, stored: Iterable[Channel]) -> frozenset[ChannelId]:
    """The channels and threads that everybody who reads `channel` may read, and that may be shown there at all."""
    home = _top(guild, channel)
    if home is None or channel is None or guild.me is None:
        return frozenset()
    restricted_too = is_age_restricted(guild, channel)
    open_to_all = {
        other.id
        for other in guild.channels
        if not isinstance(other, discord.CategoryChannel)
        and can_read(other, guild.me)
        and (restricted_too or not getattr(other, "nsfw", False))
        and (other.id == home.id or not _someone_reads_only(guild, home, other))
    }
    shared = {ChannelId(channel_id) for channel_id in open_to_all}
    cached = {thread.id: thread for thread in guild.threads}
    for thread in cached.values():
        if thread.parent_id in open_to_all and (not thread.is_private() or thread.id == channel.id):
            shared.add(ChannelId(thread.id))
    for known in told_by_discord(stored):
        inside = known.kind.is_thread and known.parent_id in open_to_all and known.id not in cached
        if inside and (known.kind is not ChannelKind.PRIVATE_THREAD or known.id == channel.id):
            shared.add(known.id)
    return frozenset(shared)


def _top(guild: discord.Guild, channel: AskingChannel) -> GuildChannel | None:
    """The channel whose overwrites count.
    For a thread it is the parent, which members of a private thread may read too.
    """
    if channel is None:
        return None
    known = guild.get_channel_or_thread(channel.id) or channel
    if isinstance(known, discord.Thread):
        return guild.get_channel(known.parent_id)
    return guild.get_channel(channel.id)


def _someone_reads_only(guild: discord.Guild, home: GuildChannel, other: GuildChannel) -> bool:
    """Whether some combination of roles and overwrites reads `home` but not `other`."""
    home_rules, other_rules = _rules(guild, home), _rules(guild, other)
    if _CONNECT in other_rules.bits and _CONNECT not in home_rules.bits:
        return True  # a member in time-out may still read texts, but may not connect
    if guild.default_role.permissions.administrator:
        return False
    # A member with an administrator's role reads everything, so such roles are left out.
    roles = {role.id: role for role in guild.roles if not role.is_default() and not role.permissions.administrator}
    reads_anyway = {guild.owner_id, guild.me.id}
    for member_id in (None, *((home_rules.members.keys() | other_rules.members.keys()) - reads_anyway)):
        for missing in other_rules.bits:
            for forbidden, needs in _ways_to_lack(guild, roles, other_rules, missing, member_id):
                candidates = frozenset(role for role in roles if not forbidden(role))
                if any(_possible(candidates, needs, way) for way in _ways_to_read(guild, roles, home_rules, member_id)):
                    return True
    return False


_Way = tuple[Callable[[int], bool], _Needs]


def _ways_to_lack(
    guild: discord.Guild, roles: dict[int, discord.Role], rules: _Rules, bit: int, member_id: int | None
) -> Iterator[_Way]:
    """The ways to lack `bit`: a test for roles that the member must not have, and tests that each need some role."""
    own = rules.members.get(member_id, _SILENT) if member_id is not None else _SILENT
    if own.allows(bit):
        return
    if own.denies(bit):
        yield (lambda role: False), ()
        return

    def allows(role: int) -> bool:
        return rules.of(role).allows(bit)

    yield allows, (lambda role: rules.of(role).denies(bit),)
    if rules.everyone.allows(bit):
        return
    if rules.everyone.denies(bit):
        yield allows, ()
    elif not guild.default_role.permissions.value & bit:
        yield (lambda role: allows(role) or bool(roles[role].permissions.value & bit)), ()


def _ways_to_read(
    guild: discord.Guild, roles: dict[int, discord.Role], rules: _Rules, member_id: int | None
) -> Iterator[_Way]:
    """The ways in which a member can have all of `rules.bits`."""
    own = rules.members.get(member_id, _SILENT) if member_id is not None else _SILENT
    ways_by_bit = [list(_ways_to_have(guild, roles, rules, bit, own)) for bit in rules.bits]
    for ways in product(*ways_by_bit):
        yield _all_of(ways)


def _all_of(ways: tuple[_Way, ...]) -> _Way:
    return (lambda role: any(forbidden(role) for forbidden, _ in ways)), tuple(
        need for _, needs in ways for need in needs
    )


def _ways_to_have(
    guild: discord.Guild, roles: dict[int, discord.Role], rules: _Rules, bit: int, own: _Say
) -> Iterator[_Way]:
    if own.allows(bit):
        yield (lambda role: False), ()
        return
    if own.denies(bit):
        return
    yield (lambda role: False), (lambda role: rules.of(role).allows(bit),)

    def denies(role: int) -> bool:
        return rules.of(role).denies(bit)

    if rules.everyone.allows(bit):
        yield denies, ()
    elif not rules.everyone.denies(bit):
        if guild.default_role.permissions.value & bit:
            yield denies, ()
        else:
            yield denies, (lambda role: bool(roles[role].permissions.value & bit),)


def _possible(candidates: _Candidates, needs: _Needs, way: _Way) -> bool:
    """Whether roles from `candidates` exist that meet every need of both ways and that neither way forbids."""
    forbidden, other_needs = way
    allowed_roles = [role for role in candidates if not forbidden(role)]
    return all(any(need(role) for role in allowed_roles) for need in (*needs, *other_needs))


def _rules(guild: discord.Guild, channel: GuildChannel) -> _Rules:
    spoken = isinstance(channel, discord.VoiceChannel | discord.StageChannel)
    everyone, roles, members = _SILENT, {}, {}
    for target, overwrite in channel.overwrites.items():
        allow, deny = overwrite.pair()
        exception = _Say(allow.value, deny.value)
        if target.id == guild.id:
            everyone = exception
        elif isinstance(target, discord.Role):
            roles[target.id] = exception
        elif not (isinstance(target, discord.Object) and target.type is discord.Role):  # of a deleted role
            members[target.id] = exception
    return _Rules((_VIEW, _HISTORY, _CONNECT) if spoken else (_VIEW, _HISTORY), everyone, roles, members)
