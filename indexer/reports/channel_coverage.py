"""How far each channel of a guild is indexed, one by one: for whoever runs the bot."""

from __future__ import annotations

from dataclasses import dataclass

import aiosqlite

from indexer.records.ids import DISCORD, ChannelId, GuildId
from indexer.records.messages import Channel
from indexer.reports.coverage import read_share
from indexer.sentence import Sentence
from indexer.store import channels, spans


@dataclass(frozen=True, slots=True)
class ChannelCoverage:
    """`read` is the share of the channel's history that Discord has shown, 0–1; None for a channel without messages of
    its own (a forum), and for one that only an archive knows. Places are pictures as they are shown.

    `parked` says why the channel cannot be read now; None: it can.
    """

    channel: Channel
    messages: int
    ready: int
    pending: int
    failed: int
    read: float | None
    parked: Sentence | None


_COUNTS = (
    "SELECT m.channel_id, count(DISTINCT m.message_id), count(*) FILTER (WHERE p.state = 'ready'),"
    " count(*) FILTER (WHERE p.state = 'pending'), count(*) FILTER (WHERE p.state = 'failed')"
    " FROM messages m LEFT JOIN places p USING (message_id) WHERE m.guild_id = ? GROUP BY m.channel_id"
)


async def of_guild(connection: aiosqlite.Connection, guild_id: GuildId, now_ms: int) -> list[ChannelCoverage]:
    """Every channel and thread of the guild, by id."""
    rows = await connection.execute_fetchall(_COUNTS, (guild_id,))
    counts = {ChannelId(channel_id): tuple(numbers) for channel_id, *numbers in rows}
    covered = await spans.of_guild(connection, guild_id)
    reasons = await channels.parked(connection, guild_id)
    found = []
    for channel in await channels.of_guild(connection, guild_id):
        messages, ready, pending, failed = counts.get(channel.id, (0, 0, 0, 0))
        read = None
        if channel.origin_id == DISCORD and channel.kind.holds_messages:
            read = read_share({channel.id: covered.get(channel.id, [])}, now_ms)
        found.append(ChannelCoverage(channel, messages, ready, pending, failed, read, reasons.get(channel.id)))
    return found
