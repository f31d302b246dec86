"""Pictures: content, identified by its SHA-256. It is stored once, even if it is posted many times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite

from indexer.database import many_rows
from indexer.database.database import as_json, first
from indexer.errors import Reason
from indexer.records.ids import PictureId
from indexer.records.pictures import DecodedPicture

_AT_ONCE = 500  # digests in one question
_SELECT = (
    "SELECT picture_id, sha256, perceptual_hash, width, height, format, frame_count, byte_count, reason FROM pictures"
)


@dataclass(frozen=True, slots=True)
class PictureRow:
    """A stored picture. `rejected` says why its bytes can never be searched; then the fields from decoding are None.

    `perceptual_hash` is unsigned, 64 bits.
    """

    id: PictureId
    sha256: bytes
    perceptual_hash: int | None
    width: int | None
    height: int | None
    format: str | None
    frame_count: int | None
    byte_count: int
    rejected: Reason | None


async def by_sha256(connection: aiosqlite.Connection, sha256: bytes) -> PictureRow | None:
    row = await first(connection, _SELECT + " WHERE sha256 = ?", (sha256,))
    return _picture(row) if row else None


async def get(connection: aiosqlite.Connection, picture_id: PictureId) -> PictureRow | None:
    row = await first(connection, _SELECT + " WHERE picture_id = ?", (picture_id,))
    return _picture(row) if row else None


async def add(tx: aiosqlite.Connection, picture: DecodedPicture) -> PictureId:
    """As `add_all`, for one picture."""
    return (await add_all(tx, [picture]))[0]


async def add_all(tx: aiosqlite.Connection, pictures: Sequence[DecodedPicture]) -> list[PictureId]:
    """Stores the pictures that are new, and returns the id of each, in order. A rejected picture becomes ready, in all
    its places.

    Attach them to their places in the same transaction: a picture that no place shows is deleted.
    """
    await many_rows.write(
        tx,
        "INSERT INTO pictures (sha256, perceptual_hash, colours, width, height, format, frame_count, byte_count, state)"
        " :rows"
        " ON CONFLICT (sha256) DO UPDATE SET perceptual_hash = excluded.perceptual_hash,"
        "   colours = ifnull(excluded.colours, colours), width = excluded.width,"
        "   height = excluded.height, format = excluded.format, frame_count = excluded.frame_count,"
        "   state = 'ready', reason = NULL",
        [
            (
                picture.sha256,
                as_signed(picture.perceptual_hash),
                picture.colours or None,
                picture.width,
                picture.height,
                picture.format,
                picture.frame_count,
                picture.byte_count,
                "ready",
            )
            for picture in pictures
        ],
    )
    ids: dict[bytes, PictureId] = {}
    for at in range(0, len(pictures), _AT_ONCE):
        digests = [picture.sha256 for picture in pictures[at : at + _AT_ONCE]]
        rows = await tx.execute_fetchall(
            f"SELECT sha256, picture_id FROM pictures WHERE sha256 IN ({', '.join('?' * len(digests))})",  # noqa: S608 -- marks
            digests,
        )
        ids.update((sha256, PictureId(picture_id)) for sha256, picture_id in rows)
    await tx.execute_fetchall(
        "UPDATE places SET state = 'ready', reason = NULL, next_attempt_ms = NULL"
        " WHERE picture_id IN (SELECT value FROM json_each(?)) AND state = 'failed'",
        (as_json(ids.values()),),
    )
    return [ids[picture.sha256] for picture in pictures]


async def add_rejected(tx: aiosqlite.Connection, sha256: bytes, byte_count: int, reason: Reason) -> PictureId:
    """Records bytes that can never be searched, so that they are not tried again. A ready picture stays ready.

    Attach it to its place in the same transaction.
    """
    await tx.execute_fetchall(
        "INSERT INTO pictures (sha256, byte_count, state, reason) VALUES (?, ?, 'rejected', ?) ON CONFLICT DO NOTHING",
        (sha256, byte_count, reason.value),
    )
    row = await first(tx, "SELECT picture_id FROM pictures WHERE sha256 = ?", (sha256,))
    assert row is not None
    return PictureId(row[0])


def as_signed(value: int) -> int:
    """64 unsigned bits as SQLite's integer."""
    return value - (1 << 64) if value >= 1 << 63 else value


def as_unsigned(stored: int) -> int:
    """SQLite's integer as 64 unsigned bits."""
    return stored & (1 << 64) - 1


def _picture(row: Sequence[Any]) -> PictureRow:
    picture_id, sha256, perceptual_hash, width, height, picture_format, frame_count, byte_count, reason = row
    return PictureRow(
        id=PictureId(picture_id),
        sha256=sha256,
        perceptual_hash=None if perceptual_hash is None else as_unsigned(perceptual_hash),
        width=width,
        height=height,
        format=picture_format,
        frame_count=frame_count,
        byte_count=byte_count,
        rejected=None if reason is None else Reason(reason),
    )


async def any_unshown(connection: aiosqlite.Connection) -> bool:
    """Whether a picture is stored that no place shows. Only a salvage leaves such pictures (indexer/backup)."""
    sql = "SELECT 1 FROM pictures p WHERE NOT EXISTS (SELECT 1 FROM places WHERE picture_id = p.picture_id) LIMIT 1"
    return await first(connection, sql) is not None


async def delete_unshown(tx: aiosqlite.Connection, limit: int) -> int:
    """Deletes up to `limit` pictures that no place shows, with their embeddings. Returns how many."""
    cursor = await tx.execute(
        "DELETE FROM pictures WHERE picture_id IN (SELECT picture_id FROM pictures p"
        " WHERE NOT EXISTS (SELECT 1 FROM places WHERE picture_id = p.picture_id) LIMIT ?)",
        (limit,),
    )
    return cursor.rowcount
