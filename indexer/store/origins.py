"""Archives that were imported: the parser, location, version and media folders of each."""

from __future__ import annotations

import json
from collections.abc import Sequence

import aiosqlite

from indexer.database.database import as_json, first
from indexer.records.ids import GuildId, OriginId
from indexer.records.messages import Origin


async def note(
    tx: aiosqlite.Connection, kind: str, location: str, version: str, media_folders: Sequence[str] = ()
) -> Origin:
    """The origin of this archive; stored if it is new. If its `version` has changed, it is read from the start."""
    stored_row = await first(
        tx, "SELECT origin_id, version FROM origins WHERE kind = ? AND location = ?", (kind, location)
    )
    folders = json.dumps(list(media_folders))
    if stored_row is None:
        new_row = await first(
            tx,
            "INSERT INTO origins (kind, location, version, media_folders) VALUES (?, ?, ?, ?) RETURNING origin_id",
            (kind, location, version, folders),
        )
        assert new_row is not None, "an insert has one row"
        return Origin(OriginId(new_row[0]), kind, location, version, tuple(media_folders))
    origin = Origin(OriginId(stored_row[0]), kind, location, version, tuple(media_folders))
    await tx.execute_fetchall(
        "UPDATE origins SET version = ?, media_folders = ? WHERE origin_id = ?", (version, folders, origin.id)
    )
    if stored_row[1] != version:
        await tx.execute_fetchall("DELETE FROM spans WHERE origin_id = ?", (origin.id,))
        await tx.execute_fetchall("UPDATE origins SET brought = NULL WHERE origin_id = ?", (origin.id,))
    return origin


async def set_brought(tx: aiosqlite.Connection, origin_id: OriginId, brought: str) -> None:
    """Notes what an archive brought that was read to its end (JSON)."""
    await tx.execute_fetchall("UPDATE origins SET brought = ? WHERE origin_id = ?", (brought, origin_id))


async def brought(
    connection: aiosqlite.Connection, kind: str, location: str, version: str, media_folders: Sequence[str]
) -> str | None:
    """What this version of an archive brought. None where it was not read to its end, where a channel or server was
    deleted since, or where a picture of it waits or was not found.
    """
    row = await first(
        connection,
        "SELECT brought FROM origins o WHERE kind = ? AND location = ? AND version = ? AND media_folders = ?"
        " AND NOT EXISTS ("
        "   SELECT 1 FROM json_each(o.brought, '$.survey.guilds') g JOIN places p ON p.guild_id = g.key + 0"
        "   WHERE p.state = 'pending' OR (p.state = 'failed' AND p.picture_id IS NULL))",
        (kind, location, version, json.dumps(list(media_folders))),
    )
    return None if row is None else row[0]


async def read_again(tx: aiosqlite.Connection) -> None:
    """The next import of any archive reads it, also if it has not changed."""
    await tx.execute_fetchall("UPDATE origins SET brought = NULL WHERE brought IS NOT NULL")


async def of_guild(connection: aiosqlite.Connection, guild_id: GuildId) -> list[OriginId]:
    """The archives that told of this guild."""
    rows = await connection.execute_fetchall(
        "SELECT origin_id FROM guilds WHERE guild_id = ?1 AND origin_id != 0"
        " UNION SELECT origin_id FROM channels WHERE guild_id = ?1 AND origin_id != 0"
        " UNION SELECT s.origin_id FROM spans s JOIN channels USING (channel_id)"
        "   WHERE guild_id = ?1 AND s.origin_id != 0",
        (guild_id,),
    )
    return [OriginId(origin_id) for (origin_id,) in rows]


async def remove_unused(tx: aiosqlite.Connection, origin_ids: Sequence[OriginId]) -> None:
    """Deletes those of these archives of which nothing is stored any more: their paths are forgotten."""
    await tx.execute_fetchall(
        "DELETE FROM origins WHERE origin_id IN (SELECT value FROM json_each(?))"
        " AND NOT EXISTS (SELECT 1 FROM guilds WHERE origin_id = origins.origin_id)"
        " AND NOT EXISTS (SELECT 1 FROM channels WHERE origin_id = origins.origin_id)"
        " AND NOT EXISTS (SELECT 1 FROM spans WHERE origin_id = origins.origin_id)"
        " AND NOT EXISTS (SELECT 1 FROM jobs WHERE scope ->> 'origin_id' = origins.origin_id)"
        " AND NOT EXISTS (SELECT 1 FROM messages WHERE origin_id = origins.origin_id)",
        (as_json(origin_ids),),
    )


async def get(connection: aiosqlite.Connection, origin_id: OriginId) -> Origin | None:
    row = await first(
        connection,
        "SELECT kind, location, version, media_folders FROM origins WHERE origin_id = ?",
        (origin_id,),
    )
    if row is None:
        return None
    kind, location, version, folders = row
    return Origin(origin_id, kind, location, version, tuple(json.loads(folders)))
