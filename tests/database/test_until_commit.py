"""What is remembered of the database is never older than the last write that somebody has waited for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiosqlite
import pytest

from indexer.database.database import Database, first, open_database
from indexer.database.until_commit import UntilCommit
from tests.worlds.migrated import migrated


class Names:
    """Reads names of users, and counts how often. `gate`: a read waits for it after its snapshot was made."""

    def __init__(self) -> None:
        self.reads = 0
        self.gate: asyncio.Event | None = None
        self.waiting = asyncio.Event()

    async def read(self, connection: aiosqlite.Connection, user_id: int) -> str | None:
        self.reads += 1
        row = await first(connection, "SELECT name FROM users WHERE user_id = ?", (user_id,))
        if self.gate is not None:
            self.waiting.set()
            await self.gate.wait()
        return None if row is None else row[0]


async def rename(db: Database, user_id: int, name: str) -> None:
    async with db.transaction() as tx:
        await tx.execute_fetchall("REPLACE INTO users (user_id, name) VALUES (?, ?)", (user_id, name))


async def test_a_value_is_read_once_until_something_is_written(database: Database) -> None:
    names = Names()
    remembered = UntilCommit(database, names.read, most=8)
    assert await remembered.get(1) is None
    await rename(database, 1, "ada")
    assert [await remembered.get(1) for _ in range(5)] == ["ada"] * 5
    assert names.reads == 2
    await rename(database, 2, "bo")
    assert await remembered.get(1) == "ada"
    assert names.reads == 3


async def test_what_was_read_before_a_write_is_not_kept_after_it(database: Database) -> None:
    names = Names()
    remembered = UntilCommit(database, names.read, most=8)
    await rename(database, 1, "ada")
    names.gate = asyncio.Event()
    reading = asyncio.create_task(remembered.get(1))
    await names.waiting.wait()
    await rename(database, 1, "eve")
    names.gate.set()
    assert await reading == "ada"  # its snapshot was made before
    assert await remembered.get(1) == "eve"


async def test_no_more_is_remembered_than_allowed(database: Database) -> None:
    names = Names()
    remembered = UntilCommit(database, names.read, most=2)
    for user_id in (1, 2, 3, 3, 2):
        await remembered.get(user_id)
    assert names.reads == 3
    await remembered.get(1)
    assert names.reads == 4


@pytest.mark.parametrize("write", [False, True])
async def test_where_another_process_writes_nothing_is_remembered(tmp_path: Path, write: bool) -> None:
    async with open_database(migrated(tmp_path)) as writer, open_database(tmp_path, write=False) as reader:
        names = Names()
        remembered = UntilCommit(writer if write else reader, names.read, most=8)
        for name in ("ada", "eve"):
            await rename(writer, 1, name)
            assert [await remembered.get(1) for _ in range(3)] == [name] * 3
        assert names.reads == (2 if write else 6)
