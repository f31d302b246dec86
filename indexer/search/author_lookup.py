"""Names that a query mentions, looked up among what its asker may see."""

from __future__ import annotations

import json
from collections.abc import Collection

import aiosqlite

from indexer.model import ChannelId, GuildId, UserId


async def authors_named(
    connection: aiosqlite.Connection, guild_id: GuildId, name: str, channels: Collection[ChannelId]
) -> frozenset[UserId]:
    """The authors of that name, letter case aside, who have a stored message in one of the channels."""
    rows = await connection.execute_fetchall(
        "SELECT u.user_id FROM users u WHERE u.name = ? COLLATE NOCASE AND EXISTS (SELECT 1 FROM messages m"
        " WHERE m.author_id = u.user_id AND m.guild_id = ? AND m.channel_id IN (SELECT value FROM json_each(?)))",
        (name, guild_id, json.dumps(sorted(channels))),
    )
    return frozenset(UserId(user_id) for (user_id,) in rows)
