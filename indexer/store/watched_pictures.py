"""Pictures that managers watch for, what was found of them, and which channels are to be told."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any, Final

import aiosqlite

from indexer.database.database import as_json, first
from indexer.records.copies import Copy
from indexer.records.hits import Band
from indexer.records.ids import ChannelId, GuildId, MessageId, ModelId, PlaceId, UserId
from indexer.records.saved_searches import AskedPicture
from indexer.records.watched import Watch, WatchedMatch, WatchedPicture
from indexer.store.asked_pictures import asked_picture, columns_of
from indexer.store.places import read_place

_COLUMNS: Final = (
    "w.watch_id, w.added_by, w.after_id, w.channel_id, w.alike, coalesce(w.small_copy, x''), w.sha256,"
    " w.perceptual_hash, w.model_id, w.vector"
)


async def of_guild(
    connection: aiosqlite.Connection, guild_id: GuildId, model_id: ModelId | None
) -> list[WatchedPicture]:
    """All of the guild in the order in which they were added; those of messages with the embeddings of this model."""
    rows = await connection.execute_fetchall(
        f"SELECT {_COLUMNS}, x.sha256, x.perceptual_hash, e.model_id, e.vector,"  # noqa: S608 -- a constant
        "   p.message_id, p.place_id, m.channel_id, m.author_id, p.flags"
        " FROM watched_pictures w LEFT JOIN places p USING (place_id) LEFT JOIN messages m USING (message_id)"
        " LEFT JOIN pictures x USING (picture_id)"
        " LEFT JOIN embeddings e ON e.picture_id = x.picture_id AND e.model_id = ?"
        " WHERE w.guild_id = ? ORDER BY w.watch_id",
        (model_id, guild_id),
    )
    found = []
    for row in rows:
        watched, shown, place = _watched(row[:10]), row[10:14], row[14:]
        if place[0] is not None:
            at = read_place(place)
            picture = asked_picture(shown[0], shown[1] or 0, *shown[2:])
            watched = WatchedPicture(watched.watch_id, watched.watch, at, picture)
        found.append(watched)
    return found


async def added_by(connection: aiosqlite.Connection, user_id: UserId) -> list[tuple[GuildId, WatchedPicture]]:
    """What this member has added in all guilds, without what messages show."""
    rows = await connection.execute_fetchall(
        f"SELECT w.guild_id, {_COLUMNS} FROM watched_pictures w WHERE w.added_by = ? ORDER BY w.watch_id",  # noqa: S608 -- a constant
        (user_id,),
    )
    return [(GuildId(guild), _watched(columns)) for guild, *columns in rows]


def _watched(columns: Sequence[Any]) -> WatchedPicture:
    watch_id, member, after, channel, alike, small_copy, *picture = columns
    watch = Watch(UserId(member), MessageId(after), ChannelId(channel), bool(alike))
    return WatchedPicture(watch_id, watch, None, asked_picture(*picture), small_copy)


async def count(connection: aiosqlite.Connection, guild_id: GuildId) -> int:
    row = await first(connection, "SELECT count(*) FROM watched_pictures WHERE guild_id = ?", (guild_id,))
    assert row is not None, "an aggregate has one row"
    return int(row[0])


async def places_of_message(
    connection: aiosqlite.Connection, guild_id: GuildId, message_id: MessageId, channels: Collection[ChannelId]
) -> list[PlaceId]:
    """The places of a stored message in one of these channels whose pictures can be searched, as it shows them."""
    rows = await connection.execute_fetchall(
        "SELECT p.place_id FROM places p JOIN messages m USING (message_id) WHERE p.message_id = ? AND m.guild_id = ?"
        " AND p.state = 'ready' AND m.channel_id IN (SELECT value FROM json_each(?)) ORDER BY p.ordinal",
        (message_id, guild_id, as_json(channels)),
    )
    return [PlaceId(place_id) for (place_id,) in rows]


async def put_place(tx: aiosqlite.Connection, guild_id: GuildId, watch: Watch, place_id: PlaceId) -> int | None:
    """Watches for the picture of a place; returns the id. None where the member opted out."""
    return await _put(tx, guild_id, watch, (place_id, *columns_of(None), None))


async def put_upload(
    tx: aiosqlite.Connection, guild_id: GuildId, watch: Watch, picture: AskedPicture, small_copy: bytes
) -> int | None:
    """Watches for an uploaded picture; returns the id. None where the member opted out."""
    return await _put(tx, guild_id, watch, (None, *columns_of(picture), small_copy))


async def _put(tx: aiosqlite.Connection, guild_id: GuildId, watch: Watch, columns: tuple[object, ...]) -> int | None:
    row = await first(
        tx,
        "INSERT INTO watched_pictures (guild_id, added_by, after_id, channel_id, alike, place_id, sha256,"
        " perceptual_hash, model_id, vector, small_copy)"
        " SELECT guild_id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM guilds WHERE guild_id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM opt_outs WHERE user_id = ?2 AND guild_id IN (0, ?1)) RETURNING watch_id",
        (guild_id, watch.added_by, watch.after_id, watch.channel_id, int(watch.alike), *columns),
    )
    return None if row is None else int(row[0])


async def renew(tx: aiosqlite.Connection, watch_id: int, picture: AskedPicture) -> None:
    """The embedding of an uploaded picture is now this one."""
    *_, model_id, vector = columns_of(picture)
    await tx.execute_fetchall(
        "UPDATE watched_pictures SET model_id = ?, vector = ? WHERE watch_id = ? AND place_id IS NULL",
        (model_id, vector, watch_id),
    )


async def remove(tx: aiosqlite.Connection, guild_id: GuildId, watch_id: int) -> bool:
    """False where the guild has no such one."""
    cursor = await tx.execute("DELETE FROM watched_pictures WHERE guild_id = ? AND watch_id = ?", (guild_id, watch_id))
    return cursor.rowcount > 0


async def add_matches(tx: aiosqlite.Connection, matches: Sequence[WatchedMatch]) -> None:
    """What was found. What is deleted by now is left out."""
    for match in matches:
        await tx.execute_fetchall(
            "INSERT OR IGNORE INTO watched_matches (watch_id, place_id, band, copy)"
            " SELECT w.watch_id, p.place_id, ?3, ?4 FROM watched_pictures w, places p"
            " WHERE w.watch_id = ?1 AND p.place_id = ?2",
            (
                match.watch_id,
                match.place.place_id,
                match.band.value,
                None if match.copy is None else json.dumps(asdict(match.copy)),
            ),
        )


async def channels_to_tell(connection: aiosqlite.Connection) -> list[tuple[GuildId, ChannelId]]:
    """Those with something to tell."""
    rows = await connection.execute_fetchall(
        "SELECT DISTINCT w.guild_id, w.channel_id FROM watched_matches f JOIN watched_pictures w USING (watch_id)"
    )
    return [(GuildId(guild_id), ChannelId(channel_id)) for guild_id, channel_id in rows]


_OF_CHANNEL = "watch_id IN (SELECT watch_id FROM watched_pictures WHERE guild_id = ?1 AND channel_id = ?2)"


async def take(tx: aiosqlite.Connection, guild_id: GuildId, channel_id: ChannelId, most: int) -> list[WatchedMatch]:
    """What the channel's next notice tells: what is in one that was begun, else `most` of all, the oldest first."""
    await tx.execute_fetchall(
        "UPDATE watched_matches SET sending = 1 WHERE (watch_id, place_id) IN ("  # noqa: S608 -- a constant
        f"  SELECT watch_id, place_id FROM watched_matches WHERE {_OF_CHANNEL} ORDER BY place_id, watch_id LIMIT ?3)"
        f" AND NOT EXISTS (SELECT 1 FROM watched_matches WHERE sending = 1 AND {_OF_CHANNEL})",
        (guild_id, channel_id, most),
    )
    rows = await tx.execute_fetchall(
        "SELECT f.watch_id, f.band, f.copy, p.message_id, p.place_id, m.channel_id, m.author_id, p.flags"  # noqa: S608 -- a constant
        " FROM watched_matches f JOIN places p USING (place_id) JOIN messages m USING (message_id)"
        f" WHERE f.sending = 1 AND f.{_OF_CHANNEL} ORDER BY p.place_id, f.watch_id",
        (guild_id, channel_id),
    )
    return [
        WatchedMatch(
            watch_id,
            read_place(columns),
            Band(band),
            None if copy is None else Copy(**json.loads(copy)),
        )
        for watch_id, band, copy, *columns in rows
    ]


async def told(tx: aiosqlite.Connection, guild_id: GuildId, channel_id: ChannelId) -> None:
    """The notice that was begun is sent, or the channel takes none."""
    await tx.execute_fetchall(
        f"DELETE FROM watched_matches WHERE sending = 1 AND {_OF_CHANNEL}",  # noqa: S608 -- a constant
        (guild_id, channel_id),
    )
