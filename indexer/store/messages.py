"""Messages and their words: stores each once, updates it, and deletes it when Discord has deleted it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

import aiosqlite

from indexer.database import many_rows
from indexer.database.database import as_json, first
from indexer.records.ids import DISCORD, ChannelId, GuildId, MessageId, OriginId, UserId
from indexer.records.messages import Message
from indexer.settings import Keep
from indexer.store import message_checks, message_pictures
from indexer.store.message_pictures import NewPlace

_DELETE = "DELETE FROM messages WHERE message_id IN (SELECT value FROM json_each(?))"


class Candidate(Protocol):
    """What the rules look at in a message: whose it is, and where it stands."""

    @property
    def id(self) -> MessageId: ...
    @property
    def guild_id(self) -> GuildId: ...
    @property
    def channel_id(self) -> ChannelId: ...
    @property
    def author_id(self) -> UserId: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """What `store` did. `new_places` are pending, in the order of their messages' ids.

    `refused` counts messages that must not be stored: of an author who opted out, of a deleted channel, deleted
    messages (in Discord, or by whoever runs the bot), ignored ones, under keep="pictures" those without a picture, and
    messages of an archive that Discord knows better.
    """

    new_messages: int = 0
    changed: int = 0
    new_places: tuple[NewPlace, ...] = ()
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    """The parts of a stored message that an edit can change. `seen_ms`: when its origin showed this version."""

    edited_ms: int | None
    seen_ms: int
    origin_id: OriginId
    words: tuple[str, str, str]


async def store(
    tx: aiosqlite.Connection,
    messages: Sequence[Message],
    *,
    keep: Keep,
    seen_ms: int,
    origin_id: OriginId = DISCORD,
) -> Stored:
    """Stores new messages and updates stored ones. Storing the same page twice gives the same rows.

    `seen_ms` (Unix milliseconds) is when Discord was asked for them, before its answer came, or when its event came.
    For an archive, it is when the archive was written. A version from Discord replaces one from an archive, and never
    the other way round. An older edit never replaces a newer one. Of the same edit, a version that was seen earlier
    never replaces a later one: an unfurled link adds pictures and does not count as an edit, and a page that was
    requested before shows none of these pictures. A picture that an edit removed is deleted. A picture that stayed
    keeps its embedding, also if it moved. Under keep="pictures" a message that lost its last picture is deleted. An
    ignored message is always deleted. The guilds of the messages must be known.
    """
    by_id = {message.id: message for message in messages}
    if not by_id:
        return Stored()
    stored = await _known(tx, list(by_id.values()))
    from_discord = {message_id for message_id, row in stored.items() if row.origin_id == DISCORD}
    refused_ids = await refused(tx, list(by_id.values()), from_discord, told_by_discord=origin_id == DISCORD)
    accepted = [message for message_id, message in sorted(by_id.items()) if message_id not in refused_ids]
    bare = [message for message in accepted if message.ignored or (keep == "pictures" and not message.pictures)]
    lost = [
        message.id
        for message in bare
        if message.id in stored and (message.ignored or not _stale(message, stored[message.id], seen_ms, origin_id))
    ]
    current = [message for message in accepted if not message.ignored and (keep == "all" or message.pictures)]
    new = [message for message in current if message.id not in stored]
    seen = [message for message in current if message.id in stored]

    newest = await first(tx, "SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'places'), 0)")
    await _insert(tx, new, seen_ms, origin_id)
    changed = await _update(tx, seen, stored, seen_ms, origin_id)
    if lost:
        await tx.execute_fetchall(_DELETE, (as_json(lost),))
    assert newest is not None
    place_rows = await tx.execute_fetchall(
        "SELECT place_id, message_id, ordinal, link FROM places WHERE place_id > ? ORDER BY message_id, ordinal", newest
    )
    return Stored(
        new_messages=len(new),
        changed=changed + len(lost),
        new_places=message_pictures.joined([tuple(row) for row in place_rows], current),
        refused=len(refused_ids) + len(bare) - len(lost),
    )


async def refused(
    connection: aiosqlite.Connection,
    candidates: Collection[Candidate],
    from_discord: Set[MessageId],
    *,
    told_by_discord: bool,
    also_open: Set[ChannelId] = frozenset(),
) -> set[MessageId]:
    """Which of these messages must not be stored: of authors who opted out, of unknown channels (but for `also_open`),
    deleted ones; and where an archive tells them, those that Discord knows better. `from_discord`: the stored ones that
    Discord has shown.
    """
    found = await _unwanted(connection, candidates, also_open)
    return found if told_by_discord else found | await _better_known(connection, candidates, from_discord)


async def takes_away(connection: aiosqlite.Connection, message: Message) -> bool:
    """Whether storing this version would remove words or a picture of the stored version."""
    stored = await _known(connection, [message])
    if message.id not in stored:
        return False
    content, *before = stored[message.id].words
    shorter = any(
        not set(old.split("\n")) <= {*new.split("\n"), ""} for old, new in zip(before, _words(message)[1:], strict=True)
    )
    if shorter or content not in ("", message.content):
        return True
    rows = await connection.execute_fetchall("SELECT link FROM places WHERE message_id = ?", (message.id,))
    return not {link for (link,) in rows} <= {picture.link for picture in message.pictures}


async def delete(tx: aiosqlite.Connection, message_ids: Collection[MessageId]) -> int:
    """Deletes messages that Discord has deleted. Returns how many of them were stored.

    It also deletes their words, the pictures that no other message shows, and the embeddings of these pictures. From
    now on `store` refuses these ids, whether they were stored or not. So neither a page that was read before the
    deletion nor an archive stores them again.
    """
    ids = as_json(message_ids)
    await tx.execute_fetchall("INSERT OR IGNORE INTO deletions (message_id) SELECT value FROM json_each(?)", (ids,))
    cursor = await tx.execute(_DELETE, (ids,))
    return cursor.rowcount


async def delete_some(
    tx: aiosqlite.Connection,
    limit: int,
    *,
    guild_id: GuildId | None = None,
    channel_id: ChannelId | None = None,
    author_id: UserId | None = None,
) -> int:
    """Deletes up to `limit` messages that have all the given ids. Returns their number, 0 when none is left.

    It is one step of deleting many messages (`emptying.empty`). Raises ValueError where no id is given.
    """
    given = {"guild_id": guild_id, "channel_id": channel_id, "author_id": author_id}
    ids = {column: value for column, value in given.items() if value is not None}
    if not ids:
        raise ValueError("without an id every message would be deleted")
    where = " AND ".join(f"{column} = :{column}" for column in ids)
    cursor = await tx.execute(
        f"DELETE FROM messages WHERE message_id IN (SELECT message_id FROM messages WHERE {where} LIMIT :limit)",  # noqa: S608 -- names of columns
        {**ids, "limit": limit},
    )
    return cursor.rowcount


def _words(message: Message) -> tuple[str, str, str]:
    """Content, file names and alt texts. Each name and text has its own line, so that a phrase seldom matches two."""
    names = dict.fromkeys(picture.file_name for picture in message.pictures if picture.file_name)
    alts = dict.fromkeys(picture.alt_text for picture in message.pictures if picture.alt_text)
    return message.content, "\n".join(names), "\n".join(alts)


def _stale(message: Message, row: _Row, seen_ms: int, origin_id: OriginId) -> bool:
    if origin_id == DISCORD and row.origin_id != DISCORD:
        return False
    return (message.edited_ms or 0, seen_ms) < (row.edited_ms or 0, row.seen_ms)


async def _unwanted(
    tx: aiosqlite.Connection, messages: Collection[Candidate], also_open: Set[ChannelId]
) -> set[MessageId]:
    open_channels = also_open | await _ids(
        tx,
        "SELECT channel_id FROM channels WHERE channel_id IN (SELECT value FROM json_each(?))",
        {message.channel_id for message in messages},
    )
    deleted = await _ids(
        tx,
        "SELECT message_id FROM deletions WHERE message_id IN (SELECT value FROM json_each(?1))"
        " UNION ALL SELECT message_id FROM deleted_here WHERE message_id IN (SELECT value FROM json_each(?1))",
        (message.id for message in messages),
    )
    rows = await tx.execute_fetchall(
        "SELECT guild_id, user_id FROM opt_outs WHERE user_id IN (SELECT value FROM json_each(?))",
        (as_json({message.author_id for message in messages}),),
    )
    out = {(guild_id, user_id) for guild_id, user_id in rows}
    return {
        message.id
        for message in messages
        if message.channel_id not in open_channels
        or message.id in deleted
        or (message.guild_id, message.author_id) in out
        or (0, message.author_id) in out
    }


async def _better_known(
    tx: aiosqlite.Connection, messages: Collection[Candidate], from_discord: Set[MessageId]
) -> set[MessageId]:
    """Messages of an archive that Discord knows better: Discord has shown them itself, or has shown their stretch of
    history without them. The bot's own messages are among them.
    """
    pairs = json.dumps([(message.id, message.channel_id) for message in messages])
    rows = await tx.execute_fetchall(
        "SELECT m.value ->> 0 FROM json_each(?) m JOIN spans s"
        " ON s.channel_id = m.value ->> 1 AND s.origin_id = 0 AND m.value ->> 0 BETWEEN s.low AND s.high",
        (pairs,),
    )
    own = {application_id for (application_id,) in await tx.execute_fetchall("SELECT application_id FROM application")}
    return {MessageId(message_id) for (message_id,) in rows} | {
        message.id for message in messages if message.author_id in own or message.id in from_discord
    }


async def _ids(tx: aiosqlite.Connection, sql: str, ids: Iterable[int]) -> set[int]:
    return {value for (value,) in await tx.execute_fetchall(sql, (as_json(ids),))}


async def _known(tx: aiosqlite.Connection, messages: Sequence[Message]) -> dict[MessageId, _Row]:
    rows = await tx.execute_fetchall(
        "SELECT message_id, edited_ms, checked_ms, origin_id, content, file_names, alt_texts"
        " FROM messages JOIN texts USING (message_id)"
        " WHERE message_id IN (SELECT value FROM json_each(?))",
        (as_json(message.id for message in messages),),
    )
    return {
        MessageId(message_id): _Row(edited_ms, checked_ms, OriginId(origin_id), (content, names, alts))
        for message_id, edited_ms, checked_ms, origin_id, content, names, alts in rows
    }


async def _insert(tx: aiosqlite.Connection, messages: Sequence[Message], seen_ms: int, origin_id: OriginId) -> None:
    if not messages:
        return
    await _name_authors(tx, messages, origin_id)
    await many_rows.write(
        tx,
        "INSERT INTO messages (message_id, guild_id, channel_id, author_id, edited_ms, checked_ms, origin_id) :rows",
        [(m.id, m.guild_id, m.channel_id, m.author_id, m.edited_ms, seen_ms, origin_id) for m in messages],
    )
    await many_rows.write(
        tx,
        "INSERT INTO texts (message_id, content, file_names, alt_texts) :rows",
        [(m.id, *_words(m)) for m in messages],
    )
    await message_pictures.insert(tx, [(m.id, m.guild_id, picture) for m in messages for picture in m.pictures])


async def _update(
    tx: aiosqlite.Connection,
    messages: Sequence[Message],
    known: Mapping[MessageId, _Row],
    seen_ms: int,
    origin_id: OriginId,
) -> int:
    """Updates stored messages. Returns how many changed."""
    if not messages:
        return 0
    current = [message for message in messages if not _stale(message, known[message.id], seen_ms, origin_id)]
    moved_over = [message for message in current if known[message.id].origin_id != origin_id]
    if moved_over:
        await tx.execute_fetchall(
            "UPDATE messages SET origin_id = ?, checked_ms = ? WHERE message_id IN (SELECT value FROM json_each(?))",
            (origin_id, seen_ms, as_json(message.id for message in moved_over)),
        )
    await message_checks.mark_checked(tx, [message.id for message in messages], seen_ms)
    moved = await message_pictures.update(tx, current)
    reworded = [message for message in current if known[message.id].words != _words(message)]
    edited = [message for message in current if known[message.id].edited_ms != message.edited_ms]
    await many_rows.write(
        tx,
        "UPDATE texts SET content = edit.column2, file_names = edit.column3, alt_texts = edit.column4"
        " FROM (:rows) AS edit WHERE message_id = edit.column1",
        [(message.id, *_words(message)) for message in reworded],
    )
    if edited:
        await tx.executemany(
            "UPDATE messages SET edited_ms = ? WHERE message_id = ?", [(m.edited_ms, m.id) for m in edited]
        )
    await _name_authors(tx, current, origin_id)
    return len({message.id for message in (*reworded, *edited)} | moved)


async def _name_authors(tx: aiosqlite.Connection, messages: Sequence[Message], origin_id: OriginId) -> None:
    """Stores the authors' names. Messages come oldest first, so an author's newest name stays.

    An archive does not change what Discord says of an author: the name, and whether it is a bot.
    """
    authors = {message.author_id: (message.author_id, message.author_name, message.by_bot) for message in messages}
    await tx.executemany(
        "INSERT INTO users (user_id, name, bot) VALUES (?, ?, ?)"
        " ON CONFLICT (user_id) DO UPDATE SET name = excluded.name, bot = excluded.bot"
        " WHERE (name != excluded.name OR bot IS NOT excluded.bot)"
        " AND (? = 0 OR NOT EXISTS (SELECT 1 FROM messages WHERE author_id = excluded.user_id AND origin_id = 0))",
        [(*author, origin_id) for author in authors.values()],
    )
