"""Pictures that could not be read, one by one: where each stands, why it failed, and when it is tried again."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

import aiosqlite

from indexer.database.database import as_json
from indexer.errors import Reason
from indexer.records.ids import EVERYWHERE, ChannelId, GuildId, MessageId


@dataclass(frozen=True, slots=True)
class Failure:
    """One place. `next_attempt_ms` is Unix milliseconds; None: it is not tried again by itself."""

    guild_id: GuildId
    guild_name: str
    channel_id: ChannelId
    channel_name: str
    message_id: MessageId
    file_name: str
    reason: Reason
    attempts: int
    next_attempt_ms: int | None


_AMONG = (
    " FROM places p JOIN messages m USING (message_id) JOIN channels c USING (channel_id)"
    " JOIN guilds g ON g.guild_id = p.guild_id"
    " WHERE p.state = 'failed' AND (:guild IS NULL OR p.guild_id = :guild)"
    " AND (:reasons IS NULL OR p.reason IN (SELECT value FROM json_each(:reasons)))"
    " AND (:channels IS NULL OR m.channel_id IN (SELECT value FROM json_each(:channels)))"
    # Of an author who opted out nothing is shown, also while their messages are still being deleted.
    " AND NOT EXISTS ("
    "   SELECT 1 FROM opt_outs o WHERE o.user_id = m.author_id AND o.guild_id IN (:everywhere, m.guild_id))"
)


async def newest(
    connection: aiosqlite.Connection,
    limit: int,
    *,
    guild_id: GuildId | None = None,
    channel_ids: Collection[ChannelId] | None = None,
    reasons: Collection[Reason] | None = None,
    skip: int = 0,
) -> tuple[list[Failure], int]:
    """Up to `limit` failures, the newest message first, after `skip` others; and how many there are in all.

    Of one guild or (None) of all; of these channels or (None) of all; for these reasons or (None) for any. Nothing of
    other channels is counted.
    """
    chosen = {
        "guild": guild_id,
        "everywhere": EVERYWHERE,
        "channels": None if channel_ids is None else as_json(channel_ids),
        "reasons": None if reasons is None else json.dumps([reason.value for reason in reasons]),
    }
    ((total,),) = await connection.execute_fetchall(f"SELECT count(*){_AMONG}", chosen)
    rows = await connection.execute_fetchall(
        "SELECT p.guild_id, g.name, m.channel_id, c.name, p.message_id, p.file_name, p.reason, p.attempts,"
        " p.next_attempt_ms"
        f"{_AMONG} ORDER BY p.message_id DESC, p.ordinal LIMIT :limit OFFSET :skip",
        {**chosen, "limit": limit, "skip": skip},
    )
    found = [
        Failure(GuildId(guild), server, ChannelId(channel), name, MessageId(message), file, Reason(reason), tries, due)
        for guild, server, channel, name, message, file, reason, tries, due in rows
    ]
    return found, int(total)
