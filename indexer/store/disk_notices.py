"""Which servers have a notice that indexing has stopped because the disk is full. Each server gets one notice."""

from __future__ import annotations

import aiosqlite

from indexer.records.ids import ChannelId, GuildId


async def told(connection: aiosqlite.Connection) -> dict[GuildId, ChannelId | None]:
    """The servers that have a notice, each with its channel; None where only a manager has it."""
    rows = await connection.execute_fetchall("SELECT guild_id, channel_id FROM disk_notices")
    return {GuildId(guild_id): None if channel_id is None else ChannelId(channel_id) for guild_id, channel_id in rows}


async def add(tx: aiosqlite.Connection, guild_id: GuildId, channel_id: ChannelId | None) -> None:
    await tx.execute_fetchall(
        "INSERT OR REPLACE INTO disk_notices (guild_id, channel_id) SELECT guild_id, ? FROM guilds WHERE guild_id = ?",
        (channel_id, guild_id),
    )


async def remove(tx: aiosqlite.Connection, guild_id: GuildId) -> None:
    await tx.execute_fetchall("DELETE FROM disk_notices WHERE guild_id = ?", (guild_id,))
