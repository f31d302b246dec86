"""People who do not want their messages to be found, in one guild or everywhere."""

from __future__ import annotations

import aiosqlite

from indexer.clock import now_ms
from indexer.records.ids import EVERYWHERE, GuildId, UserId


async def add(tx: aiosqlite.Connection, user_id: UserId, guild_id: GuildId = EVERYWHERE) -> None:
    """From now on nothing by this author is stored there. `removals.opt_out` deletes what is stored already.

    Use a `durable` transaction, because this is a promise to a person.
    """
    await tx.execute_fetchall(
        "INSERT INTO opt_outs (guild_id, user_id, at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (guild_id, user_id, now_ms()),
    )


async def remove(tx: aiosqlite.Connection, user_id: UserId, guild_id: GuildId = EVERYWHERE) -> bool:
    """Removes one opt-out; False where there was none. Only a new crawl stores the deleted messages again."""
    cursor = await tx.execute("DELETE FROM opt_outs WHERE guild_id = ? AND user_id = ?", (guild_id, user_id))
    return cursor.rowcount > 0


async def of_user(connection: aiosqlite.Connection, user_id: UserId) -> list[GuildId]:
    """Where this person opted out; EVERYWHERE may be among them."""
    rows = await connection.execute_fetchall(
        "SELECT guild_id FROM opt_outs WHERE user_id = ? ORDER BY guild_id", (user_id,)
    )
    return [GuildId(guild_id) for (guild_id,) in rows]


async def everywhere(connection: aiosqlite.Connection) -> set[UserId]:
    """Who opted out everywhere."""
    rows = await connection.execute_fetchall("SELECT user_id FROM opt_outs WHERE guild_id = ?", (EVERYWHERE,))
    return {UserId(user_id) for (user_id,) in rows}


async def unfinished(connection: aiosqlite.Connection) -> list[tuple[UserId, GuildId]]:
    """The opt-outs (author, guild or EVERYWHERE) whose messages are not all deleted yet."""
    rows = await connection.execute_fetchall(
        "SELECT o.user_id, o.guild_id FROM opt_outs o WHERE EXISTS (SELECT 1 FROM messages m"
        " WHERE m.author_id = o.user_id AND (o.guild_id = 0 OR m.guild_id = o.guild_id))"
    )
    return [(UserId(user_id), GuildId(guild_id)) for user_id, guild_id in rows]
