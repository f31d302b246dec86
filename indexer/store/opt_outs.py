"""People who do not want their messages to be found, in one guild or everywhere."""

from __future__ import annotations

import aiosqlite

from indexer.database.database import first, now_ms
from indexer.model import GuildId, UserId
from indexer.store import messages

EVERYWHERE = GuildId(0)


async def add(tx: aiosqlite.Connection, user_id: UserId, guild_id: GuildId = EVERYWHERE) -> int:
    """Nothing by this author is stored there any more, and what was stored is deleted; returns how many messages.

    Use a `durable` transaction: this is a promise to a person.
    """
    await tx.execute_fetchall(
        "INSERT INTO opt_outs (guild_id, user_id, at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (guild_id, user_id, now_ms()),
    )
    return await messages.delete_by_author(tx, user_id, None if guild_id == EVERYWHERE else guild_id)


async def remove(tx: aiosqlite.Connection, user_id: UserId, guild_id: GuildId = EVERYWHERE) -> bool:
    """Takes one opt-out back; False where there was none. What was deleted comes back only by a new crawl."""
    cursor = await tx.execute("DELETE FROM opt_outs WHERE guild_id = ? AND user_id = ?", (guild_id, user_id))
    return cursor.rowcount > 0


async def applies(connection: aiosqlite.Connection, user_id: UserId, guild_id: GuildId) -> bool:
    """Whether this author's messages in this guild must not be stored or shown."""
    sql = "SELECT 1 FROM opt_outs WHERE user_id = ? AND guild_id IN (0, ?)"
    return await first(connection, sql, (user_id, guild_id)) is not None


async def of_user(connection: aiosqlite.Connection, user_id: UserId) -> list[GuildId]:
    """Where this person opted out; EVERYWHERE may be among them."""
    rows = await connection.execute_fetchall(
        "SELECT guild_id FROM opt_outs WHERE user_id = ? ORDER BY guild_id", (user_id,)
    )
    return [GuildId(guild_id) for (guild_id,) in rows]


async def of_guild(connection: aiosqlite.Connection, guild_id: GuildId) -> frozenset[UserId]:
    """Whose messages in this guild must not be shown: opted out of it, or everywhere."""
    rows = await connection.execute_fetchall("SELECT user_id FROM opt_outs WHERE guild_id IN (0, ?)", (guild_id,))
    return frozenset(UserId(user_id) for (user_id,) in rows)
