"""Addresses of messages, as a browser or Discord's app opens them."""

from __future__ import annotations

from urllib.parse import urlsplit


def jump_link(guild_id: int, channel_id: int, message_id: int) -> str:
    """The link to a message. Guild 0 stands for direct messages, which only an archive has."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"


def is_discord(api_base: str) -> bool:
    """Whether messages read from this API address are Discord's. Messages of the sandbox have no address that opens."""
    host = urlsplit(api_base).hostname or ""
    return host == "discord.com" or host.endswith(".discord.com")
