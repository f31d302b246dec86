"""Places: where pictures are shown, which of them still have to be fetched, and the outcome of the others."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite

from indexer.database import many_rows
from indexer.database.database import as_json, first
from indexer.errors import Reason
from indexer.records.hits import Filter, Place, PlaceDetail
from indexer.records.ids import EVERYWHERE, ChannelId, GuildId, MessageId, OriginId, PictureId, PlaceId, UserId
from indexer.records.messages import PlaceFlag, Source
from indexer.store.filter_sql import PLACE_INSIDE, filter_values

# Reasons for which another version of the picture readers may succeed.
OF_READERS = (
    Reason.NOT_A_PICTURE, Reason.VIDEO, Reason.DOCUMENT, Reason.CORRUPT, Reason.TRUNCATED, Reason.UNSUPPORTED,
    Reason.NEEDS_HEIC, Reason.NEEDS_RAW,
    Reason.TOO_MANY_PIXELS, Reason.TOO_MANY_PARTS, Reason.TOO_SLOW, Reason.TOO_MUCH_MEMORY, Reason.WORKER_DIED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PendingPlace:
    """A place whose picture has to be fetched (again), from the origin of its message.

    `link` has no signature: signed links are not stored, and the message has to be requested for one. `attempts` counts
    failures so far.
    """

    place_id: PlaceId
    guild_id: GuildId
    channel_id: ChannelId
    message_id: MessageId
    origin_id: OriginId
    ordinal: int
    link: str
    attempts: int


@dataclass(frozen=True, slots=True)
class ShownPlace:
    """A place whose picture can be searched, and where its bytes are: behind `link` (unsigned), or at `path`."""

    place_id: PlaceId
    picture_id: PictureId
    channel_id: ChannelId
    message_id: MessageId
    link: str
    path: str


# For each guild with work, its own newest `limit` places; then the first of every guild, the second of every guild, …
_PENDING = """
WITH working AS (
    SELECT guild_id FROM guilds
    WHERE CASE WHEN :guild IS NULL THEN consent = 1 OR origin_id != 0 ELSE guild_id = :guild END
), newest AS (
    SELECT p.*, row_number() OVER (PARTITION BY p.guild_id ORDER BY p.message_id DESC, p.ordinal) AS turn
    FROM working CROSS JOIN places p ON p.place_id IN (
        SELECT place_id FROM (
            SELECT place_id FROM places w
            WHERE w.guild_id = working.guild_id AND w.state = 'pending'
                AND w.place_id NOT IN (SELECT value FROM json_each(:exclude))
            ORDER BY w.message_id DESC LIMIT :limit
        )
        UNION ALL
        SELECT place_id FROM (
            SELECT place_id FROM places w
            WHERE w.guild_id = working.guild_id AND w.state = 'failed' AND w.next_attempt_ms <= :now
                AND w.place_id NOT IN (SELECT value FROM json_each(:exclude))
            ORDER BY w.next_attempt_ms LIMIT :limit
        )
    )
)
SELECT n.place_id, n.guild_id, m.channel_id, n.message_id, m.origin_id, n.ordinal, n.link, n.attempts
FROM newest n JOIN messages m USING (message_id)
ORDER BY n.turn, random() LIMIT :limit
"""


def read_place(columns: Sequence[Any]) -> Place:
    """Of message_id, place_id, channel_id, author_id and flags."""
    message_id, place_id, channel_id, author_id, flags = columns
    return Place(MessageId(message_id), PlaceId(place_id), ChannelId(channel_id), UserId(author_id), PlaceFlag(flags))


async def pending(
    connection: aiosqlite.Connection,
    limit: int,
    now_ms: int,
    guild_id: GuildId | None = None,
    *,
    exclude: Collection[PlaceId] = (),
) -> list[PendingPlace]:
    """Up to `limit` places to fetch: never tried, or failed and due at `now_ms` (Unix milliseconds).

    The newest message of a guild comes first. Guilds that consented, or that only an archive knows, take turns, even if
    one has more places (or only `guild_id`). `exclude` has the places that are being fetched already.
    """
    rows = await connection.execute_fetchall(
        _PENDING, {"guild": guild_id, "limit": limit, "now": now_ms, "exclude": as_json(exclude)}
    )
    return [PendingPlace(*row) for row in rows]


async def failed(
    tx: aiosqlite.Connection, place_id: PlaceId, reason: Reason, next_attempt_ms: int | None = None
) -> bool:
    """Records one failed attempt, the next not before `next_attempt_ms` (Unix milliseconds; None: never by itself).

    False: the place was deleted meanwhile, or has its picture.
    """
    cursor = await tx.execute(
        "UPDATE places SET state = 'failed', reason = ?, attempts = attempts + 1, next_attempt_ms = ?"
        " WHERE place_id = ? AND state != 'ready'",
        (reason.value, next_attempt_ms, place_id),
    )
    return cursor.rowcount > 0


async def attach(tx: aiosqlite.Connection, place_id: PlaceId, picture_id: PictureId) -> bool:
    """As `attach_all`, for one place. False where it was deleted meanwhile."""
    return await attach_all(tx, [(place_id, picture_id)]) > 0


async def attach_all(tx: aiosqlite.Connection, shown: Sequence[tuple[PlaceId, PictureId]]) -> int:
    """Records that each place shows its picture. It is ready, or failed with the reason of a rejected picture.

    Returns how many places there are still; a picture whose last place was deleted meanwhile is deleted too. An
    animated picture marks its place.
    """
    attached = await many_rows.write(
        tx,
        "UPDATE places SET picture_id = p.picture_id, reason = p.reason, next_attempt_ms = NULL,"  # noqa: S608 -- a number
        "   state = iif(p.state = 'ready', 'ready', 'failed'),"
        "   attempts = places.attempts + (p.state = 'rejected'),"
        f"   flags = places.flags | iif(p.frame_count > 1, {int(PlaceFlag.ANIMATED)}, 0)"
        " FROM (:rows) AS shown CROSS JOIN pictures AS p ON p.picture_id = shown.column2"
        " WHERE places.place_id = shown.column1",
        shown,
    )
    if attached < len(shown):
        await tx.execute_fetchall(
            "DELETE FROM pictures WHERE picture_id IN (SELECT value FROM json_each(?))"
            " AND NOT EXISTS (SELECT 1 FROM places WHERE places.picture_id = pictures.picture_id)",
            (as_json(picture_id for _, picture_id in shown),),
        )
    return attached


async def retry(
    tx: aiosqlite.Connection, guild_id: GuildId | None = None, reasons: Collection[Reason] = tuple(Reason)
) -> int:
    """Makes every failed place of the guild (None: of all) that has one of these reasons pending, as if never tried.

    Returns how many. Rejected pictures are detached, so that their bytes are opened again.
    """
    cursor = await tx.execute(
        "UPDATE places SET state = 'pending', reason = NULL, attempts = 0, next_attempt_ms = NULL, picture_id = NULL"
        " WHERE state = 'failed' AND (?1 IS NULL OR guild_id = ?1) AND reason IN (SELECT value FROM json_each(?2))",
        (guild_id, json.dumps([reason.value for reason in reasons])),
    )
    return cursor.rowcount


async def retry_for(tx: aiosqlite.Connection, readers: int) -> int:
    """Makes places that another version of the picture readers could not open pending again, once.

    `readers` is the version of the present ones. Returns how many places.
    """
    row = await first(tx, "UPDATE readers SET version = ?1 WHERE version != ?1 RETURNING version", (readers,))
    return 0 if row is None else await retry(tx, reasons=OF_READERS)


async def retry_origin(tx: aiosqlite.Connection, origin_id: OriginId) -> int:
    """The same for places of one archive whose bytes were not found: the files may exist now. Returns how many."""
    cursor = await tx.execute(
        "UPDATE places SET state = 'pending', reason = NULL, attempts = 0, next_attempt_ms = NULL"
        " WHERE state = 'failed' AND picture_id IS NULL"
        " AND EXISTS (SELECT 1 FROM messages m WHERE m.message_id = places.message_id AND m.origin_id = ?)",
        (origin_id,),
    )
    return cursor.rowcount


async def waiting(connection: aiosqlite.Connection, guild_id: GuildId) -> int:
    """How many places of the guild must still be fetched: pending ones, and failed ones that will be tried again."""
    row = await first(
        connection,
        "SELECT (SELECT count(*) FROM places WHERE state = 'pending' AND guild_id = ?1)"
        " + (SELECT count(*) FROM places WHERE state = 'failed' AND guild_id = ?1 AND next_attempt_ms IS NOT NULL)",
        (guild_id,),
    )
    assert row is not None
    return int(row[0])


async def describe(connection: aiosqlite.Connection, place_ids: Collection[PlaceId]) -> dict[PlaceId, PlaceDetail]:
    """The places that still exist, by id."""
    rows = await connection.execute_fetchall(
        "SELECT p.source, p.flags, p.place_id, p.picture_id, m.guild_id, m.channel_id, m.message_id, m.author_id,"
        "   u.name, t.content, p.link, p.file_name, p.alt_text,"
        "   coalesce(p.width, x.width, 0), coalesce(p.height, x.height, 0), coalesce(p.path, ''),"
        "   (SELECT json_group_array(tag) FROM (SELECT tag FROM tags WHERE place_id = p.place_id ORDER BY tag))"
        " FROM places p JOIN messages m USING (message_id) JOIN texts t USING (message_id)"
        " JOIN users u ON u.user_id = m.author_id LEFT JOIN pictures x USING (picture_id)"
        " WHERE p.place_id IN (SELECT value FROM json_each(?))",
        (as_json(place_ids),),
    )
    details = [
        PlaceDetail(Source(source), PlaceFlag(flags), *(*rest, tuple(json.loads(tags))))
        for source, flags, *rest, tags in rows
    ]
    return {detail.place_id: detail for detail in details}


async def place_in(connection: aiosqlite.Connection, guild_id: GuildId, place_id: PlaceId) -> ShownPlace | None:
    """A place of this guild whose picture can be searched; None where there is none.

    Nothing of an author who opted out is found, also while their messages are still being deleted.
    """
    row = await first(
        connection,
        "SELECT p.place_id, p.picture_id, m.channel_id, p.message_id, p.link, coalesce(p.path, '')"
        " FROM places p JOIN messages m USING (message_id)"
        " WHERE p.place_id = ? AND m.guild_id = ? AND p.state = 'ready' AND NOT EXISTS ("
        "   SELECT 1 FROM opt_outs o WHERE o.user_id = m.author_id AND o.guild_id IN (?, m.guild_id))",
        (place_id, guild_id, EVERYWHERE),
    )
    return None if row is None else ShownPlace(*row)


async def showing(
    connection: aiosqlite.Connection, picture_ids: Collection[PictureId]
) -> dict[PictureId, PendingPlace]:
    """The newest place of each picture, to fetch it again for an embedding of another model."""
    rows = await connection.execute_fetchall(
        "SELECT p.picture_id, p.place_id, p.guild_id, m.channel_id, p.message_id, m.origin_id, p.ordinal, p.link,"
        "   p.attempts"
        " FROM places p JOIN messages m USING (message_id)"
        " WHERE p.picture_id IN (SELECT value FROM json_each(?)) ORDER BY p.message_id, p.ordinal DESC",
        (as_json(picture_ids),),
    )
    return {PictureId(picture_id): PendingPlace(*place) for picture_id, *place in rows}


async def ready_in_guild(connection: aiosqlite.Connection, guild_id: GuildId) -> int:
    """How many ready places the guild has: a picture counts as often as it was posted."""
    row = await first(connection, "SELECT count(*) FROM places WHERE guild_id = ? AND state = 'ready'", (guild_id,))
    assert row is not None, "an aggregate has one row"
    return int(row[0])


async def random(connection: aiosqlite.Connection, guild_id: GuildId, filter: Filter, count: int) -> list[PlaceId]:
    """Up to `count` random places inside the filter, of different messages. Each message has the same probability."""
    rows = await connection.execute_fetchall(
        "SELECT min(p.place_id) FROM messages m JOIN places p USING (message_id)"  # noqa: S608 -- every part is ours
        f" WHERE m.guild_id = :guild AND {PLACE_INSIDE}"
        " GROUP BY p.message_id ORDER BY random() LIMIT :count",
        {"guild": guild_id, "count": count, **filter_values(filter)},
    )
    return [PlaceId(place_id) for (place_id,) in rows]
