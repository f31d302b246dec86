"""Forget means forget: what was deleted leaves the files too, not only the tables."""

from __future__ import annotations

import asyncio

import aiosqlite

from indexer.storage import messages, migrate
from indexer.storage.database import Database, first


async def residue_since(connection: aiosqlite.Connection) -> int | None:
    """Since when (Unix seconds) the files may hold bytes of something deleted; None: they hold none."""
    row = await first(connection, "SELECT min(since_s) FROM residue")
    return None if row is None else row[0]


async def purge(database: Database) -> bool:
    """Rewrites the database's files, so that no byte is left of what was deleted before; backups go too.

    False where a reader's snapshot kept the write-ahead log from being emptied: the residue stays marked, call again.
    Costs about 10 s for each GB (`Database.rewrite`). The vector segments are purged by `index.maintain`.
    """
    async with database.transaction() as tx:
        await tx.execute_fetchall("UPDATE residue SET taken = 1")
        await messages.purge_words(tx)
    await database.rewrite()
    await asyncio.to_thread(migrate.discard_backups, database.path)
    if not await database.checkpoint():
        return False
    async with database.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM residue WHERE taken = 1")
    return True
