"""Whether the channel that a member asks from is age-restricted, where Discord hides that channel from the bot.

Of a hidden channel the gateway tells neither its name nor its age restriction. An interaction carries its channel
whole, but discord.py takes the channel of its cache. So what the interaction says is written into the cache first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import discord

from bot.history.discord_history import HIDDEN_FLAG, HIDDEN_NAME


def learning_age(
    guild_of: Callable[[int], discord.Guild | None], parse: Callable[[Any], None]
) -> Callable[[Mapping[str, Any]], None]:
    """discord.py's parser of INTERACTION_CREATE, `parse`, with hidden channels learned of first."""

    def learn_and_parse(data: Mapping[str, Any]) -> None:
        guild = guild_of(int(data.get("guild_id") or 0))
        told = data.get("channel") or {}
        cached = guild.get_channel(int(told.get("id") or 0)) if guild is not None else None
        if cached is not None and "nsfw" in told and _is_hidden(cached):
            cached.nsfw = bool(told["nsfw"])
        parse(data)

    return learn_and_parse


def _is_hidden(channel: discord.abc.GuildChannel) -> bool:
    return channel.name == HIDDEN_NAME or bool(getattr(channel, "_flags", 0) & HIDDEN_FLAG)
