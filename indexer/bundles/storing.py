"""Takes the rows of a bundle in, beside whatever is stored already: each message once, by the rules of docs/adr/0031.

A bundle that the folder's own bot made says what Discord said to it. One of another bot is an archive: what Discord
says goes before it. Each step is one transaction, and doing it twice changes nothing: killed at any moment, the same
import goes on. A span comes when the messages that it claims are there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import aiosqlite

from indexer.bundles import content, new_rows
from indexer.bundles.known_messages import update_known
from indexer.bundles.ownership import Ownership
from indexer.bundles.preparing import Prepared, prepare
from indexer.bundles.promises import store_promises
from indexer.bundles.storing_saved import TEMPORARY as TEMPORARY_SAVED
from indexer.bundles.storing_saved import store_saved
from indexer.database.connections import ALONE_CACHE_KIB, in_thread
from indexer.database.database import Database
from indexer.records.ids import DISCORD, ChannelId, GuildId, MessageId, OriginId, UserId
from indexer.settings import CrawlSettings
from indexer.store import application, deleted_here, messages, spans
from indexer.store.emptying import empty_opted_out

Tell = Callable[[str, int, int | None], None]

SCHEMA = "bundle"  # under which the content is attached
ALONE_MESSAGES = 25_000  # in one transaction where nobody waits for the writer
FIRST_MESSAGES, FEWEST, MOST = 250, 50, 5_000
STEP_S = 0.08  # what a transaction takes beside a bot, whose other tasks wait for the writer as long
SPANS_AT_ONCE = 200
DELETED_AT_ONCE = 500


@dataclass(slots=True)
class Stored:
    """What came of it. `messages` are new; of those `known` before, `updated` were of an older version; `refused` ones
    must not be stored. `pictures` and `embeddings` are new too. `opt_outs` and `deletions` are promises that came
    along; `deleted` counts messages that were stored here and went for them. `skipped` names collections that could
    not come in, since another folder has their number here.
    """

    messages: int = 0
    known: int = 0
    updated: int = 0
    refused: int = 0
    pictures: int = 0
    embeddings: int = 0
    opt_outs: int = 0
    deletions: int = 0
    deleted: int = 0
    skipped: list[str] = field(default_factory=list)


class Candidate(NamedTuple):
    """A message of the bundle, as far as the rules look at it. `origin_id` is the one that it will have here."""

    id: MessageId
    guild_id: GuildId
    channel_id: ChannelId
    author_id: UserId
    origin_id: OriginId


async def store(
    db: Database,
    rows: Path,
    ownership: Ownership,
    crawl: CrawlSettings,
    tell: Tell,
    *,
    alone: bool,
    moved: GuildId | None = None,
) -> Stored:
    """Stores the content in the file `rows`, which content_check.check has seen. `alone`: no bot runs in this process.
    `moved`: the server that the rows are of, where its members' saved searches are among them (saved_rows.py).

    Raises RetryLater where the database is busy or full: what came in until then stays, and the same import goes on.
    """
    stored = Stored()
    cache_kib = ALONE_CACHE_KIB if alone else None
    async with db.attached(content.uri(rows), SCHEMA, new_rows.TEMPORARY | TEMPORARY_SAVED, cache_kib=cache_kib):
        async with db.transaction() as tx:
            told_by_discord = ownership.is_discords_word(await application.get(tx))
        await store_promises(db, told_by_discord, stored)
        async with db.transaction(durable=True) as tx:
            prepared = await prepare(tx, ownership, stored)
        stored.deleted += await empty_opted_out(db)
        stored.deleted += await _delete_told(db, prepared)
        await _store_messages(db, prepared, crawl, stored, tell, alone)
        await _cover(db, prepared, stored)
        if moved is not None:
            await store_saved(db, moved)
    return stored


async def _delete_told(db: Database, prepared: Prepared) -> int:
    """Deletes the stored messages of these servers that the bundle's bot saw deleted, or had to delete itself."""
    deleted = 0
    while prepared.told_by_discord:
        async with db.transaction() as tx:
            found = await tx.execute_fetchall(
                "SELECT message_id FROM bundle.deletions JOIN main.messages m USING (message_id)"
                " WHERE m.guild_id IN (SELECT guild_id FROM bundle.guilds) LIMIT ?",
                (DELETED_AT_ONCE,),
            )
            marked = await tx.execute_fetchall(
                "SELECT b.message_id FROM bundle.deleted_here b JOIN main.messages m USING (message_id)"
                " JOIN main.deleted_here d USING (message_id) WHERE m.channel_id = b.channel_id LIMIT ?",
                (DELETED_AT_ONCE,),
            )
            if not (found or marked):
                break
            deleted += await messages.delete(tx, [MessageId(message_id) for (message_id,) in found])
            deleted += await deleted_here.delete(tx, [message_id for (message_id,) in marked])
    return deleted


async def _store_messages(
    db: Database, prepared: Prepared, crawl: CrawlSettings, stored: Stored, tell: Tell, alone: bool
) -> None:
    last, done = 0, 0
    count = ALONE_MESSAGES if alone else FIRST_MESSAGES
    while True:
        begun = time.monotonic()
        async with db.transaction() as tx:
            candidates = await _candidates(tx, prepared, last, count)
            if not candidates:
                return
            await _store_batch(tx, prepared, crawl, stored, candidates)
        last = candidates[-1].id
        done += len(candidates)
        tell("messages", done, prepared.messages)
        tell("pictures stored", stored.pictures, None)
        if not alone:
            wanted = count * STEP_S / max(time.monotonic() - begun, 0.001)
            count = int(min(max(wanted, FEWEST, count / 2), MOST, 2 * count))


async def _candidates(tx: aiosqlite.Connection, prepared: Prepared, last: int, count: int) -> list[Candidate]:
    found = await tx.execute_fetchall(
        "SELECT message_id, guild_id, channel_id, author_id, origin_id FROM bundle.messages"
        " WHERE message_id > ? ORDER BY message_id LIMIT ?",
        (last, count),
    )
    own = prepared.origins
    return [
        Candidate(message_id, guild_id, channel_id, author_id, own[origin_id])
        for message_id, guild_id, channel_id, author_id, origin_id in found
    ]


async def _store_batch(
    tx: aiosqlite.Connection, prepared: Prepared, crawl: CrawlSettings, stored: Stored, candidates: list[Candidate]
) -> None:
    low, high = candidates[0].id, candidates[-1].id
    known = {
        MessageId(message_id): (GuildId(guild_id), OriginId(origin_id))
        for message_id, guild_id, origin_id in await tx.execute_fetchall(
            "SELECT message_id, guild_id, origin_id FROM main.messages WHERE message_id BETWEEN ? AND ?", (low, high)
        )
    }
    refused = await _refused(tx, prepared, crawl, candidates, known)
    seen = [candidate.id for candidate in candidates if candidate.id in known and candidate.id not in refused]
    stored.refused += len(refused)
    stored.known += len(seen)
    if seen:
        stored.updated += await update_known(tx, seen, crawl.keep, with_paths=prepared.with_paths)
    batch = new_rows.Batch(low, high, tuple(refused), keep_all=crawl.keep == "all", with_paths=prepared.with_paths)
    brought = await in_thread(tx, partial(new_rows.store, batch=batch))
    stored.messages += brought.messages
    stored.refused += brought.bare
    stored.pictures += brought.pictures
    stored.embeddings += brought.embeddings


async def _refused(
    tx: aiosqlite.Connection,
    prepared: Prepared,
    crawl: CrawlSettings,
    candidates: list[Candidate],
    known: Mapping[MessageId, tuple[GuildId, OriginId]],
) -> set[MessageId]:
    """By the rules of the store; and what would belong to another server here, or is of a bot where none is wanted."""
    unwanted = prepared.unwanted_authors(crawl.bots)
    refused = {
        candidate.id
        for candidate in candidates
        if candidate.channel_id in prepared.skipped_channels
        or candidate.author_id in unwanted
        or (candidate.id in known and known[candidate.id][0] != candidate.guild_id)
    }
    from_discord = {message_id for message_id, (_, origin_id) in known.items() if origin_id == DISCORD}
    for told_by_discord in (True, False):
        told = [candidate for candidate in candidates if (candidate.origin_id == DISCORD) is told_by_discord]
        if told:
            refused |= await messages.refused(tx, told, from_discord, told_by_discord=told_by_discord)
    return refused


async def _cover(db: Database, prepared: Prepared, stored: Stored) -> None:
    """Takes over which stretches were read, and takes out what archives told here of stretches without it."""
    async with db.transaction() as tx:
        found = await tx.execute_fetchall("SELECT channel_id, origin_id, low, high FROM bundle.spans ORDER BY 1, 2, 3")
    read = [
        (ChannelId(channel_id), prepared.spans_of[origin_id], low, high)
        for channel_id, origin_id, low, high in found
        if origin_id in prepared.spans_of and channel_id not in prepared.skipped_channels
    ]
    for start in range(0, len(read), SPANS_AT_ONCE):
        async with db.transaction() as tx:
            for channel_id, origin_id, low, high in read[start : start + SPANS_AT_ONCE]:
                await spans.cover(tx, channel_id, low, high, origin_id)
    while prepared.told_by_discord:
        async with db.transaction() as tx:
            gone = await tx.execute_fetchall(
                "SELECT m.message_id FROM bundle.spans s JOIN main.messages m ON m.channel_id = s.channel_id"
                " AND m.message_id BETWEEN s.low AND s.high AND m.origin_id != 0"
                " JOIN bundle.channels c ON c.channel_id = s.channel_id AND c.guild_id = m.guild_id"
                " WHERE s.origin_id = 0 AND NOT EXISTS ("
                "   SELECT 1 FROM bundle.messages b WHERE b.message_id = m.message_id) LIMIT ?",
                (DELETED_AT_ONCE,),
            )
            if not gone:
                return
            stored.deleted += await messages.delete(tx, [MessageId(message_id) for (message_id,) in gone])
