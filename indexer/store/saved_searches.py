"""Searches that members have saved, each for themselves in one guild."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aiosqlite

from indexer.clock import now_ms
from indexer.database.database import first
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId
from indexer.records.saved_searches import AskedPicture, Notice, SavedSearch
from indexer.store.asked_pictures import asked_picture, columns_of

# As `saved_search` reads them, of saved_searches s and saved_notices n.
COLUMNS = (
    "s.guild_id, s.name, s.question, s.created_ms, s.sha256, s.perceptual_hash, s.model_id, s.vector,"
    " n.after_id, n.language, n.channel_id"
)


async def of_member(
    connection: aiosqlite.Connection, user_id: UserId, guild_id: GuildId | None = None
) -> list[SavedSearch]:
    """By guild and name; in one guild or (None) in all."""
    rows = await connection.execute_fetchall(
        f"SELECT {COLUMNS} FROM saved_searches s LEFT JOIN saved_notices n USING (saved_id)"  # noqa: S608 -- a constant
        " WHERE s.user_id = ?1 AND (?2 IS NULL OR s.guild_id = ?2) ORDER BY s.guild_id, s.name",
        (user_id, guild_id),
    )
    return [saved_search(row) for row in rows]


async def counts(connection: aiosqlite.Connection, user_id: UserId, guild_id: GuildId, name: str) -> tuple[int, int]:
    """How many searches with other names are saved in the guild: by this member, and by all."""
    row = await first(
        connection,
        "SELECT count(*) FILTER (WHERE user_id = ?2), count(*) FROM saved_searches"
        " WHERE guild_id = ?1 AND NOT (user_id = ?2 AND name = ?3)",
        (guild_id, user_id, name),
    )
    assert row is not None, "an aggregate has one row"
    return int(row[0]), int(row[1])


async def put(
    tx: aiosqlite.Connection, user_id: UserId, guild_id: GuildId, name: str, question: str, picture: AskedPicture | None
) -> int | None:
    """Saves it under a name that is free. None where the member opted out, or the guild is not known; else its id."""
    row = await first(
        tx,
        "INSERT INTO saved_searches (guild_id, user_id, name, question, created_ms, sha256, perceptual_hash, model_id,"
        " vector) SELECT guild_id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM guilds WHERE guild_id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM opt_outs WHERE user_id = ?2 AND guild_id IN (0, ?1))"
        " RETURNING saved_id",
        (guild_id, user_id, name, question, now_ms(), *columns_of(picture)),
    )
    return None if row is None else int(row[0])


async def remove(tx: aiosqlite.Connection, user_id: UserId, guild_id: GuildId, name: str) -> bool:
    """False where there was none."""
    cursor = await tx.execute(
        "DELETE FROM saved_searches WHERE guild_id = ? AND user_id = ? AND name = ?", (guild_id, user_id, name)
    )
    return cursor.rowcount > 0


async def remove_all(tx: aiosqlite.Connection, user_id: UserId, guild_id: GuildId) -> int:
    """Those of a member who has left the guild. Returns how many."""
    cursor = await tx.execute("DELETE FROM saved_searches WHERE guild_id = ? AND user_id = ?", (guild_id, user_id))
    return cursor.rowcount


def saved_search(row: Sequence[Any]) -> SavedSearch:
    """A row of COLUMNS."""
    guild, name, question, created, *picture, after, language, channel = row
    notice = None
    if after is not None:
        notice = Notice(MessageId(after), language, None if channel is None else ChannelId(channel))
    return SavedSearch(GuildId(guild), name, question, created, asked_picture(*picture), notice)
