"""Filters alone: what passes them, newest first. Nothing is compared, so neither model nor vectors are needed."""

from __future__ import annotations

import aiosqlite

from indexer.clock import now_ms
from indexer.records.hits import Band, Filter, Hit, Parts
from indexer.records.ids import GuildId, PictureId, first_message_at
from indexer.search import picture_facts
from indexer.search.hits import hit_at
from indexer.store import places
from indexer.store.filter_sql import PLACE_INSIDE, filter_values

# Pictures that can be paged through: a page turn reads those before it, too. An earlier `before:` shows the rest.
MOST = 500
DAY_MS = 86_400_000


async def browse(
    connection: aiosqlite.Connection, guild_id: GuildId, filter: Filter, count: int
) -> tuple[tuple[Hit, ...], int]:
    """The `count` pictures that were posted last inside the filter, and how many places there are inside it.

    Each picture once, with all its places; within one message in the order in which it shows them. The order says
    nothing of what lies outside the filter.
    """
    chosen = await _newest(connection, guild_id, filter, count)
    shown = await picture_facts.places(connection, guild_id, chosen, filter)
    colours = await picture_facts.colour_shares(connection, chosen, filter.colours)
    details = await places.describe(connection, [shown[picture_id][0].place_id for picture_id in chosen])
    hits = []
    for picture_id in chosen:
        place, *others = shown[picture_id]
        parts = Parts(colour=colours.get(picture_id))
        hits.append(hit_at(picture_id, place, details[place.place_id], Band.LISTED, tuple(others), parts=parts))
    ((inside,),) = await connection.execute_fetchall(
        "SELECT count(*) FROM messages m JOIN places p USING (message_id)"  # noqa: S608 -- every part is ours
        f" WHERE m.guild_id = :guild AND {PLACE_INSIDE}",
        {"guild": guild_id, **filter_values(filter)},
    )
    return tuple(hits), int(inside)


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
