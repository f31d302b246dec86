"""Takes the bytes of what was deleted out of the files: a deletion alone takes them out of the tables only."""

from __future__ import annotations

import asyncio

import aiosqlite

from indexer.database import migrate
from indexer.database.database import Database, first

WORD_INDEXES = ("words", "words_trigram", "shown_words", "shown_words_trigram")
MERGE_PAGES = 64  # of a word index, merged in one transaction
MERGED = 2  # changes that FTS5's merge makes where it found something to merge; fewer: all is merged


async def residue_since(connection: aiosqlite.Connection) -> int | None:
    """Since when (Unix seconds) the files may hold bytes of something deleted; None: they hold none."""
    row = await first(connection, "SELECT min(since_s) FROM residue")
    return None if row is None else row[0]


async def purge(database: Database) -> bool:
    """Leaves no byte of what was deleted before in the database's files; backups go too.

    In steps, between which others write: none holds the writer for longer than some 50 ms. False where a reader's
    snapshot was in the way: the residue stays marked, call again. The vector segments are purged by `index.maintain`.
    """
    async with database.transaction() as tx:
        await tx.execute_fetchall("UPDATE residue SET taken = 1")
    await _merge_words(database)
    if not await database.checkpoint() or not await database.scrub():
        return False
    await asyncio.to_thread(migrate.discard_backups, database.path)
    if (
        not await database.checkpoint()
    ):  # what others wrote meanwhile may have held old bytes until its page was cleaned
        return False
    async with database.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM residue WHERE taken = 1")
    return True


async def _merge_words(database: Database) -> None:
    """Merges each word index into one segment: FTS5 only marks words as gone until their segments merge."""
    for table in WORD_INDEXES:
        merge = f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)"  # noqa: S608 -- a constant
        async with database.transaction() as tx:
            await tx.execute_fetchall(merge, (-MERGE_PAGES,))  # negative: takes on every segment there is
        changes = MERGED
        while changes >= MERGED:
            async with database.transaction() as tx:
                before = tx.total_changes
                await tx.execute_fetchall(merge, (MERGE_PAGES,))
                changes = tx.total_changes - before
