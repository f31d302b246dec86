"""Channels whose newest messages cannot be found yet."""

from __future__ import annotations

from collections.abc import Collection

import aiosqlite

from indexer.database.database import as_json
from indexer.records.ids import ChannelId, GuildId

# So many of a channel's newest messages are looked at for one that shows a picture: a page of history.
LOOKED_AT = 100


async def channels(
    connection: aiosqlite.Connection, guild_id: GuildId, among: Collection[ChannelId]
) -> list[ChannelId]:
    """Those of these channels of which Discord has shown nothing yet, or whose newest picture waits. Youngest first.

    Channels of a guild that has not consented or whose job is paused are left out, and so are channels closed to the
    bot, and those that only an archive knows.
    """
    rows = await connection.execute_fetchall(
        "SELECT channel_id FROM channels c WHERE guild_id = :guild AND parked_reason IS NULL AND origin_id = 0"
        " AND kind NOT IN ('forum', 'media')"
        " AND channel_id IN (SELECT value FROM json_each(:among))"
        " AND EXISTS (SELECT 1 FROM guilds g WHERE g.guild_id = c.guild_id AND g.consent = 1)"
        " AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.guild_id = c.guild_id AND j.state = 'paused')"
        " AND (NOT EXISTS (SELECT 1 FROM spans s WHERE s.channel_id = c.channel_id AND s.origin_id = 0)"
        "   OR 'pending' = (SELECT p.state FROM messages m INDEXED BY messages_by_channel"
        "     CROSS JOIN places p USING (message_id)"
        "     WHERE m.channel_id = c.channel_id AND p.state != 'failed'"
        "     AND m.message_id >= (SELECT min(message_id) FROM"
        "       (SELECT message_id FROM messages WHERE channel_id = c.channel_id"
        "         ORDER BY message_id DESC LIMIT :looked_at))"
        "     ORDER BY m.message_id DESC LIMIT 1))"
        " ORDER BY channel_id DESC",
        {"guild": guild_id, "among": as_json(among), "looked_at": LOOKED_AT},
    )
    return [ChannelId(channel_id) for (channel_id,) in rows]
