"""People who do not want their messages to be found, in one guild or everywhere."""

from __future__ import annotations

import aiosqlite

from indexer.clock import now_ms
from indexer.model import EVERYWHERE, GuildId, UserId


async def add(tx: aiosqlite.Connection, user_id: UserId, guild_id: GuildId = EVERYWHERE) -> None:
    """Nothing by this author is stored there any more. What is stored already is deleted by `removals.opt_out`.

    Use a `durable` transaction: this is a promise to a person.
    """
    await tx.execute_fetchall(
        "INSERT INTO opt_outs (guild_id, user_id, at_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (guild_id, user_id, now_ms()),
    )


async def remove(tx: aiosqlite.Connection, user_id: UserId, guild_id: GuildId = EVERYWHERE) -> bool:
    """Takes one opt-out back; False where there was none. What was deleted comes back only by a new crawl."""
    cursor = await tx.execute("DELETE FROM opt_outs WHERE guild_id = ? AND user_id = ?", (guild_id, user_id))
    return cursor.rowcount > 0


async def of_user(connection: aiosqlite.Connection, user_id: UserId) -> list[GuildId]:
    """Where this person opted out; EVERYWHERE may be among them."""
    rows = await connection.execute_fetchall(
        "SELECT guild_id FROM opt_outs WHERE user_id = ? ORDER BY guild_id", (user_id,)
    )
    return [GuildId(guild_id) for (guild_id,) in rows]


async def unfinished(connection: aiosqlite.Connection) -> list[tuple[UserId, GuildId]]:
    """The opt-outs (author, guild or EVERYWHERE) of which not every message is deleted yet."""
    rows = await connection.execute_fetchall(
        "SELECT o.user_id, o.guild_id FROM opt_outs o WHERE EXISTS (SELECT 1 FROM messages m"
        " WHERE m.author_id = o.user_id AND (o.guild_id = 0 OR m.guild_id = o.guild_id))"
    )
    return [(UserId(user_id), GuildId(guild_id)) for user_id, guild_id in rows]
