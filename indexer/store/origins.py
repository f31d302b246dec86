"""Archives that were imported: what each is read with, where it lies, and what else it showed at an earlier import."""

from __future__ import annotations

import aiosqlite

from indexer.database.database import first
from indexer.model import Origin, OriginId


async def note(tx: aiosqlite.Connection, kind: str, location: str, version: str) -> Origin:
    """The origin of this archive, made where it is new. Where its `version` has changed it is read from the start."""
    known = await first(tx, "SELECT origin_id, version FROM origins WHERE kind = ? AND location = ?", (kind, location))
    if known is None:
        made = await first(
            tx,
            "INSERT INTO origins (kind, location, version) VALUES (?, ?, ?) RETURNING origin_id",
            (kind, location, version),
        )
        assert made is not None, "an insert has one row"
        return Origin(OriginId(made[0]), kind, location, version)
    origin = Origin(OriginId(known[0]), kind, location, version)
    if known[1] != version:
        await tx.execute_fetchall("UPDATE origins SET version = ? WHERE origin_id = ?", (version, origin.id))
        await tx.execute_fetchall("DELETE FROM spans WHERE origin_id = ?", (origin.id,))
    return origin


async def get(connection: aiosqlite.Connection, origin_id: OriginId) -> Origin | None:
    row = await first(
        connection, "SELECT origin_id, kind, location, version FROM origins WHERE origin_id = ?", (origin_id,)
    )
    return None if row is None else Origin(OriginId(row[0]), *row[1:])
