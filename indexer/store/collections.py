"""Collections: which folder is which, the files that are stored of one, and those that are not there any more."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Collection as Several
from collections.abc import Sequence
from typing import Any

import aiosqlite
import numpy as np

from indexer.database.database import as_json, first
from indexer.records.collections import COLLECTION_KIND, Collection
from indexer.records.ids import COLLECTIONS, MADE_UP, GuildId, MessageId, collection_id, collection_of

_FETCH = 10_000  # rows read at once


async def name_of(connection: aiosqlite.Connection, location: str) -> str | None:
    """The name of the collection of this folder; None where the folder was never imported as one."""
    row = await _guild_row(connection, location)
    return None if row is None else str(row[1])


async def read(connection: aiosqlite.Connection, location: str) -> Collection | None:
    """The collection of this folder with its files; None where there is none."""
    row = await _guild_row(connection, location)
    if row is None:
        return None
    number = collection_of(row[0])
    assert number is not None, "the guild's id is made up"
    marks, messages = array("Q"), array("q")
    # Ids of one collection are one range, whatever their channels.
    sql = "SELECT link, message_id FROM places WHERE message_id >= ? AND message_id < ?"
    async with connection.execute(sql, (collection_id(number), collection_id(number + 1))) as cursor:
        while rows := await cursor.fetchmany(_FETCH):
            for link, message_id in rows:
                marks.append(int(link.rpartition(":")[2], 16))
                messages.append(message_id)
    by_mark = np.argsort(np.array(marks, np.uint64))
    return Collection(number, row[1], np.array(marks, np.uint64)[by_mark], np.array(messages, np.int64)[by_mark])


async def new(connection: aiosqlite.Connection, location: str, name: str) -> Collection:
    """A collection for a folder that has none. Its number comes of the path, unless another collection has it."""
    number = wanted_number(location)
    rows = await connection.execute_fetchall("SELECT guild_id FROM guilds WHERE guild_id >= ?", (MADE_UP,))
    taken = {collection_of(guild_id) for (guild_id,) in rows}
    while number in taken:
        number = (number + 1) % COLLECTIONS
    return Collection.empty(number, name)


def wanted_number(location: str) -> int:
    """The number that a folder's collection has, unless another collection has it."""
    return int.from_bytes(hashlib.sha256(location.encode()).digest()[:8], "big") % COLLECTIONS


async def remove(tx: aiosqlite.Connection, message_ids: Several[MessageId], unreadable: Sequence[str]) -> int:
    """Deletes messages whose files are gone, but none below the folders `unreadable`. Returns how many.

    Unlike a deletion in Discord, this one is not remembered: a file may come back. A file that was moved has the same
    bytes: the tags of a file that is gone go to those places of its picture, in the same collection, that have none.
    """
    await tx.execute_fetchall(
        "INSERT OR IGNORE INTO tags (place_id, tag, channel_id)"
        " SELECT kept.place_id, t.tag, m.channel_id FROM tags t JOIN places gone USING (place_id)"
        " JOIN places kept ON kept.picture_id = gone.picture_id AND kept.guild_id = gone.guild_id"
        " JOIN messages m ON m.message_id = kept.message_id"
        " WHERE gone.message_id IN (SELECT value FROM json_each(?1))"
        " AND kept.message_id NOT IN (SELECT value FROM json_each(?1))"
        " AND NOT EXISTS (SELECT 1 FROM tags k WHERE k.place_id = kept.place_id)",
        (as_json(message_ids),),
    )
    cursor = await tx.execute(
        "DELETE FROM messages WHERE message_id IN (SELECT value FROM json_each(?)) AND NOT EXISTS ("
        "   SELECT 1 FROM places p, json_each(?) u WHERE p.message_id = messages.message_id"
        "   AND substr(p.path, 1, length(u.value)) = u.value)",
        (as_json(message_ids), json.dumps(list(unreadable))),
    )
    return cursor.rowcount


async def remove_empty_folders(tx: aiosqlite.Connection, guild_id: GuildId) -> None:
    await tx.execute_fetchall(
        "DELETE FROM channels WHERE guild_id = ?"
        " AND NOT EXISTS (SELECT 1 FROM messages WHERE messages.channel_id = channels.channel_id)",
        (guild_id,),
    )


async def _guild_row(connection: aiosqlite.Connection, location: str) -> tuple[Any, ...] | None:
    row = await first(
        connection,
        "SELECT g.guild_id, g.name FROM origins o JOIN guilds g USING (origin_id)"
        " WHERE o.kind = ? AND o.location = ? AND g.guild_id >= ?",
        (COLLECTION_KIND, location, MADE_UP),
    )
    return None if row is None else tuple(row)
