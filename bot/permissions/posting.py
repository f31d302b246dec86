"""Whether the bot may post something here for this member now. The member must be able to post the same: words,
pictures, links.

The member needs Send Messages (in a thread: Send Messages in Threads), Attach Files and Embed Links, must not be in
time-out, and in a locked thread needs Manage Threads. The bot itself must be able to view the channel and to send
messages there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import discord

from bot.history.granted import granted
from bot.permissions.visible_channels import AskingChannel


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why nothing is posted: a text's key (`share-…`), and the names of the permissions that are missing."""

    key: str
    missing: Sequence[str] = ()


def refusal(guild: discord.Guild, member: discord.Member, channel: AskingChannel) -> Refusal | None:
    """Why `member` may not have something posted in `channel`. None: both the member and the bot may post."""
    here = None if channel is None else guild.get_channel_or_thread(channel.id) or channel
    bot: discord.Member | None = guild.me  # None until GUILD_CREATE, whatever its type says
    if bot is None or not isinstance(here, discord.abc.GuildChannel | discord.Thread):
        return Refusal("share-unknown")
    thread = here if isinstance(here, discord.Thread) else None
    if thread is not None and thread.parent is None:
        return Refusal("share-unknown")
    if member.is_timed_out():
        return Refusal("share-timed-out")
    send = "send_messages_in_threads" if thread is not None else "send_messages"
    held, own = granted(here, member), granted(here, bot)
    if missing := [name for name in (send, "attach_files", "embed_links") if not getattr(held, name)]:
        return Refusal("share-you", missing)
    if thread is not None and thread.locked and not held.manage_threads:
        return Refusal("share-locked")
    if missing := [name for name in ("view_channel", send) if not getattr(own, name)]:
        return Refusal("share-me", missing)
    return None
