"""What a member may do in a channel, computed from the roles that exist.

discord.py's `permissions_for` computes this too, but it still counts a role that was deleted. The role's id stays in a
cached member (the bot itself) and in the channel's cached overwrites, which then still allow or deny.
"""

from __future__ import annotations

import copy

import discord
from discord.abc import GuildChannel
from discord.utils import SnowflakeList


def granted(channel: GuildChannel | discord.Thread, member: discord.Member) -> discord.Permissions:
    """What `member` may do in `channel` at this moment."""
    roles = [role_id for role_id in member._roles if channel.guild.get_role(role_id) is not None]
    if len(roles) < len(member._roles):
        member = copy.copy(member)
        member._roles = SnowflakeList(roles)
    return channel.permissions_for(member)


def why_unreadable(channel: GuildChannel, member: discord.Member) -> str | None:
    """The permission that `member` lacks to read the history of `channel`, as a key of the catalogue; None where they
    may read it.
    """
    held = granted(channel, member)
    if not held.view_channel:
        return "closed-view"
    if not held.read_message_history:
        return "closed-history"
    if isinstance(channel, discord.VoiceChannel | discord.StageChannel) and not held.connect:
        return "closed-connect"
    return None
