"""Filters alone: what passes them, newest first. Nothing is compared, so neither model nor vectors are needed."""

from __future__ import annotations

import aiosqlite

from indexer.model import Band, Filter, GuildId, Hit, PictureId
from indexer.search import lookup
from indexer.storage import places

# Pictures that can be paged through: a page turn reads those before it, too. An earlier `before:` shows the rest.
MOST = 500
_STEP = 4  # places read at once for each picture that is still missing: re-posts are passed over


async def browse(
    connection: aiosqlite.Connection, guild_id: GuildId, filter: Filter, count: int
) -> tuple[tuple[Hit, ...], int]:
    """The `count` pictures that were posted last inside the filter, and how many places there are inside it.

    Each picture once, with all its places; within one message in the order in which it shows them. The order says
    nothing of what lies outside the filter.
    """
    chosen = await _newest(connection, guild_id, filter, count)
    shown = await lookup.places(connection, guild_id, chosen, filter)
    details = await places.describe(connection, [shown[one][0].place_id for one in chosen if one in shown])
    hits = []
    for picture_id in chosen:
        place, *others = shown[picture_id]
        detail = details[place.place_id]
        hits.append(
            Hit(
                picture_id=picture_id,
                score=0.0,
                place=place,
                link=detail.link,
                source=detail.source,
                file_name=detail.file_name,
                alt_text=detail.alt_text,
                excerpt=detail.content,
                author_name=detail.author_name,
                width=detail.width,
                height=detail.height,
                other_places=tuple(others),
                band=Band.LISTED,
            )
        )
    ((inside,),) = await connection.execute_fetchall(
        "SELECT count(*) FROM messages m JOIN places p USING (message_id)"  # noqa: S608 -- every part is ours
        f" WHERE m.guild_id = :guild AND {lookup.INSIDE}",
        {"guild": guild_id, **lookup.filter_values(filter)},
    )
    return tuple(hits), int(inside)


async def _newest(connection: aiosqlite.Connection, guild_id: GuildId, filter: Filter, count: int) -> list[PictureId]:
    """Walks back from the newest place until `count` different pictures were met."""
    found: dict[PictureId, None] = {}
    values = {"guild": guild_id, **lookup.filter_values(filter)}
    below, after = values["high"], -1  # the last place that was read: its message, and its position there
    while len(found) < count:
        limit = _STEP * (count - len(found))
        rows = await connection.execute_fetchall(
            "SELECT p.picture_id, p.message_id, p.ordinal FROM messages m JOIN places p USING (message_id)"  # noqa: S608 -- ours
            f" WHERE m.guild_id = :guild AND {lookup.INSIDE}"
            " AND (p.message_id < :below OR (p.message_id = :below AND p.ordinal > :after))"
            " ORDER BY p.message_id DESC, p.ordinal LIMIT :limit",
            {**values, "below": below, "after": after, "limit": limit},
        )
        met = list(rows)
        for picture_id, _, _ in met:
            found.setdefault(PictureId(picture_id), None)
        if len(met) < limit:
            break
        _, below, after = met[-1]
    return list(found)[:count]
