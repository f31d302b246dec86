"""Work of many statements in a connection's own thread: inside its transaction, and ended with its task."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from indexer.database.connections import in_thread
from indexer.database.database import Database
from tests.worlds.waiting import DEADLINE_S

ENDLESS = "WITH RECURSIVE c (x) AS (SELECT began() UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"


def users(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM users ORDER BY name")]


async def test_it_sees_its_own_transaction_and_a_reader_its_snapshot(database: Database) -> None:
    async with database.reader() as reader:
        assert await in_thread(reader, users) == []
        async with database.transaction() as tx:
            await tx.execute("INSERT INTO users (user_id, name) VALUES (1, 'Ada')")
            assert await in_thread(tx, users) == ["Ada"]
        assert await in_thread(reader, users) == []
    async with database.reader() as reader:
        assert await in_thread(reader, users) == ["Ada"]


async def test_an_error_comes_back_and_the_connection_serves_on(database: Database) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        raise LookupError(f"of {len(users(connection))} users none is called Bo")

    async with database.reader() as reader:
        with pytest.raises(LookupError, match="of 0 users"):
            await in_thread(reader, fail)
        assert await in_thread(reader, users) == []


async def test_a_cancelled_task_does_not_leave_its_work_running(database: Database) -> None:
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell() -> int:
        loop.call_soon_threadsafe(began.set)
        return 1

    def work(connection: sqlite3.Connection) -> None:
        connection.create_function("began", 0, tell)  # called by the statement itself: from then on it runs
        connection.execute(ENDLESS).fetchall()

    async def ask() -> None:
        async with database.reader() as reader:
            await in_thread(reader, work)

    task = asyncio.create_task(ask())
    await began.wait()
    task.cancel()
    async with asyncio.timeout(DEADLINE_S):  # the task waits for the thread, and so ends with the statement
        with pytest.raises(asyncio.CancelledError):
            await task
        async with database.reader() as reader:
            assert await in_thread(reader, users) == []
