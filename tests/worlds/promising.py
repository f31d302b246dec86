"""Data folders that keep promises outside, without a bot: a store that a command would open, and messages in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from indexer.database.database import open_database
from indexer.offline_store import Store, open_store
from indexer.records.ids import GuildId, UserId
from indexer.settings import FleetSettings, Settings
from indexer.store import messages, opt_outs
from tests.worlds import records
from tests.worlds.migrated import migrated


def settings_of(data_dir: Path, storage: Path | str, name: str = "one") -> Settings:
    return Settings(data_dir=data_dir, fleet=FleetSettings(str(storage), name))


@asynccontextmanager
async def folder(data_dir: Path, storage: Path | str, name: str = "one") -> AsyncIterator[Store]:
    """A store whose promises go to the storage; an empty one is made where there is none."""
    if isinstance(storage, Path):
        storage.mkdir(exist_ok=True)
    async with open_store(settings_of(migrated(data_dir), storage, name)) as store:
        yield store


async def fill(data_dir: Path, authors: int, each: int = 2) -> None:
    """Stores messages of authors 1, 2, … in a guild that has consented."""
    async with open_database(migrated(data_dir)) as db:
        await records.settle(db)
        posted = [
            records.message(author * 100 + number, records.picture(), author=author)
            for author in range(1, authors + 1)
            for number in range(each)
        ]
        async with db.transaction() as tx:
            await messages.store(tx, posted, keep="pictures", seen_ms=1)


async def come_back(store: Store, user_id: int, guild_id: int = 0) -> None:
    """As /privacy lets a member be found again."""
    async with store.db.transaction(durable=True) as tx:
        await opt_outs.remove(tx, UserId(user_id), GuildId(guild_id))


async def opted_out(store: Store) -> set[tuple[int, int]]:
    """(author, guild); guild 0: everywhere."""
    async with store.db.reader() as connection:
        rows = await connection.execute_fetchall("SELECT user_id, guild_id FROM opt_outs")
    return {(user_id, guild_id) for user_id, guild_id in rows}


async def authors(store: Store) -> set[int]:
    """Whose messages are stored."""
    async with store.db.reader() as connection:
        return {author for (author,) in await connection.execute_fetchall("SELECT DISTINCT author_id FROM messages")}
