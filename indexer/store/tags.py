"""Tags that whoever runs the bot gives to places: given, taken back, counted. Triggers delete a tag with its place."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import aiosqlite

from indexer.database.database import as_json
from indexer.query.tag_names import MOST_TAGS
from indexer.records.ids import GuildId, PlaceId


@dataclass(frozen=True, slots=True)
class TagCount:
    """How many places of a guild have this tag."""

    guild_id: GuildId
    tag: str
    places: int


async def add(tx: aiosqlite.Connection, place_ids: Collection[PlaceId], tags: Sequence[str]) -> tuple[set[int], int]:
    """Gives all of `tags` (as `tag_name` writes them) to each place. Returns the places that did not have all of them
    before, and how many stay as they are because they would have more than MOST_TAGS.

    Places that are not there are left out.
    """
    values = {"places": as_json(place_ids), "tags": json.dumps(list(tags)), "most": MOST_TAGS}
    others = (
        "(SELECT count(*) FROM tags k WHERE k.place_id = p.place_id"
        " AND k.tag NOT IN (SELECT value FROM json_each(:tags)))"
    )
    ((full,),) = await tx.execute_fetchall(
        "SELECT count(*) FROM places p WHERE p.place_id IN (SELECT value FROM json_each(:places))"  # noqa: S608 -- constants
        f" AND {others} + json_array_length(:tags) > :most",
        values,
    )
    rows = await tx.execute_fetchall(
        "INSERT OR IGNORE INTO tags (place_id, tag, channel_id)"  # noqa: S608 -- constants
        " SELECT p.place_id, t.value, m.channel_id"
        " FROM places p JOIN messages m USING (message_id) CROSS JOIN json_each(:tags) t"
        " WHERE p.place_id IN (SELECT value FROM json_each(:places))"
        f" AND {others} + json_array_length(:tags) <= :most"
        " RETURNING place_id",
        values,
    )
    return {place_id for (place_id,) in rows}, int(full)


async def remove(tx: aiosqlite.Connection, place_ids: Collection[PlaceId], tags: Sequence[str]) -> set[int]:
    """Takes `tags` from each place; returns the places that had one of them."""
    rows = await tx.execute_fetchall(
        "DELETE FROM tags WHERE place_id IN (SELECT value FROM json_each(?))"
        " AND tag IN (SELECT value FROM json_each(?)) RETURNING place_id",
        (as_json(place_ids), json.dumps(list(tags))),
    )
    return {place_id for (place_id,) in rows}


async def counted(connection: aiosqlite.Connection, guild_id: GuildId | None = None) -> list[TagCount]:
    """Every tag of one guild or (None) of all, the one with most places first. Nothing of another guild is read."""
    rows = await connection.execute_fetchall(
        "SELECT c.guild_id, t.tag, count(*) FROM channels c CROSS JOIN tags t USING (channel_id)"
        " WHERE ?1 IS NULL OR c.guild_id = ?1 GROUP BY c.guild_id, t.tag ORDER BY c.guild_id, count(*) DESC, t.tag",
        (guild_id,),
    )
    return [TagCount(GuildId(guild), tag, count) for guild, tag, count in rows]


async def of_places(connection: aiosqlite.Connection, place_ids: Collection[PlaceId]) -> dict[PlaceId, tuple[str, ...]]:
    """The tags of each of these places that is there, in the order of the alphabet."""
    rows = await connection.execute_fetchall(
        "SELECT p.place_id, t.tag FROM places p LEFT JOIN tags t USING (place_id)"
        " WHERE p.place_id IN (SELECT value FROM json_each(?)) ORDER BY p.place_id, t.tag",
        (as_json(place_ids),),
    )
    found: dict[PlaceId, tuple[str, ...]] = {}
    for place_id, tag in rows:
        found[PlaceId(place_id)] = (*found.get(PlaceId(place_id), ()), *([] if tag is None else [tag]))
    return found
