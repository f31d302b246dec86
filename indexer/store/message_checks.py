"""When Discord last showed each stored message: what the sweep goes by."""

from __future__ import annotations

from collections.abc import Collection

import aiosqlite

from indexer.database.database import as_json
from indexer.records.ids import ChannelId, GuildId, MessageId


async def mark_checked(tx: aiosqlite.Connection, message_ids: Collection[MessageId], seen_ms: int) -> None:
    """Records that Discord showed these messages at `seen_ms` (Unix milliseconds), or later."""
    await tx.execute_fetchall(
        "UPDATE messages SET checked_ms = max(checked_ms, ?) WHERE message_id IN (SELECT value FROM json_each(?))",
        (seen_ms, as_json(message_ids)),
    )


async def mark_unchecked(tx: aiosqlite.Connection, message_ids: Collection[MessageId]) -> None:
    """Marks the stored ones of these messages as never checked, so that they come first in `oldest_checked`."""
    await tx.execute_fetchall(
        "UPDATE messages SET checked_ms = 0 WHERE message_id IN (SELECT value FROM json_each(?))",
        (as_json(message_ids),),
    )


async def oldest_checked(
    connection: aiosqlite.Connection, guild_id: GuildId, before_ms: int, limit: int
) -> list[tuple[ChannelId, MessageId]]:
    """Messages that Discord showed last before `before_ms` (Unix milliseconds), the longest ago first.

    Among messages of the same time the newest comes first, because a page of history goes back from it. Messages of
    parked channels, and of channels that only an archive knows, are left out, because Discord cannot be asked for them.
    """
    rows = await connection.execute_fetchall(
        "SELECT channel_id, message_id FROM messages JOIN channels USING (channel_id)"
        " WHERE messages.guild_id = ? AND checked_ms < ? AND parked_reason IS NULL AND channels.origin_id = 0"
        " ORDER BY checked_ms, message_id DESC LIMIT ?",
        (guild_id, before_ms, limit),
    )
    return [(ChannelId(channel_id), MessageId(message_id)) for channel_id, message_id in rows]
