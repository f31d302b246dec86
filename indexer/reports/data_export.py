"""What is held of one person: for their eyes only, when they ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiosqlite

from indexer.database.database import first
from indexer.model import ChannelId, GuildId, MessageId, UserId


@dataclass(frozen=True, slots=True)
class Held:
    """Counts, over one guild or all."""

    messages: int
    pictures: int


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """One stored message by this person; `pictures` are (link, file name, alt text) in their order."""

    guild_id: GuildId
    channel_id: ChannelId
    message_id: MessageId
    content: str
    pictures: tuple[tuple[str, str, str], ...]


async def held(connection: aiosqlite.Connection, user_id: UserId, guild_id: GuildId | None = None) -> Held:
    """How much is stored of this author, in one guild or (None) in all."""
    row = await first(
        connection,
        "SELECT count(DISTINCT message_id), count(place_id) FROM messages LEFT JOIN places USING (message_id)"
        " WHERE author_id = ?1 AND (?2 IS NULL OR messages.guild_id = ?2)",
        (user_id, guild_id),
    )
    assert row is not None, "an aggregate has one row"
    return Held(messages=row[0], pictures=row[1])


async def messages(
    connection: aiosqlite.Connection, user_id: UserId, guild_id: GuildId | None = None
) -> AsyncIterator[HeldMessage]:
    """Every stored message of this author, oldest first, in one guild or (None) in all."""
    async with connection.execute(
        "SELECT m.guild_id, m.channel_id, m.message_id, coalesce(t.content, ''), p.link, p.file_name, p.alt_text"
        " FROM messages m LEFT JOIN texts t USING (message_id) LEFT JOIN places p USING (message_id)"
        " WHERE m.author_id = ?1 AND (?2 IS NULL OR m.guild_id = ?2) ORDER BY m.message_id, p.ordinal",
        (user_id, guild_id),
    ) as rows:
        current: tuple[GuildId, ChannelId, MessageId, str] | None = None
        pictures: list[tuple[str, str, str]] = []
        async for guild, channel, message, content, link, file_name, alt_text in rows:
            head = (GuildId(guild), ChannelId(channel), MessageId(message), str(content))
            if current is not None and head[2] != current[2]:
                yield HeldMessage(*current, tuple(pictures))
                pictures = []
            current = head
            if link is not None:
                pictures.append((link, file_name, alt_text))
        if current is not None:
            yield HeldMessage(*current, tuple(pictures))
