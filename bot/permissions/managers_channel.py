"""Finds a channel for messages to those who manage a server, which its other members do not read.

The candidates are the channels that the server itself has named for news to its team: Discord's channel for community
updates, the one for safety alerts, and the system channel. A candidate is used only if nobody without Manage Server may
view it, whatever roles they hold, and if the bot may write there. Where an overwrite lets a single member view the
channel, it is not used: the bot does not know that member's other permissions.
"""

from __future__ import annotations

import discord

from bot.history.granted import granted


def managers_channels(guild: discord.Guild) -> list[discord.TextChannel]:
    """Such channels, the most fitting first; empty where there is none."""
    bot: discord.Member | None = guild.me  # None until GUILD_CREATE, whatever its type says
    named = (guild.public_updates_channel, guild.safety_alerts_channel, guild.system_channel)
    if bot is None:
        return []
    return [
        channel
        for channel in dict.fromkeys(named)
        if channel is not None and _may_write(channel, bot) and _only_managers_view(guild, channel)
    ]


def _may_write(channel: discord.TextChannel, bot: discord.Member) -> bool:
    held = granted(channel, bot)
    return held.view_channel and held.send_messages


def _only_managers_view(guild: discord.Guild, channel: discord.TextChannel) -> bool:
    """Whether every combination of roles that views `channel` includes Manage Server.

    More roles never remove Manage Server. A role's allowance is stronger than other roles' denials. So it is enough to
    check each role alone: if a combination without Manage Server views the channel, then one of its roles views it
    alone, or @everyone does.
    """
    for target, overwrite in channel.overwrites.items():
        is_role = isinstance(target, discord.Role) or getattr(target, "type", None) is discord.Role
        if not is_role and overwrite.view_channel and target.id not in (guild.owner_id, guild.me.id):
            return False
    # A role that an application brings has one holder: that application's bot.
    return not any(_views_unmanaging(channel, role) for role in guild.roles if not role.is_bot_managed())


def _views_unmanaging(channel: discord.TextChannel, role: discord.Role) -> bool:
    """Whether a member who has only `role` views `channel` and lacks Manage Server."""
    everyone = channel.guild.default_role
    held = everyone.permissions | role.permissions
    if held.administrator or held.manage_guild:
        return False
    views = held.view_channel
    for target in dict.fromkeys((everyone, role)):
        says = channel.overwrites_for(target).view_channel
        views = views if says is None else says
    return views
