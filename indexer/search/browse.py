"""Filters alone: what passes them, newest first. Nothing is compared, so neither model nor vectors are needed."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from functools import partial

import aiosqlite
import numpy as np

from indexer.clock import now_ms
from indexer.database.connections import in_thread
from indexer.database.database import as_json
from indexer.records.hits import Band, Filter, Hit, Parts
from indexer.records.ids import GuildId, PictureId, first_message_at
from indexer.search import picture_facts
from indexer.search.hits import hit_at
from indexer.store import place_colours, places
from indexer.store.filter_sql import PLACE_INSIDE, filter_values

# Pictures that can be paged through: a page turn reads those before it, too. An earlier `before:` shows the rest.
MOST = 500
DAY_MS = 86_400_000
COLOURED_AT_ONCE = 2_000  # places that show a colour, of which the rest of a filter is asked in one statement

# Of some places those inside the filter, newest first, in one message in the order in which it shows them.
_OF_THESE = (
    "SELECT p.picture_id FROM json_each(:places) j CROSS JOIN places p ON p.place_id = j.value"  # noqa: S608 -- every part is ours
    f" CROSS JOIN messages m USING (message_id) WHERE m.guild_id = :guild AND {PLACE_INSIDE}"
    " ORDER BY p.message_id DESC, p.ordinal"
)


async def browse(
    connection: aiosqlite.Connection, guild_id: GuildId, filter: Filter, count: int
) -> tuple[tuple[Hit, ...], int]:
    """The `count` pictures that were posted last inside the filter, and how many places there are inside it.

    Each picture once, with all its places; within one message in the order in which it shows them. The order says
    nothing of what lies outside the filter.
    """
    if filter.colours:
        chosen, inside = await in_thread(connection, partial(_coloured, guild_id=guild_id, filter=filter, count=count))
    else:
        chosen = await _newest(connection, guild_id, filter, count)
        inside = await _inside(connection, guild_id, filter)
    shown = await picture_facts.places(connection, guild_id, chosen, filter)
    colours = await picture_facts.colour_shares(connection, chosen, filter.colours)
    details = await places.describe(connection, [shown[picture_id][0].place_id for picture_id in chosen])
    hits = []
    for picture_id in chosen:
        place, *others = shown[picture_id]
        parts = Parts(colour=colours.get(picture_id))
        hits.append(hit_at(picture_id, place, details[place.place_id], Band.LISTED, tuple(others), parts=parts))
    return tuple(hits), inside


async def _inside(connection: aiosqlite.Connection, guild_id: GuildId, filter: Filter) -> int:
    ((inside,),) = await connection.execute_fetchall(
        "SELECT count(*) FROM messages m JOIN places p USING (message_id)"  # noqa: S608 -- every part is ours
        f" WHERE m.guild_id = :guild AND {PLACE_INSIDE}",
        {"guild": guild_id, **filter_values(filter)},
    )
    return int(inside)


async def _newest(connection: aiosqlite.Connection, guild_id: GuildId, filter: Filter, count: int) -> list[PictureId]:
    """Walks back in time until `count` different pictures were met.

    Each step reads a span of time twice as long as the one before, so that the newest are found without sorting all.
    """
    found: dict[PictureId, None] = {}
    values = filter_values(filter)
    first, high = filter.message_ids
    now = now_ms()
    newest = first_message_at(now, filter.channels)
    day = newest - first_message_at(now - DAY_MS, filter.channels)
    low, days = high, 1
    while low > first and len(found) < count:
        # The newest span has no end: a clock may be behind Discord's.
        start = min(low, newest)
        low, high = max(start - days * day, first), low
        days *= 2
        rows = await connection.execute_fetchall(
            # The planner would read every message of the guild: 30 ms for the newest 500 of 100,000, so 3.
            "SELECT p.picture_id FROM messages m INDEXED BY messages_by_channel"  # noqa: S608 -- every part is ours
            " CROSS JOIN places p USING (message_id)"
            " WHERE m.guild_id = :guild AND m.message_id >= :low AND m.message_id < :high"
            f" AND {PLACE_INSIDE} ORDER BY p.message_id DESC, p.ordinal",
            {**values, "guild": guild_id, "low": low, "high": high},
        )
        for (picture_id,) in rows:
            found.setdefault(PictureId(picture_id), None)
    return list(found)[:count]


def _coloured(
    connection: sqlite3.Connection, *, guild_id: GuildId, filter: Filter, count: int
) -> tuple[list[PictureId], int]:
    """The `count` newest pictures that show the filter's colours, and how many places are inside it. Blocks.

    Where the filter asks for nothing else, the places that show the colours need not be looked at for their number.
    """
    coloured = place_colours.shown(connection, filter)
    order = np.lexsort((coloured.places, -coloured.messages))
    message_ids, place_ids = coloured.messages[order], coloured.places[order]
    rest = replace(filter, colours=())
    only_coloured = replace(rest, after_ms=None, before_ms=None) == Filter(filter.channels)
    values = {"guild": guild_id, **filter_values(rest)}
    found: dict[PictureId, None] = {}
    inside = start = 0
    while start < len(place_ids) and not (only_coloured and len(found) >= count):
        stop = min(start + COLOURED_AT_ONCE, len(place_ids))
        # All places of a message together: their order is not that of their numbers.
        stop = int(np.searchsorted(-message_ids, -message_ids[stop - 1], side="right"))
        values["places"] = as_json(place_ids[start:stop].tolist())
        for (picture_id,) in connection.execute(_OF_THESE, values):
            found.setdefault(PictureId(picture_id), None)
            inside += 1
        start = stop
    return list(found)[:count], len(place_ids) if only_coloured else inside
