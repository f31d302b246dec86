"""Which pictures were read for a kind of text, which come next, and where a file of each can be had."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import aiosqlite

from indexer.database.database import as_json, first
from indexer.errors import Reason
from indexer.records.ids import DISCORD, EVERYWHERE, ChannelId, MessageId, PictureId
from indexer.records.picture_texts import TextKind

# `:files`: only pictures of which an archive has a file.
_AT_HAND = "(NOT :files OR EXISTS (SELECT 1 FROM places f WHERE f.picture_id = p.picture_id AND f.path IS NOT NULL))"
_READY = f"p.state = 'ready' AND {_AT_HAND}"
_UNREAD = (
    f"{_READY} AND EXISTS (SELECT 1 FROM json_each(:kinds) k WHERE NOT EXISTS ("  # noqa: S608 -- constants
    "SELECT 1 FROM readings r WHERE r.picture_id = p.picture_id AND r.kind = k.value))"
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a picture is shown, and where its file is: behind `link` (unsigned), or, if not empty, at `path`."""

    channel_id: ChannelId
    message_id: MessageId
    link: str
    path: str


async def begin(tx: aiosqlite.Connection, kind: TextKind, reader: str) -> None:
    """Names the reader of this kind. What another one has read is to be read anew; its texts stay until then."""
    row = await first(tx, "SELECT name FROM picture_readers WHERE kind = ?", (kind,))
    if row is not None and row[0] == reader:
        return
    await again(tx, kind)
    await tx.execute_fetchall("INSERT OR REPLACE INTO picture_readers (kind, name) VALUES (?, ?)", (kind, reader))


async def again(tx: aiosqlite.Connection, kind: TextKind, channel_ids: Collection[ChannelId] | None = None) -> None:
    """The pictures of these channels (None: all pictures) are to be read anew; their texts stay until then."""
    if channel_ids is None:
        await tx.execute_fetchall("DELETE FROM readings WHERE kind = ?", (kind,))
    else:
        await tx.execute_fetchall(
            "DELETE FROM readings WHERE kind = ? AND picture_id IN (SELECT p.picture_id FROM messages m JOIN places p"
            " USING (message_id) WHERE m.channel_id IN (SELECT value FROM json_each(?)))",
            (kind, as_json(channel_ids)),
        )


async def newer_than(
    connection: aiosqlite.Connection,
    kinds: Collection[TextKind],
    picture_id: PictureId,
    limit: int,
    *,
    files: bool = False,
) -> tuple[list[PictureId], PictureId]:
    """The unread pictures among the first `limit` that were stored after this one, and the last of those looked at.

    Here and below: unread is what was not read for one of `kinds`. `files`: only pictures of which an archive has a
    file.
    """
    rows = await connection.execute_fetchall(
        f"SELECT p.picture_id, {_UNREAD} FROM pictures p WHERE p.picture_id > :after"  # noqa: S608 -- constants
        " ORDER BY p.picture_id LIMIT :limit",
        {"after": picture_id, "limit": limit, "kinds": as_json(kinds), "files": files},
    )
    seen = [(PictureId(found), bool(unread)) for found, unread in rows]
    return [found for found, unread in seen if unread], seen[-1][0] if seen else picture_id


async def newest(connection: aiosqlite.Connection) -> PictureId:
    """The picture that was stored last; 0 where there is none."""
    row = await first(connection, "SELECT ifnull(max(picture_id), 0) FROM pictures")
    assert row is not None, "an aggregate has one row"
    return PictureId(row[0])


async def in_order_of_content(
    connection: aiosqlite.Connection, kinds: Collection[TextKind], after: bytes, limit: int, *, files: bool = False
) -> list[tuple[PictureId, bytes]]:
    """Unread pictures with their SHA-256, ascending from behind `after`: an order that says nothing of their places."""
    rows = await connection.execute_fetchall(
        f"SELECT p.picture_id, p.sha256 FROM pictures p WHERE p.sha256 > :after AND {_UNREAD}"  # noqa: S608 -- constants
        " ORDER BY p.sha256 LIMIT :limit",
        {"after": after, "limit": limit, "kinds": as_json(kinds), "files": files},
    )
    return [(PictureId(picture_id), sha256) for picture_id, sha256 in rows]


async def due(
    connection: aiosqlite.Connection, kinds: Collection[TextKind], now_ms: int, limit: int, *, files: bool = False
) -> list[PictureId]:
    """Pictures whose next attempt is due at `now_ms` (Unix milliseconds)."""
    rows = await connection.execute_fetchall(
        "SELECT p.picture_id FROM readings p WHERE p.next_attempt_ms <= :now"  # noqa: S608 -- constants
        f" AND p.kind IN (SELECT value FROM json_each(:kinds)) AND {_AT_HAND}"
        " GROUP BY p.picture_id ORDER BY min(p.next_attempt_ms) LIMIT :limit",
        {"now": now_ms, "limit": limit, "kinds": as_json(kinds), "files": files},
    )
    return [PictureId(picture_id) for (picture_id,) in rows]


async def wanted_first(
    connection: aiosqlite.Connection, kinds: Collection[TextKind], limit: int, *, files: bool = False
) -> list[PictureId]:
    """Unread pictures of the channels that come first for their kind, the newest messages first."""
    rows = await connection.execute_fetchall(
        "SELECT p.picture_id FROM read_first f JOIN messages m USING (channel_id)"  # noqa: S608 -- constants
        f" JOIN places s USING (message_id) JOIN pictures p USING (picture_id) WHERE {_READY}"
        " AND f.kind IN (SELECT value FROM json_each(:kinds))"
        " AND NOT EXISTS (SELECT 1 FROM readings r WHERE r.picture_id = p.picture_id AND r.kind = f.kind)"
        " GROUP BY p.picture_id ORDER BY max(m.message_id) DESC LIMIT :limit",
        {"limit": limit, "kinds": as_json(kinds), "files": files},
    )
    return [PictureId(picture_id) for (picture_id,) in rows]


async def put_first(tx: aiosqlite.Connection, kind: TextKind, channel_ids: Collection[ChannelId]) -> None:
    """The pictures of these channels are read first from now on."""
    await tx.execute_fetchall(
        "INSERT OR IGNORE INTO read_first (kind, channel_id) SELECT ?, channel_id FROM channels"
        " WHERE channel_id IN (SELECT value FROM json_each(?))",
        (kind, as_json(channel_ids)),
    )


async def none_first(tx: aiosqlite.Connection, kinds: Collection[TextKind]) -> None:
    """No channel comes first any more."""
    await tx.execute_fetchall(
        "DELETE FROM read_first WHERE kind IN (SELECT value FROM json_each(?))", (as_json(kinds),)
    )


async def sources(
    connection: aiosqlite.Connection, picture_id: PictureId, limit: int, *, files: bool = False
) -> list[Source]:
    """Up to `limit` places where a file of the picture can be had, archives first, then the newest.

    Nothing of an author who opted out, also while their messages are still being deleted, and nothing of a server of
    Discord's that may not be read.
    """
    rows = await connection.execute_fetchall(
        "SELECT m.channel_id, m.message_id, p.link, coalesce(p.path, '')"
        " FROM places p JOIN messages m USING (message_id) JOIN guilds g ON g.guild_id = m.guild_id"
        " WHERE p.picture_id = ?1 AND p.state = 'ready' AND (g.consent = 1 OR m.origin_id != ?2)"
        " AND (NOT ?5 OR p.path IS NOT NULL) AND NOT EXISTS ("
        "   SELECT 1 FROM opt_outs o WHERE o.user_id = m.author_id AND o.guild_id IN (?3, m.guild_id))"
        " ORDER BY p.path IS NULL, m.message_id DESC LIMIT ?4",
        (picture_id, DISCORD, EVERYWHERE, limit, files),
    )
    return [Source(*row) for row in rows]


async def was_read(tx: aiosqlite.Connection, picture_id: PictureId, kind: TextKind) -> None:
    """Records that the picture was read, unless it was deleted meanwhile."""
    await tx.execute_fetchall(
        "INSERT INTO readings (picture_id, kind) SELECT picture_id, ?2 FROM pictures WHERE picture_id = ?1"
        " ON CONFLICT DO UPDATE SET reason = NULL, attempts = 0, next_attempt_ms = NULL",
        (picture_id, kind),
    )


async def to_read(
    connection: aiosqlite.Connection, picture_id: PictureId, kinds: Collection[TextKind], now_ms: int
) -> dict[TextKind, int]:
    """For which of the kinds the picture is to be read now (Unix milliseconds), each with how often that has failed."""
    rows = await connection.execute_fetchall(
        "SELECT kind, attempts, next_attempt_ms FROM readings WHERE picture_id = ?", (picture_id,)
    )
    known = {TextKind(kind): (int(attempts), due_ms) for kind, attempts, due_ms in rows}
    found = {}
    for kind in kinds:
        attempts, due_ms = known.get(kind, (0, now_ms))
        if due_ms is not None and due_ms <= now_ms:
            found[kind] = attempts
    return found


async def failed(
    tx: aiosqlite.Connection, picture_id: PictureId, kind: TextKind, reason: Reason, next_attempt_ms: int | None
) -> None:
    """Records one failed attempt, the next not before `next_attempt_ms` (Unix milliseconds; None: never by itself)."""
    await tx.execute_fetchall(
        "INSERT INTO readings (picture_id, kind, reason, attempts, next_attempt_ms)"
        " SELECT picture_id, ?2, ?3, 1, ?4 FROM pictures WHERE picture_id = ?1 ON CONFLICT DO UPDATE"
        " SET reason = excluded.reason, attempts = attempts + 1, next_attempt_ms = excluded.next_attempt_ms",
        (picture_id, kind, reason.value, next_attempt_ms),
    )


async def begun(connection: aiosqlite.Connection) -> list[TextKind]:
    """For what pictures were ever read here."""
    rows = await connection.execute_fetchall("SELECT kind FROM picture_readers ORDER BY kind")
    return [TextKind(kind) for (kind,) in rows]


async def counts(connection: aiosqlite.Connection, kind: TextKind) -> Mapping[str, int]:
    """How many pictures were `read`, of how many a text is known (`with_text`), how many `failed`, and how many are
    `left`.
    """
    row = await first(
        connection,
        "SELECT (SELECT count(*) FROM readings WHERE kind = ?1 AND reason IS NULL),"
        " (SELECT count(*) FROM picture_texts WHERE kind = ?1),"
        " (SELECT count(*) FROM readings WHERE kind = ?1 AND reason IS NOT NULL),"
        " (SELECT count(*) FROM pictures p WHERE p.state = 'ready'"
        "   AND NOT EXISTS (SELECT 1 FROM readings r WHERE r.picture_id = p.picture_id AND r.kind = ?1))",
        (kind,),
    )
    assert row is not None, "it has one row"
    return dict(zip(("read", "with_text", "failed", "left"), map(int, row), strict=True))
