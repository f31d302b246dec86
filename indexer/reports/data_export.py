"""What is held of one person: for their eyes only, when they ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiosqlite

from indexer.database.database import first
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId


@dataclass(frozen=True, slots=True)
class Held:
    """Counts, over one guild or all."""

    messages: int
    pictures: int


@dataclass(frozen=True, slots=True)
class HeldPicture:
    """A picture of a message. `texts` is what the picture itself is known to say, by the kind of text; `tags` are those
    that it was given in this message.
    """

    link: str
    file_name: str
    alt_text: str
    texts: Mapping[str, str]
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """One stored message by this person, with its pictures in their order."""

    guild_id: GuildId
    channel_id: ChannelId
    message_id: MessageId
    content: str
    pictures: tuple[HeldPicture, ...]


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
        "SELECT m.guild_id, m.channel_id, m.message_id, coalesce(t.content, ''), p.link, p.file_name, p.alt_text,"
        " (SELECT json_group_object(kind, body) FROM picture_texts WHERE picture_id = p.picture_id),"
        " (SELECT json_group_array(tag) FROM (SELECT tag FROM tags WHERE place_id = p.place_id ORDER BY tag))"
        " FROM messages m LEFT JOIN texts t USING (message_id) LEFT JOIN places p USING (message_id)"
        " WHERE m.author_id = ?1 AND (?2 IS NULL OR m.guild_id = ?2) ORDER BY m.message_id, p.ordinal",
        (user_id, guild_id),
    ) as rows:
        current: tuple[GuildId, ChannelId, MessageId, str] | None = None
        pictures: list[HeldPicture] = []
        async for guild, channel, message, content, link, file_name, alt_text, texts, tags in rows:
            head = (GuildId(guild), ChannelId(channel), MessageId(message), str(content))
            if current is not None and head[2] != current[2]:
                yield HeldMessage(*current, tuple(pictures))
                pictures = []
            current = head
            if link is not None:
                pictures.append(HeldPicture(link, file_name, alt_text, json.loads(texts), tuple(json.loads(tags))))
        if current is not None:
            yield HeldMessage(*current, tuple(pictures))
