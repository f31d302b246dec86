"""Guilds: which ones are known, and which of them consented to be read."""

from __future__ import annotations

from collections.abc import Collection

import aiosqlite

from indexer.clock import now_ms
from indexer.database.database import as_json, first
from indexer.records.ids import DISCORD, GuildId, OriginId
from indexer.records.messages import Guild


async def upsert(tx: aiosqlite.Connection, guild: Guild, origin_id: OriginId = DISCORD) -> None:
    """Stores a new guild, or renames a known one. A new guild has not consented.

    An archive does not change a guild that the bot has been in.
    """
    await tx.execute_fetchall(
        "INSERT INTO guilds (guild_id, name, added_ms, origin_id) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (guild_id) DO UPDATE SET name = excluded.name, origin_id = excluded.origin_id"
        " WHERE (excluded.origin_id = 0 OR guilds.origin_id != 0)"
        "   AND (guilds.name, guilds.origin_id) != (excluded.name, excluded.origin_id)",
        (guild.id, guild.name, now_ms(), origin_id),
    )


async def set_consent(tx: aiosqlite.Connection, guild_id: GuildId, consent: bool) -> None:
    """Records whether someone who manages the guild said that it may be read."""
    await tx.execute_fetchall("UPDATE guilds SET consent = ? WHERE guild_id = ?", (consent, guild_id))


async def consented(connection: aiosqlite.Connection) -> list[GuildId]:
    """The guilds that may be read, by id."""
    rows = await connection.execute_fetchall("SELECT guild_id FROM guilds WHERE consent = 1 ORDER BY guild_id")
    return [GuildId(guild_id) for (guild_id,) in rows]


async def has_consented(connection: aiosqlite.Connection, guild_id: GuildId) -> bool:
    """Whether this guild is known and may be read."""
    return await first(connection, "SELECT 1 FROM guilds WHERE guild_id = ? AND consent = 1", (guild_id,)) is not None


async def get(connection: aiosqlite.Connection, guild_id: GuildId) -> Guild | None:
    row = await first(connection, "SELECT guild_id, name FROM guilds WHERE guild_id = ?", (guild_id,))
    return Guild(GuildId(row[0]), row[1]) if row else None


async def is_archived_only(connection: aiosqlite.Connection, guild_id: GuildId) -> bool:
    """Whether this guild is known, and by archives alone: the bot was never in it."""
    sql = "SELECT 1 FROM guilds WHERE guild_id = ? AND origin_id != 0"
    return await first(connection, sql, (guild_id,)) is not None


async def known(connection: aiosqlite.Connection) -> list[Guild]:
    """Every guild, by id."""
    rows = await connection.execute_fetchall("SELECT guild_id, name FROM guilds ORDER BY guild_id")
    return [Guild(GuildId(guild_id), name) for guild_id, name in rows]


async def note_present(
    tx: aiosqlite.Connection, present: Collection[GuildId], at_ms: int, absent_ms: int
) -> list[GuildId]:
    """Records which guilds the bot was in at `at_ms` (Unix milliseconds), and since when it has left the others.

    Guilds that only archives know do not change. Returns those that have been absent for at least `absent_ms`.
    """
    listed = as_json(present)
    await tx.execute_fetchall(
        "UPDATE guilds SET absent_since_ms = NULL"
        " WHERE absent_since_ms IS NOT NULL AND guild_id IN (SELECT value FROM json_each(?))",
        (listed,),
    )
    await tx.execute_fetchall(
        "UPDATE guilds SET absent_since_ms = ?"
        " WHERE absent_since_ms IS NULL AND origin_id = 0 AND guild_id NOT IN (SELECT value FROM json_each(?))",
        (at_ms, listed),
    )
    rows = await tx.execute_fetchall(
        "SELECT guild_id FROM guilds WHERE absent_since_ms <= ? ORDER BY guild_id", (at_ms - absent_ms,)
    )
    return [GuildId(guild_id) for (guild_id,) in rows]


async def forget(tx: aiosqlite.Connection, guild_id: GuildId) -> None:
    """Deletes the guild and all that was read of it: channels, messages, texts, pictures shown nowhere else, vectors.

    Opt-outs, ids of messages that Discord said are gone, and the audit log stay: ids only. For a large guild first call
    `messages.delete_some` in separate transactions, so that the writer is not held for long.
    """
    await tx.execute_fetchall("DELETE FROM guilds WHERE guild_id = ?", (guild_id,))
