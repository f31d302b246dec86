"""Messages that whoever runs the bot deletes from the index: which are meant, marked, deleted, and taken back.

A message is marked first; from then on it is not stored again. Messages of collections are not marked for good: their
ids are made up, and a file that stays in its folder comes back with the next import.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection
from typing import Final

import aiosqlite

from indexer.database.database import as_json, first
from indexer.records.hits import Filter
from indexer.records.ids import MADE_UP, ChannelId, GuildId, MessageId
from indexer.store.filter_sql import HAS_TEXT, MESSAGE_INSIDE, PLACE_ITSELF_INSIDE, filter_values

_FETCH = 10_000  # rows read at once

# A message goes whole, so one picture of it that the filter keeps out keeps the message.
_NOTHING_KEPT: Final = (
    "NOT EXISTS (SELECT 1 FROM places p WHERE p.message_id = m.message_id AND ((p.flags & :exclude) != 0"  # noqa: S608 -- constants
    f" OR (:text = 0 AND {HAS_TEXT})"
    " OR EXISTS (SELECT 1 FROM tags t WHERE t.place_id = p.place_id"
    " AND t.tag IN (SELECT value FROM json_each(:not_tags)))))"
)
_SOME_PICTURE: Final = f"EXISTS (SELECT 1 FROM places p WHERE p.message_id = m.message_id AND {PLACE_ITSELF_INSIDE})"  # noqa: S608 -- constants


async def meant(
    connection: aiosqlite.Connection, guild_id: GuildId, filter: Filter, among: Collection[MessageId] | None = None
) -> array[int]:
    """The messages inside the filter (of `among` alone, where that is given), ascending. 8 bytes each.

    What the filter says of pictures must hold for one picture of the message; what it leaves out, none may have. Where
    it says nothing of pictures, messages whose pictures were not read are meant, too.
    """
    conditions = ["m.guild_id = :guild", MESSAGE_INSIDE]
    if filter.require or filter.exif is not None or filter.tags or filter.colours or filter.text:
        conditions.append(_SOME_PICTURE)
    if filter.exclude or filter.not_tags or filter.text is False:
        conditions.append(_NOTHING_KEPT)
    values = {"guild": guild_id, **filter_values(filter)}
    if among is not None:
        conditions.append("m.message_id IN (SELECT value FROM json_each(:among))")
        values["among"] = as_json(among)
    found = array("q")
    sql = f"SELECT m.message_id FROM messages m WHERE {' AND '.join(conditions)} ORDER BY m.message_id"  # noqa: S608 -- constants
    async with connection.execute(sql, values) as cursor:
        while rows := await cursor.fetchmany(_FETCH):
            found.extend(message_id for (message_id,) in rows)
    return found


async def pictures(connection: aiosqlite.Connection, message_ids: Collection[int]) -> int:
    """How many places these messages show."""
    row = await first(
        connection,
        "SELECT count(*) FROM places WHERE message_id IN (SELECT value FROM json_each(?))",
        (as_json(message_ids),),
    )
    assert row is not None, "an aggregate has one row"
    return int(row[0])


async def mark(tx: aiosqlite.Connection, message_ids: Collection[int]) -> None:
    """From now on `messages.store` refuses these messages. They must be stored, and are deleted by `delete`."""
    await tx.execute_fetchall(
        "INSERT OR IGNORE INTO deleted_here (message_id, channel_id) SELECT message_id, channel_id FROM messages"
        " WHERE message_id IN (SELECT value FROM json_each(?))",
        (as_json(message_ids),),
    )


async def delete(tx: aiosqlite.Connection, message_ids: Collection[int]) -> int:
    """Deletes those of these messages that are marked; returns how many."""
    ids = as_json(message_ids)
    cursor = await tx.execute(
        "DELETE FROM messages WHERE message_id IN (SELECT value FROM json_each(?))"
        " AND message_id IN (SELECT message_id FROM deleted_here)",
        (ids,),
    )
    await tx.execute_fetchall(
        "DELETE FROM deleted_here WHERE message_id >= ? AND message_id IN (SELECT value FROM json_each(?))",
        (MADE_UP, ids),
    )
    return cursor.rowcount


async def forget(tx: aiosqlite.Connection, guild_id: GuildId, limit: int) -> int:
    """Takes up to `limit` marks of the guild's channels away; returns how many. It is one step of forgetting a guild.

    A mark is what whoever runs the bot wanted, no promise to a member. Of a channel that was deleted before nobody
    knows the guild: its marks stay, two numbers each.
    """
    cursor = await tx.execute(
        "DELETE FROM deleted_here WHERE message_id IN (SELECT d.message_id FROM channels c"
        " JOIN deleted_here d USING (channel_id) WHERE c.guild_id = ? LIMIT ?)",
        (guild_id, limit),
    )
    return cursor.rowcount


async def unfinished(connection: aiosqlite.Connection) -> array[int]:
    """Messages that are marked and still stored: a kill came between the two. 8 bytes each."""
    found = array("q")
    sql = (
        "SELECT d.message_id FROM deleted_here d WHERE EXISTS (SELECT 1 FROM messages WHERE message_id = d.message_id)"
    )
    async with connection.execute(sql) as cursor:
        while rows := await cursor.fetchmany(_FETCH):
            found.extend(message_id for (message_id,) in rows)
    return found


async def marked(
    connection: aiosqlite.Connection, channel_ids: Collection[ChannelId], low: int, high: int
) -> dict[ChannelId, tuple[int, int, int]]:
    """Of each of these channels: how many messages with ids low ≤ id < high were deleted here, first and last."""
    rows = await connection.execute_fetchall(
        "SELECT channel_id, count(*), min(message_id), max(message_id) FROM deleted_here"
        " WHERE channel_id IN (SELECT value FROM json_each(?)) AND message_id >= ? AND message_id < ?"
        " GROUP BY channel_id",
        (as_json(channel_ids), low, high),
    )
    return {ChannelId(channel_id): (count, oldest, newest) for channel_id, count, oldest, newest in rows}


async def take_back(tx: aiosqlite.Connection, channel_id: ChannelId, low: int, high: int, limit: int) -> list[int]:
    """Up to `limit` messages of the channel with ids in low…high (closed) may be stored again.

    Returns those that were refused until now. It is one step of taking many back.
    """
    rows = await tx.execute_fetchall(
        "DELETE FROM deleted_here WHERE message_id IN (SELECT message_id FROM deleted_here"
        " WHERE channel_id = ? AND message_id BETWEEN ? AND ? LIMIT ?) RETURNING message_id",
        (channel_id, low, high, limit),
    )
    return [message_id for (message_id,) in rows]
