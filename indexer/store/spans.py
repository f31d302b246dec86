"""Which stretches of a channel's history have been read, as closed ranges of snowflakes, separately for each origin.

The transaction that stores a page also extends a span. So a span never includes messages that are not stored.
"""

from __future__ import annotations

from collections.abc import Iterable

import aiosqlite

from indexer.records.ids import DISCORD, ChannelId, GuildId, OriginId

Span = tuple[int, int]  # low ≤ high, both read


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same ids in the fewest ranges, ascending. Ranges that touch ([1, 2] and [3, 4]) become one."""
    result: list[Span] = []
    for low, high in sorted(spans):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], high))
        else:
            result.append((low, high))
    return result


async def cover(
    tx: aiosqlite.Connection, channel_id: ChannelId, low: int, high: int, origin_id: OriginId = DISCORD
) -> None:
    """Records that every message with an id in low…high has been read. Does nothing for a deleted channel.

    Raises ValueError where low > high.
    """
    if low > high:
        raise ValueError(f"a span of channel {channel_id} from {low} down to {high}")
    touching = await tx.execute_fetchall(
        "DELETE FROM spans WHERE channel_id = ? AND origin_id = ? AND low <= ? AND high >= ? RETURNING low, high",
        (channel_id, origin_id, high + 1, low - 1),
    )
    ((low, high),) = merged([(low, high), *((first, last) for first, last in touching)])
    await tx.execute_fetchall(
        "INSERT INTO spans (channel_id, origin_id, low, high)"
        " SELECT channel_id, ?, ?, ? FROM channels WHERE channel_id = ?",
        (origin_id, low, high, channel_id),
    )


async def uncover(tx: aiosqlite.Connection, channel_id: ChannelId, low: int, high: int) -> None:
    """Takes low…high out of what any origin has shown of the channel, so that it is read again."""
    rows = await tx.execute_fetchall(
        "DELETE FROM spans WHERE channel_id = ? AND low <= ? AND high >= ? RETURNING origin_id, low, high",
        (channel_id, high, low),
    )
    for origin_id, first, last in rows:
        for start, end in ((first, low - 1), (high + 1, last)):
            if start <= end:
                await cover(tx, channel_id, start, end, OriginId(origin_id))


async def of_channel(
    connection: aiosqlite.Connection, channel_id: ChannelId, origin_id: OriginId = DISCORD
) -> list[Span]:
    """The channel's spans, ascending; no two of them touch."""
    rows = await connection.execute_fetchall(
        "SELECT low, high FROM spans WHERE channel_id = ? AND origin_id = ? ORDER BY low", (channel_id, origin_id)
    )
    return [(low, high) for low, high in rows]


async def of_guild(connection: aiosqlite.Connection, guild_id: GuildId) -> dict[ChannelId, list[Span]]:
    """The spans that Discord has shown of each channel of the guild, ascending. Channels without spans are left out."""
    rows = await connection.execute_fetchall(
        "SELECT channel_id, low, high FROM spans JOIN channels USING (channel_id) WHERE guild_id = ?"
        " AND spans.origin_id = 0 ORDER BY channel_id, low",
        (guild_id,),
    )
    result: dict[ChannelId, list[Span]] = {}
    for channel_id, low, high in rows:
        result.setdefault(ChannelId(channel_id), []).append((low, high))
    return result
