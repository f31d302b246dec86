"""What one person may know of a guild's index: counted over the channels that they may see, and no others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import aiosqlite

from indexer.database.database import as_json, first
from indexer.records.ids import ChannelId, GuildId, MessageId


@dataclass(frozen=True, slots=True)
class Overview:
    """`places` are pictures as shown, one for each time they were posted; `pictures` counts each of them once.

    `oldest` and `newest` are messages, None where nothing is stored.
    """

    channels: int
    messages: int
    places: int
    ready: int
    pending: int
    failed: int
    pictures: int
    oldest: MessageId | None
    newest: MessageId | None


async def of_channels(
    connection: aiosqlite.Connection, guild_id: GuildId, channel_ids: Collection[ChannelId]
) -> Overview:
    """The guild's index as far as these channels hold it."""
    chosen = (guild_id, as_json(channel_ids))
    messages = await first(
        connection,
        "SELECT count(DISTINCT channel_id), count(*), min(message_id), max(message_id) FROM messages"
        " WHERE guild_id = ? AND channel_id IN (SELECT value FROM json_each(?))",
        chosen,
    )
    places = await first(
        connection,
        "SELECT count(*), count(*) FILTER (WHERE state = 'ready'), count(*) FILTER (WHERE state = 'pending'),"
        " count(*) FILTER (WHERE state = 'failed'), count(DISTINCT picture_id) FILTER (WHERE state = 'ready')"
        " FROM places JOIN messages USING (message_id)"
        " WHERE messages.guild_id = ? AND channel_id IN (SELECT value FROM json_each(?))",
        chosen,
    )
    assert messages is not None, "an aggregate has one row"
    assert places is not None, "an aggregate has one row"
    return Overview(
        channels=messages[0],
        messages=messages[1],
        places=places[0],
        ready=places[1],
        pending=places[2],
        failed=places[3],
        pictures=places[4],
        oldest=messages[2],
        newest=messages[3],
    )
