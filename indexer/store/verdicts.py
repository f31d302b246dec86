"""What comparing the pixels of two pictures of a guild gave: whether one is a copy of the other. Triggers delete a
verdict with either picture.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict

import aiosqlite

from indexer.database.database import as_json
from indexer.records.copies import Copy, Pair, Verdicts
from indexer.records.ids import GuildId, PictureId

_SHOWN = "EXISTS (SELECT 1 FROM places WHERE picture_id = {} AND guild_id = ?1)"


async def put(tx: aiosqlite.Connection, guild_id: GuildId, rule: int, pair: Pair, copy: Copy | None) -> None:
    """Remembers what was found out, unless one of the pictures is gone from the guild by now."""
    await tx.execute_fetchall(
        "INSERT INTO verdicts (guild_id, picture_id, other_id, rule, copy)"
        f" SELECT ?1, ?2, ?3, ?4, ?5 WHERE {_SHOWN.format('?2')} AND {_SHOWN.format('?3')}"
        " ON CONFLICT DO UPDATE SET rule = excluded.rule, copy = excluded.copy",
        (guild_id, *pair, rule, None if copy is None else json.dumps(asdict(copy))),
    )


async def among(
    connection: aiosqlite.Connection, guild_id: GuildId, rule: int, picture_ids: Collection[PictureId]
) -> Verdicts:
    """Of pairs of these pictures, as far as they were compared by this rule."""
    # +: SQLite would look up each of them with each other one.
    return await _read(connection, guild_id, rule, picture_ids, "AND +")


async def of_any(
    connection: aiosqlite.Connection, guild_id: GuildId, rule: int, picture_ids: Collection[PictureId]
) -> Verdicts:
    """Of pairs with at least one of these pictures."""
    return await _read(connection, guild_id, rule, picture_ids, "OR ")


async def _read(
    connection: aiosqlite.Connection, guild_id: GuildId, rule: int, picture_ids: Collection[PictureId], both: str
) -> Verdicts:
    rows = await connection.execute_fetchall(
        "SELECT picture_id, other_id, copy FROM verdicts WHERE guild_id = ?1 AND rule = ?2"  # noqa: S608 -- constants
        f" AND (picture_id IN (SELECT value FROM json_each(?3)) {both}other_id IN (SELECT value FROM json_each(?3)))",
        (guild_id, rule, as_json(picture_ids)),
    )
    return {
        (PictureId(picture_id), PictureId(other_id)): None if copy is None else Copy(**json.loads(copy))
        for picture_id, other_id, copy in rows
    }


async def count(connection: aiosqlite.Connection) -> int:
    """Of all guilds."""
    ((found,),) = await connection.execute_fetchall("SELECT count(*) FROM verdicts")
    return int(found)


async def delete(tx: aiosqlite.Connection, *, but_rule: int | None = None) -> int:
    """Forgets all verdicts, or those of other rules than this one. Returns how many."""
    cursor = await tx.execute("DELETE FROM verdicts WHERE rule IS NOT ?", (but_rule,))
    return cursor.rowcount
