"""Removes the bytes of deleted rows from the files. A deletion alone removes the rows only from the tables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiosqlite

from indexer.database import migrate
from indexer.database.database import Database, first

WORD_INDEXES = ("words", "words_trigram", "shown_words", "shown_words_trigram")
MERGE_PAGES = 64  # of a word index, merged in one transaction
MERGED = 2  # FTS5 makes at least this number of changes if it merged something; with fewer, all is merged


async def residue_since(connection: aiosqlite.Connection) -> int | None:
    """Since when (Unix seconds) the files may hold bytes of something deleted; None: they hold none."""
    row = await first(connection, "SELECT min(since_s) FROM residue")
    return None if row is None else row[0]


async def purge(database: Database, also: Callable[[], Awaitable[bool]] | None = None) -> bool:
    """Removes every byte of what was deleted before from the database's files, and deletes backups.

    It works in steps, and others can write between them: no step holds the writer for longer than some 50 ms. False
    where a reader's snapshot prevented it: the residue stays marked, so call it again. `index.maintain` purges the
    vector segments. `also` does the same for other files, and returns whether it could: it begins after the residue is
    taken, since what is deleted while it works must stay marked for the next time.
    """
    async with database.transaction() as tx:
        await tx.execute_fetchall("UPDATE residue SET taken = 1")
    if also is not None and not await also():
        return False
    await _merge_words(database)
    if not await database.checkpoint() or not await database.scrub():
        return False
    await asyncio.to_thread(migrate.discard_backups, database.path)
    if (
        not await database.checkpoint()
    ):  # pages that others wrote meanwhile may have had old bytes until they were cleaned
        return False
    async with database.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM residue WHERE taken = 1")
    return True


async def _merge_words(database: Database) -> None:
    """Merges each word index into one segment: until its segments are merged, FTS5 only marks words as deleted."""
    for table in WORD_INDEXES:
        merge = f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)"  # noqa: S608 -- a constant
        async with database.transaction() as tx:
            await tx.execute_fetchall(merge, (-MERGE_PAGES,))  # negative: merges all segments
        changes = MERGED
        while changes >= MERGED:
            async with database.transaction() as tx:
                before = tx.total_changes
                await tx.execute_fetchall(merge, (MERGE_PAGES,))
                changes = tx.total_changes - before
