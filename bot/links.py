"""Addresses of messages, as a browser or Discord's app opens them."""

from __future__ import annotations

from urllib.parse import urlsplit

from indexer.records.ids import collection_of


def jump_link(guild_id: int, channel_id: int, message_id: int) -> str:
    """The link to a message. Guild 0 stands for direct messages, which only an archive has."""
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"


def message_link(guild_id: int, channel_id: int, message_id: int, *, opens: bool) -> str | None:
    """The link to a message, for whoever runs the bot. None where none opens: in a collection there is no message, and
    of a server that is not Discord's (`opens` False) no address.
    """
    return jump_link(guild_id, channel_id, message_id) if opens and collection_of(guild_id) is None else None


def is_discord(api_base: str) -> bool:
    """Whether messages read from this API address are Discord's. Messages of the sandbox have no address that opens."""
    host = urlsplit(api_base).hostname or ""
    return host == "discord.com" or host.endswith(".discord.com")
