"""Channels that Discord hides: since November 2026 it may send one that the bot cannot view with this flag and name.

Such a channel is never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import discord

HIDDEN_FLAG = 1 << 17
HIDDEN_NAME = "___hidden___"


def has_flag(payload: Mapping[str, Any]) -> bool:
    """Whether a payload of the channel carries the flag. The name may be missing in it, or null."""
    return bool(int(payload.get("flags") or 0) & HIDDEN_FLAG)


def is_hidden_payload(payload: Mapping[str, Any]) -> bool:
    return has_flag(payload) or payload.get("name") == HIDDEN_NAME


def is_hidden(channel: discord.abc.GuildChannel | discord.Thread) -> bool:
    """As `is_hidden_payload`, for a channel or thread of discord.py's."""
    flags = channel.flags.value if isinstance(channel, discord.Thread) else getattr(channel, "_flags", 0)
    return channel.name == HIDDEN_NAME or bool(flags & HIDDEN_FLAG)
