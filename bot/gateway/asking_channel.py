"""Whether the channel that a member asks from is age-restricted, where Discord hides that channel from the bot.

The gateway sends neither the name nor the age restriction of a hidden channel. An interaction contains its whole
channel, but discord.py uses the channel from its cache instead. So the values of the interaction are written into the
cache first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import discord

from bot.history.hidden_channels import is_hidden


def learning_age(
    guild_of: Callable[[int], discord.Guild | None], parse: Callable[[Any], None]
) -> Callable[[Mapping[str, Any]], None]:
    """Wraps `parse`, discord.py's parser of INTERACTION_CREATE:
    stores the age restriction of a hidden channel first.
    """

    def learn_and_parse(data: Mapping[str, Any]) -> None:
        guild = guild_of(int(data.get("guild_id") or 0))
        channel_data = data.get("channel") or {}
        cached = guild.get_channel(int(channel_data.get("id") or 0)) if guild is not None else None
        if cached is not None and "nsfw" in channel_data and is_hidden(cached):
            cached.nsfw = bool(channel_data["nsfw"])
        parse(data)

    return learn_and_parse
