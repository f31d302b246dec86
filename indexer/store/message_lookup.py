"""Which messages are stored: of a channel, by their ids, and where one is from."""

from __future__ import annotations

import aiosqlite

from indexer.database.database import first
from indexer.records.ids import ChannelId, GuildId, MessageId, PictureId


async def between(connection: aiosqlite.Connection, channel_id: ChannelId, low: int, high: int) -> list[MessageId]:
    """The stored messages of a channel with ids in low…high (closed), ascending."""
    rows = await connection.execute_fetchall(
        "SELECT message_id FROM messages WHERE channel_id = ? AND message_id BETWEEN ? AND ? ORDER BY message_id",
        (channel_id, low, high),
    )
    return [MessageId(message_id) for (message_id,) in rows]


async def newest(
    connection: aiosqlite.Connection, channel_id: ChannelId, upto: MessageId, limit: int
) -> list[MessageId]:
    """The newest `limit` stored messages of a channel with ids up to `upto`, newest first."""
    rows = await connection.execute_fetchall(
        "SELECT message_id FROM messages WHERE channel_id = ? AND message_id <= ? ORDER BY message_id DESC LIMIT ?",
        (channel_id, upto, limit),
    )
    return [MessageId(message_id) for (message_id,) in rows]


async def is_of_archive(connection: aiosqlite.Connection, message_id: MessageId) -> bool:
    """Whether this message came from an archive and Discord has not shown it yet."""
    sql = "SELECT 1 FROM messages WHERE origin_id != 0 AND message_id = ?"
    return await first(connection, sql, (message_id,)) is not None


async def channel_of(connection: aiosqlite.Connection, message_id: MessageId) -> ChannelId | None:
    """The channel of a stored message; None where it is not stored."""
    row = await first(connection, "SELECT channel_id FROM messages WHERE message_id = ?", (message_id,))
    return ChannelId(row[0]) if row else None


async def first_picture(connection: aiosqlite.Connection, guild_id: GuildId, message_id: MessageId) -> PictureId | None:
    """The first picture of a stored message that can be searched for; None where it has none."""
    row = await first(
        connection,
        "SELECT picture_id FROM places WHERE message_id = ? AND guild_id = ? AND state = 'ready'"
        " ORDER BY ordinal LIMIT 1",
        (message_id, guild_id),
    )
    return PictureId(row[0]) if row else None
