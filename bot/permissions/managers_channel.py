"""Where can those who manage a server be told something that its members do not read?

In one of the channels that the server itself has named for news to its team: Discord's channel for community updates,
the one for safety alerts, or the system channel. Only one that nobody without Manage Server may view, whatever roles
they hold, and in which the bot may write. Where a member alone may view it by an overwrite of their own, nobody knows
what else that member may do: such a channel is not taken.
"""

from __future__ import annotations

import discord

from bot.history.granted import granted


def managers_channels(guild: discord.Guild) -> list[discord.TextChannel]:
    """The channels for it, the most fitting first; empty where there is none."""
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
    """Whether every combination of roles that views `channel` holds Manage Server.

    More roles never take Manage Server away. What a role allows is stronger than what others deny. So each role alone
    is looked at: where a combination without Manage Server views the channel, one of its roles does, or everyone.
    """
    for target, overwrite in channel.overwrites.items():
        is_role = isinstance(target, discord.Role) or getattr(target, "type", None) is discord.Role
        if not is_role and overwrite.view_channel and target.id not in (guild.owner_id, guild.me.id):
            return False
    # A role that comes with an application has one holder: that application's bot.
    return not any(_views_unmanaging(channel, role) for role in guild.roles if not role.is_bot_managed())


def _views_unmanaging(channel: discord.TextChannel, role: discord.Role) -> bool:
    """Whether somebody who holds `role` and no other views `channel` without Manage Server."""
    everyone = channel.guild.default_role
    held = everyone.permissions | role.permissions
    if held.administrator or held.manage_guild:
        return False
    views = held.view_channel
    for target in dict.fromkeys((everyone, role)):
        says = channel.overwrites_for(target).view_channel
        views = views if says is None else says
    return views
