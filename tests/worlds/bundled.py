"""Small data folders between which bundles go, and what is equal in two of them whose rows are numbered apart."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import aiosqlite

from indexer.bundles.bundle_import import ImportedBundle, import_bundle
from indexer.bundles.export import Exported, export
from indexer.bundles.gather import Selection
from indexer.database.database import FILE_NAME, Database, open_database
from indexer.records.ids import DISCORD, GuildId, OriginId
from indexer.records.messages import Guild, Message
from indexer.records.pictures import EmbeddedFrame, Moment
from indexer.settings import CrawlSettings, Settings
from indexer.store import channels, embeddings, frames, guilds, messages, pictures, places
from tests.worlds.migrated import migrated
from tests.worlds.records import GUILD, MODEL, channel, decoded, vector

# What must be equal: every row that goes along, without the numbers of its own database.
SAME: Mapping[str, str] = {
    "guilds": "SELECT guild_id, name FROM guilds ORDER BY 1",
    "channels": "SELECT channel_id, guild_id, parent_id, kind, name, age_restricted, archived FROM channels ORDER BY 1",
    "users": "SELECT user_id, name, bot FROM users ORDER BY 1",
    "messages": "SELECT message_id, guild_id, channel_id, author_id, edited_ms, content, file_names, alt_texts"
    " FROM messages JOIN texts USING (message_id) ORDER BY 1",
    "places": "SELECT message_id, ordinal, sha256, source, link, file_name, alt_text, content_type, p.byte_count,"
    " p.width, p.height, flags, p.state, p.reason, attempts, next_attempt_ms, path FROM places p"
    " LEFT JOIN pictures USING (picture_id) ORDER BY 1, 2",
    "pictures": "SELECT sha256, perceptual_hash, width, height, format, frame_count, byte_count, state, reason"
    " FROM pictures ORDER BY 1",
    "embeddings": "SELECT sha256, name, pretrained, dimension, fingerprint, vector, at_ms, frames_sought"
    " FROM embeddings JOIN pictures USING (picture_id) JOIN models USING (model_id) ORDER BY 1, 2",
    "frames": "SELECT sha256, name, f.at_ms, f.perceptual_hash, f.vector FROM frames f"
    " JOIN pictures USING (picture_id) JOIN models USING (model_id) ORDER BY 1, 2, 3",
    "picture_texts": "SELECT sha256, kind, body, confidence FROM picture_texts JOIN pictures USING (picture_id)"
    " ORDER BY 1, 2",
    "exif": "SELECT message_id, ordinal, camera, lens, x, y, z FROM exif JOIN places USING (place_id) ORDER BY 1, 2",
    "tags": "SELECT message_id, ordinal, tag, channel_id FROM tags JOIN places USING (place_id) ORDER BY 1, 2, 3",
    "deleted_here": "SELECT message_id, channel_id FROM deleted_here ORDER BY 1",
    "shown_texts": "SELECT message_id, body FROM shown_texts ORDER BY 1",
    "spans": "SELECT channel_id, origin_id, low, high FROM spans ORDER BY 1, 2, 3",
    "opt_outs": "SELECT guild_id, user_id FROM opt_outs ORDER BY 1, 2",
    "deletions": "SELECT message_id FROM deletions ORDER BY 1",
    "channel_texts": "SELECT channel_id, texts, characters, shown, shown_characters FROM channel_texts WHERE texts > 0"
    " ORDER BY 1",
    "tried_models": "SELECT guild_id, name FROM tried_models JOIN models USING (model_id) ORDER BY 1",
}  # fmt: skip


def same(data_dir: Path) -> dict[str, list[tuple[object, ...]]]:
    """The rows of SAME. Blocks."""
    with closing(sqlite3.connect(data_dir / FILE_NAME)) as connection:
        return {name: connection.execute(sql).fetchall() for name, sql in SAME.items()}


def quietly(*_: object) -> None:
    """Nobody looks how far it is, and nobody stops it."""


@dataclass(frozen=True)
class Opened:
    """A data folder that is open for writing."""

    db: Database


def exported(data_dir: Path, target: Path, selection: Selection | None = None) -> Exported:
    return export(data_dir, selection or Selection((GUILD,)), target, quietly, quietly)


async def imported(
    data_dir: Path, file: Path, crawl: CrawlSettings | None = None, *, alone: bool = True
) -> ImportedBundle:
    settings = Settings(data_dir=data_dir, crawl=crawl or CrawlSettings())
    async with open_database(await asyncio.to_thread(migrated, data_dir)) as db:
        return await import_bundle(Opened(db), settings, file, quietly, alone=alone)


Work = Callable[[Database], Awaitable[object]]


async def installation(data_dir: Path, *works: Work, application_id: int | None = None) -> Path:
    """A data folder with a guild of two channels, in which these works were done."""
    async with open_database(await asyncio.to_thread(migrated, data_dir)) as db:
        async with db.transaction() as tx:
            if application_id is not None:
                await tx.execute_fetchall("INSERT OR REPLACE INTO application VALUES (1, ?)", (application_id,))
            await guilds.upsert(tx, Guild(GUILD, "Meadow"))
            await channels.upsert(tx, [channel(10), channel(11), channel(12, parent=11)])
        for work in works:
            await work(db)
    return data_dir


def read(*posts: Message, seen_ms: int = 1, origin_id: OriginId = DISCORD, embed: bool = True) -> Work:
    """Stores these messages, with an embedding of each picture."""

    async def work(db: Database) -> None:
        async with db.transaction() as tx:
            await messages.store(tx, list(posts), keep="all", seen_ms=seen_ms, origin_id=origin_id)
            if embed:
                await embed_all(tx)

    return work


def written(*statements: str) -> Work:
    async def work(db: Database) -> None:
        async with db.transaction() as tx:
            for statement in statements:
                await tx.execute_fetchall(statement)

    return work


async def embed_all(tx: aiosqlite.Connection) -> None:
    """What is pending is found to be the picture that its link says, whoever posts it."""
    model_id = await embeddings.model_id(tx, MODEL)
    rows = await tx.execute_fetchall("SELECT place_id, link FROM places WHERE state = 'pending'")
    for place_id, link in rows:
        picture_id = await pictures.add(tx, decoded(link))
        await embeddings.add(tx, model_id, [(picture_id, vector(sum(link.encode())))])
        if link.endswith("2"):
            further = tuple(EmbeddedFrame(Moment(700 * n, 9 << 60), vector(sum(link.encode()) + n)) for n in (1, 2))
            await frames.put(tx, model_id, [frames.Animation(picture_id, 350, 3, further)])
        await places.attach(tx, place_id, picture_id)


def everything() -> Selection:
    return Selection(None)


GUILDS = (GuildId(GUILD),)
