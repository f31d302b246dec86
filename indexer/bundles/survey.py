"""What an import of a bundle would do, by the same rules, without storing anything."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import aiosqlite

from indexer.bundles import content
from indexer.bundles.ownership import Ownership
from indexer.bundles.storing import Candidate, Stored
from indexer.database.database import Database, connect_readonly
from indexer.database.stoppable_thread import in_stoppable_thread
from indexer.records.ids import DISCORD, ChannelId, GuildId, MessageId, OriginId, UserId
from indexer.settings import CrawlSettings
from indexer.store import application, messages

AT_ONCE = 20_000  # messages that are compared at once
_ARCHIVE = OriginId(1)  # stands for whichever number an archive would have

_NEW_OPT_OUTS = (
    "FROM bundle.opt_outs b WHERE NOT EXISTS (SELECT 1 FROM main.opt_outs o"
    " WHERE o.user_id = b.user_id AND o.guild_id = b.guild_id)"
)


async def survey(db: Database | None, rows: Path, ownership: Ownership, crawl: CrawlSettings) -> Stored:
    """What `store` would give. `db` None: nothing is stored yet."""
    found = Stored()
    told_by_discord = True
    if db is not None:
        async with db.reader() as connection:
            told_by_discord = ownership.is_discords_word(await application.get(connection))
    await in_stoppable_thread(lambda _: _count(None if db is None else db.path, rows, told_by_discord, found))
    last = 0
    while candidates := await in_stoppable_thread(lambda _, last=last: _candidates(rows, last, told_by_discord)):  # type: ignore[misc]  # mypy knows no default of a lambda
        last = candidates[-1].id
        new = {candidate.id for candidate in candidates}
        if db is not None:
            async with db.reader() as connection:
                known, refused = await _compare(connection, candidates)
            new -= known | refused
            found.known += len(known - refused)
            found.refused += len(refused)
        found.messages += len(new)
    return found


async def _compare(
    connection: aiosqlite.Connection, candidates: list[Candidate]
) -> tuple[set[MessageId], set[MessageId]]:
    """Which of them are known here, and which must not be stored."""
    low, high = candidates[0].id, candidates[-1].id
    known = {
        MessageId(message_id): origin_id
        for message_id, origin_id in await connection.execute_fetchall(
            "SELECT message_id, origin_id FROM messages WHERE message_id BETWEEN ? AND ?", (low, high)
        )
    }
    from_discord = {message_id for message_id, origin_id in known.items() if origin_id == DISCORD}
    channels = {candidate.channel_id for candidate in candidates}
    refused: set[MessageId] = set()
    for told_by_discord in (True, False):
        told = [candidate for candidate in candidates if (candidate.origin_id == DISCORD) is told_by_discord]
        refused |= await messages.refused(
            connection, told, from_discord, told_by_discord=told_by_discord, also_open=channels
        )
    return set(known) & {candidate.id for candidate in candidates}, refused


def _candidates(rows: Path, last: int, told_by_discord: bool) -> list[Candidate]:
    with closing(content.connect(rows)) as connection:
        found = connection.execute(
            "SELECT message_id, guild_id, channel_id, author_id, origin_id FROM messages"
            " WHERE message_id > ? ORDER BY message_id LIMIT ?",
            (last, AT_ONCE),
        ).fetchall()
    return [
        Candidate(
            MessageId(message_id),
            GuildId(guild_id),
            ChannelId(channel_id),
            UserId(author_id),
            DISCORD if told_by_discord and origin_id == DISCORD else _ARCHIVE,
        )
        for message_id, guild_id, channel_id, author_id, origin_id in found
    ]


def _count(database: Path | None, rows: Path, told_by_discord: bool, found: Stored) -> None:
    """Pictures and promises. Blocks."""
    with closing(content.connect(rows)) as connection:
        counts = content.counts(connection)
    if database is None:
        found.pictures, found.embeddings = counts["pictures"], counts["embeddings"]
        found.opt_outs, found.deletions = counts["opt_outs"], counts["deletions"] + counts["deleted_here"]
        return
    with closing(connect_readonly(database)) as connection:
        connection.execute("ATTACH ? AS bundle", (content.uri(rows),))
        known = "EXISTS (SELECT 1 FROM main.pictures o WHERE o.sha256 = b.sha256)"
        found.pictures = _number(connection, f"SELECT count(*) FROM bundle.pictures b WHERE NOT {known}")
        found.embeddings = counts["embeddings"] - _number(
            connection,
            "SELECT count(*) FROM bundle.models m CROSS JOIN bundle.pictures b"
            f" CROSS JOIN bundle.embeddings x ON x.embedding_id = (m.model_id << {content.MODEL_SHIFT}) + b.picture_id"
            " CROSS JOIN main.models n USING (name, pretrained, dimension, fingerprint)"
            " CROSS JOIN main.pictures o ON o.sha256 = b.sha256"
            " CROSS JOIN main.embeddings e ON e.picture_id = o.picture_id AND e.model_id = n.model_id",
        )
        found.opt_outs = _number(connection, f"SELECT count(*) {_NEW_OPT_OUTS}")
        found.deleted = _number(
            connection,
            "SELECT count(*) FROM main.messages m WHERE EXISTS (SELECT 1 FROM bundle.opt_outs o"
            " WHERE o.user_id = m.author_id AND o.guild_id IN (0, m.guild_id)"
            " AND (o.guild_id != 0 OR ? OR m.guild_id IN (SELECT guild_id FROM bundle.guilds)))",
            (told_by_discord,),
        )
        if told_by_discord:
            found.deletions = _number(
                connection,
                "SELECT count(*) FROM bundle.deletions b"
                " WHERE NOT EXISTS (SELECT 1 FROM main.deletions d WHERE d.message_id = b.message_id)",
            )
            found.deletions += _number(
                connection,
                "SELECT count(*) FROM bundle.deleted_here b"
                " WHERE NOT EXISTS (SELECT 1 FROM main.deleted_here d WHERE d.message_id = b.message_id)",
            )
            found.deleted += _number(
                connection,
                "SELECT count(*) FROM (SELECT message_id FROM bundle.deletions UNION SELECT message_id FROM"
                " bundle.deleted_here) JOIN main.messages m USING (message_id)"
                " WHERE m.guild_id IN (SELECT guild_id FROM bundle.guilds)",
            )


def _number(connection: sqlite3.Connection, sql: str, values: tuple[object, ...] = ()) -> int:
    ((found,),) = connection.execute(sql, values)
    return int(found)
