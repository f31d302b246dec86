"""How much of what a member may see can be found already."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

import aiosqlite

from indexer.records.ids import ChannelId, GuildId, snowflake_ms
from indexer.store import spans
from indexer.store.spans import Span

_COUNTS = (
    "SELECT count(*) FILTER (WHERE p.state = 'ready'), count(*) FILTER (WHERE p.state = 'pending')"
    " FROM messages m JOIN places p USING (message_id)"
    " WHERE m.guild_id = ? AND m.channel_id IN (SELECT value FROM json_each(?))"
)


_CHANNELS = (
    "SELECT channel_id FROM channels WHERE guild_id = ? AND parked_reason IS NULL AND kind NOT IN ('forum', 'media')"
    " AND channel_id IN (SELECT value FROM json_each(?))"
)


_FROM_DISCORD = (
    "SELECT channel_id FROM channels WHERE guild_id = ? AND parked_reason IS NULL AND origin_id = 0"
    " AND kind NOT IN ('forum', 'media')"
)


async def history_read(connection: aiosqlite.Connection, guild_id: GuildId, now_ms: int) -> float | None:
    """The share of the guild's history that Discord has shown, 0–1, over all channels that can be read now.

    None where there is none: a folder of pictures, a server that only archives know.
    """
    known = [ChannelId(found) for (found,) in await connection.execute_fetchall(_FROM_DISCORD, (guild_id,))]
    if not known:
        return None
    read = await spans.of_guild(connection, guild_id)
    return read_share({channel_id: read.get(channel_id, []) for channel_id in known}, now_ms)


async def coverage(
    connection: aiosqlite.Connection, guild_id: GuildId, channels: Collection[ChannelId], now_ms: int
) -> int:
    """The percentage of these channels' pictures that is indexed, rounded down, 0–100.

    What has not been read yet is counted by its time: a channel of whose three years the newest was read counts as a
    third. Pictures that cannot be read, and channels that are closed to the bot, are not missing.
    """
    chosen = (guild_id, json.dumps(sorted(channels)))
    ((ready, pending),) = await connection.execute_fetchall(_COUNTS, chosen)
    known = [ChannelId(channel_id) for (channel_id,) in await connection.execute_fetchall(_CHANNELS, chosen)]
    read = await spans.of_guild(connection, guild_id)
    found = ready / (ready + pending) if ready + pending else 1.0
    return int(100 * found * read_share({channel_id: read.get(channel_id, []) for channel_id in known}, now_ms) + 1e-9)


def read_share(channels: Mapping[ChannelId, Sequence[Span]], now_ms: int) -> float:
    """Time that was read, over the time from each channel's birth to the newest message that was read in it.

    A span that reaches down to 0 says that all was read; a channel without a span counts with its age.
    """
    total = read = 0.0
    for channel_id, covered in channels.items():
        born = snowflake_ms(channel_id)
        top = snowflake_ms(covered[-1][1]) if covered else now_ms
        age = max(top - born, 1)
        total += age
        if covered and covered[0][0] == 0:
            read += age
        else:
            read += sum(max(snowflake_ms(high) - max(snowflake_ms(low), born), 0) for low, high in covered)
    return min(read / total, 1.0) if total else 1.0
