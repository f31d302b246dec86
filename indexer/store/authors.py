"""Authors by their names, and which of them are bots."""

from __future__ import annotations

from collections.abc import Collection

import aiosqlite

from indexer.database.database import as_json
from indexer.records.ids import ChannelId, GuildId, UserId


async def named(
    connection: aiosqlite.Connection, guild_id: GuildId, name: str, channels: Collection[ChannelId] | None = None
) -> frozenset[UserId]:
    """The authors of that name, letter case aside, who have a stored message in one of the channels (None: in any)."""
    rows = await connection.execute_fetchall(
        "SELECT u.user_id FROM users u WHERE u.name = ?1 COLLATE NOCASE AND EXISTS (SELECT 1 FROM messages m"
        " WHERE m.author_id = u.user_id AND m.guild_id = ?2"
        " AND (?3 IS NULL OR m.channel_id IN (SELECT value FROM json_each(?3))))",
        (name, guild_id, None if channels is None else as_json(channels)),
    )
    return frozenset(UserId(user_id) for (user_id,) in rows)


async def bots(connection: aiosqlite.Connection) -> list[UserId]:
    """The authors of stored messages that are known to be bots or webhooks."""
    rows = await connection.execute_fetchall("SELECT user_id FROM users WHERE bot = 1")
    return [UserId(user_id) for (user_id,) in rows]
