"""Which places there are: inside a filter, or named by a person."""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Sequence
from typing import cast

import aiosqlite

from indexer.records.hits import Filter
from indexer.records.ids import GuildId, PlaceId
from indexer.store.filter_sql import PLACE_INSIDE, filter_values

_FETCH = 10_000  # rows read at once
COLUMNS = ("place_id", "message_id", "path")  # by which places can be named


async def inside(connection: aiosqlite.Connection, guild_id: GuildId, filter: Filter) -> Sequence[PlaceId]:
    """Every place inside the filter. 8 bytes each."""
    found = array("q")
    sql = (
        "SELECT p.place_id FROM messages m JOIN places p USING (message_id)"  # noqa: S608 -- every part is ours
        f" WHERE m.guild_id = :guild AND {PLACE_INSIDE}"
    )
    async with connection.execute(sql, {"guild": guild_id, **filter_values(filter)}) as cursor:
        while rows := await cursor.fetchmany(_FETCH):
            found.extend(place_id for (place_id,) in rows)
    # Not made a list: of a million ids that would hold the event loop.
    return cast("Sequence[PlaceId]", found)


async def named(
    connection: aiosqlite.Connection, column: str, values: Collection[int | str]
) -> list[tuple[GuildId, PlaceId, int | str]]:
    """The places whose `column` (of COLUMNS) has one of these values: guild, place, and the value.

    Paths have no index: they cost one look at every place. Raises ValueError for another column.
    """
    if column not in COLUMNS:
        raise ValueError(f"no place is named by {column}")
    rows = await connection.execute_fetchall(
        f"SELECT guild_id, place_id, {column} FROM places WHERE {column} IN (SELECT value FROM json_each(?))",  # noqa: S608 -- one of COLUMNS
        (json.dumps(list(values)),),
    )
    return [(GuildId(guild_id), PlaceId(place_id), value) for guild_id, place_id, value in rows]
