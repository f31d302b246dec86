"""Which pictures may have a thumbnail on the disk, and which thumbnail belongs to a place.

Thumbnails are known by the SHA-256 of the file that they were made of, never by the picture's row: after a restore
another picture may have the number of a former one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import aiosqlite

from indexer.database.database import as_json
from indexer.records.ids import DISCORD, EVERYWHERE, PlaceId

_AT_ONCE = 500  # digests in one question


async def of_places(
    connection: aiosqlite.Connection, place_ids: Collection[PlaceId], *, of_discord: bool
) -> dict[PlaceId, bytes]:
    """The SHA-256 of each place's picture, of places that may be shown from the disk.

    `of_discord`: also of messages that Discord told of, not of archives alone. An author who opted out has none, also
    while their messages are still being deleted.
    """
    rows = await connection.execute_fetchall(
        "SELECT p.place_id, x.sha256"
        " FROM places p JOIN messages m USING (message_id) JOIN pictures x USING (picture_id)"
        " WHERE p.place_id IN (SELECT value FROM json_each(:places)) AND p.state = 'ready'"
        " AND (:of_discord OR m.origin_id != :discord) AND NOT EXISTS ("
        "   SELECT 1 FROM opt_outs o WHERE o.user_id = m.author_id AND o.guild_id IN (:everywhere, m.guild_id))",
        {
            "places": as_json(place_ids),
            "of_discord": of_discord,
            "discord": DISCORD,
            "everywhere": EVERYWHERE,
        },
    )
    return {PlaceId(place_id): sha256 for place_id, sha256 in rows}


async def wanted(connection: aiosqlite.Connection, digests: Iterable[bytes], *, of_discord: bool) -> set[bytes]:
    """Those of these SHA-256 that are a picture's which some message shows; see `of_places`."""
    found: set[bytes] = set()
    every = list(digests)
    for at in range(0, len(every), _AT_ONCE):
        part = every[at : at + _AT_ONCE]
        rows = await connection.execute_fetchall(
            f"SELECT x.sha256 FROM pictures x WHERE x.sha256 IN ({', '.join('?' * len(part))})"  # noqa: S608 -- marks
            " AND x.state = 'ready' AND EXISTS (SELECT 1 FROM places p JOIN messages m USING (message_id)"
            "   WHERE p.picture_id = x.picture_id AND (? OR m.origin_id != ?))",
            (*part, of_discord, DISCORD),
        )
        found.update(sha256 for (sha256,) in rows)
    return found
