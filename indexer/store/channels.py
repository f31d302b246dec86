"""Channels and threads: what they are, and which of them cannot be read at present."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import aiosqlite

from indexer.database.database import as_json, first
from indexer.records.ids import ChannelId, GuildId, OriginId
from indexer.records.messages import Channel, ChannelKind
from indexer.sentence import Sentence

_COLUMNS = "channel_id, guild_id, kind, name, parent_id, age_restricted, archived, origin_id"


async def upsert(tx: aiosqlite.Connection, channels: Sequence[Channel]) -> None:
    """Stores new channels and updates known ones. The reason of a parked channel stays. Their guilds must be known.

    An archive does not change a channel that Discord has listed.
    """
    await tx.executemany(
        f"INSERT INTO channels ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 -- a constant
        " ON CONFLICT (channel_id) DO UPDATE SET kind = excluded.kind, name = excluded.name,"
        " parent_id = excluded.parent_id, age_restricted = excluded.age_restricted, archived = excluded.archived,"
        " origin_id = excluded.origin_id WHERE excluded.origin_id = 0 OR channels.origin_id != 0",
        [
            (c.id, c.guild_id, c.kind.value, c.name, c.parent_id, c.age_restricted, c.archived, c.origin_id)
            for c in channels
        ],
    )


async def of_guild(connection: aiosqlite.Connection, guild_id: GuildId) -> list[Channel]:
    """Every channel and thread of the guild, parked ones too, by id."""
    rows = await connection.execute_fetchall(
        f"SELECT {_COLUMNS} FROM channels WHERE guild_id = ? ORDER BY channel_id",  # noqa: S608 -- a constant
        (guild_id,),
    )
    return [_channel(row) for row in rows]


async def get(connection: aiosqlite.Connection, channel_id: ChannelId) -> Channel | None:
    row = await first(
        connection,
        f"SELECT {_COLUMNS} FROM channels WHERE channel_id = ?",  # noqa: S608 -- a constant
        (channel_id,),
    )
    return _channel(row) if row else None


async def park(tx: aiosqlite.Connection, channel_id: ChannelId, reason: Sentence) -> None:
    """Records why the channel cannot be read. Its stored messages stay."""
    await tx.execute_fetchall(
        "UPDATE channels SET parked_reason = ? WHERE channel_id = ?", (reason.stored(), channel_id)
    )


async def unpark(tx: aiosqlite.Connection, channel_id: ChannelId) -> None:
    await tx.execute_fetchall("UPDATE channels SET parked_reason = NULL WHERE channel_id = ?", (channel_id,))


async def parked(connection: aiosqlite.Connection, guild_id: GuildId) -> dict[ChannelId, Sentence]:
    """The guild's channels that cannot be read at present, each with its reason."""
    rows = await connection.execute_fetchall(
        "SELECT channel_id, parked_reason FROM channels WHERE guild_id = ? AND parked_reason IS NOT NULL", (guild_id,)
    )
    return {ChannelId(channel_id): Sentence.of_stored(reason) for channel_id, reason in rows}


async def is_parked(connection: aiosqlite.Connection, channel_id: ChannelId) -> bool:
    """Whether the channel is known and cannot be read at present."""
    sql = "SELECT 1 FROM channels WHERE channel_id = ? AND parked_reason IS NOT NULL"
    return await first(connection, sql, (channel_id,)) is not None


async def delete(tx: aiosqlite.Connection, channel_ids: Collection[ChannelId]) -> int:
    """Deletes channels and their threads with all that was read of them. Returns the number of channels and threads.

    It also deletes their messages, texts and spans, and pictures that no other channel shows, with their vectors.
    """
    cursor = await tx.execute(
        "DELETE FROM channels WHERE channel_id IN (SELECT value FROM json_each(?1))"
        " OR parent_id IN (SELECT value FROM json_each(?1))",
        (as_json(channel_ids),),
    )
    return cursor.rowcount


def _channel(row: Sequence[Any]) -> Channel:
    channel_id, guild_id, kind, name, parent_id, age_restricted, archived, origin_id = row
    return Channel(
        id=ChannelId(channel_id),
        guild_id=GuildId(guild_id),
        kind=ChannelKind(kind),
        name=name,
        parent_id=None if parent_id is None else ChannelId(parent_id),
        age_restricted=bool(age_restricted),
        archived=bool(archived),
        origin_id=OriginId(origin_id),
    )
