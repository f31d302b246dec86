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


async def names_beginning(
    connection: aiosqlite.Connection,
    typed: str,
    channels: Collection[ChannelId],
    without: Collection[UserId],
    limit: int,
) -> list[str]:
    """Up to `limit` names of authors who have a stored message in one of the channels, but for those `without`.

    Names that begin so come first, then those of which another word does, each in the alphabet's order, whatever the
    case of their letters. Only these channels' rows are read.
    """
    start = typed.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    rows = await connection.execute_fetchall(
        "SELECT min(u.name) FROM (SELECT DISTINCT author_id FROM channel_authors"
        "   WHERE channel_id IN (SELECT value FROM json_each(:channels))) a"
        " CROSS JOIN users u ON u.user_id = a.author_id"
        " WHERE (u.name LIKE :start ESCAPE '\\' OR u.name LIKE '% ' || :start ESCAPE '\\')"
        " AND u.user_id NOT IN (SELECT value FROM json_each(:without))"
        " GROUP BY u.name COLLATE NOCASE"
        " ORDER BY min(u.name) LIKE :start ESCAPE '\\' DESC, u.name COLLATE NOCASE LIMIT :limit",
        {"channels": as_json(channels), "start": start, "without": as_json(without), "limit": limit},
    )
    return [name for (name,) in rows]
