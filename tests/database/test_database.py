"""Opening, transactions, readers: what holds when things go wrong."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from indexer.database import database as database_module
from indexer.database.connections import open_reader
from indexer.database.database import Database, connect_readonly, open_database
from indexer.errors import DiskFull, RetryLater, StorageError
from tests.worlds.records import count

ENDLESS = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"
GUILD_ROW = "INSERT INTO guilds (guild_id, name, added_ms) VALUES (?, 'g', 0)"


def connection_threads() -> int:
    """How many connections live; a closed one's thread is given a moment to end."""
    threads = [thread for thread in threading.enumerate() if "connection_worker" in thread.name]
    for thread in threads:
        thread.join(0.1)
    return sum(thread.is_alive() for thread in threads)


async def guilds_seen(database: Database) -> int:
    async with database.reader() as reader:
        return await count(reader, "guilds")


async def test_a_transaction_that_ends_is_kept(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(GUILD_ROW, (1,))
    assert await guilds_seen(database) == 1


async def test_what_was_not_attached_to_its_end_can_be_attached_again(database: Database, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (n)")
    uri = f"{other.as_uri()}?mode=ro"
    with pytest.raises(sqlite3.OperationalError, match="unknown datatype"):
        async with database.attached(uri, "other", {"rows_of_it": "n INTEGER", "wrong": "n NONSENSE"}):
            pass
    async with database.attached(uri, "other", {"rows_of_it": "n INTEGER"}), database.transaction() as tx:
        assert list(await tx.execute_fetchall("SELECT n FROM other.t UNION SELECT n FROM temp.rows_of_it")) == []
    async with database.transaction() as tx:
        found = await tx.execute_fetchall("PRAGMA database_list")
        assert "other" not in {name for _, name, _ in found}


async def test_whoever_attaches_next_waits_until_the_other_one_is_detached(database: Database, tmp_path: Path) -> None:
    """Two bundles under one name: the second would take the place of the first in the middle of its import."""
    uris = []
    for number in (1, 2):
        other = tmp_path / f"{number}.sqlite3"
        with closing(sqlite3.connect(other)) as connection:
            connection.execute(f"CREATE TABLE t AS SELECT {number} AS n")
        uris.append(f"{other.as_uri()}?mode=ro")
    seen: list[int] = []
    go = asyncio.Event()

    async def look(uri: str) -> None:
        async with database.attached(uri, "other", {}):
            await go.wait()
            async with database.transaction() as tx:
                seen.extend(n for (n,) in await tx.execute_fetchall("SELECT n FROM other.t"))

    async with asyncio.TaskGroup() as tasks:
        for uri in uris:
            tasks.create_task(look(uri))
        async with database.transaction():  # each has had its turn to attach
            pass
        async with database.transaction():
            pass
        go.set()
    assert seen == [1, 2]


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(LookupError):
        async with database.transaction() as tx:
            await tx.execute(GUILD_ROW, (1,))
            raise LookupError
    assert await guilds_seen(database) == 0


async def test_a_cancelled_transaction_leaves_nothing_and_the_next_one_works(database: Database) -> None:
    async def write() -> None:
        async with database.transaction() as tx:
            await tx.execute(GUILD_ROW, (1,))
            await tx.execute_fetchall(ENDLESS)

    task = asyncio.create_task(write())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with database.transaction() as tx:
        await tx.execute(GUILD_ROW, (2,))
    assert await guilds_seen(database) == 1


@pytest.mark.parametrize("steps", range(12))
async def test_a_cancellation_after_any_step_leaves_all_or_nothing(database: Database, steps: int) -> None:
    async def write() -> None:
        async with database.transaction(durable=True) as tx:
            await tx.execute(GUILD_ROW, (1,))
            await tx.execute(GUILD_ROW, (2,))

    task = asyncio.create_task(write())
    for _ in range(steps):
        await asyncio.sleep(0.0005)
    task.cancel()
    await asyncio.wait((task,))

    assert await guilds_seen(database) in (0, 2)
    async with database.transaction() as tx:
        await tx.execute(GUILD_ROW, (3,))
        ((synchronous,),) = await tx.execute_fetchall("PRAGMA synchronous")
    assert synchronous == 1  # NORMAL again


async def test_a_failed_statement_that_is_caught_does_not_leave_the_transaction_half_open(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(GUILD_ROW, (1,))
        with pytest.raises(sqlite3.IntegrityError):
            await tx.execute(GUILD_ROW, (1,))
        await tx.execute(GUILD_ROW, (2,))
    assert await guilds_seen(database) == 2


async def test_transactions_take_turns(database: Database) -> None:
    running = 0

    async def write(number: int) -> None:
        nonlocal running
        async with database.transaction() as tx:
            running += 1
            assert running == 1
            await tx.execute(GUILD_ROW, (number,))
            await asyncio.sleep(0)
            running -= 1

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(write(number))
    assert await guilds_seen(database) == 20


async def test_a_transaction_inside_a_transaction_is_a_mistake_not_a_deadlock(database: Database) -> None:
    async with database.transaction():
        with pytest.raises(RuntimeError, match="inside a transaction"):
            async with database.transaction():
                pass


async def test_a_reader_sees_one_snapshot(database: Database) -> None:
    async with database.reader() as reader:
        assert await count(reader, "guilds") == 0
        async with database.transaction() as tx:
            await tx.execute(GUILD_ROW, (1,))
        assert await count(reader, "guilds") == 0
    assert await guilds_seen(database) == 1


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(StorageError, match="refused"):
        async with database.reader() as reader:
            await reader.execute(GUILD_ROW, (1,))


async def test_a_cancelled_query_does_not_hold_back_the_next_user_of_its_reader(database: Database) -> None:
    async def read() -> None:
        async with database.reader() as reader:
            await reader.execute_fetchall(ENDLESS)

    tasks = [asyncio.create_task(read()) for _ in range(2 * database_module.READERS)]
    await asyncio.sleep(0.2)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert await guilds_seen(database) == 0


async def test_whoever_waits_too_long_is_told_to_try_later(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "TURN_S", 0.05)
    begun, done = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with database.transaction():
            begun.set()
            await done.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(hold())
        await begun.wait()
        with pytest.raises(RetryLater, match="writer was busy"):
            async with database.transaction():
                pass
        done.set()


async def test_a_full_disk_is_named_and_nothing_is_half_written(database: Database) -> None:
    async with database.transaction() as tx:
        ((pages,),) = await tx.execute_fetchall("PRAGMA page_count")
        await tx.execute_fetchall(f"PRAGMA max_page_count = {pages + 5}")
    with pytest.raises(DiskFull, match="No room left"):
        async with database.transaction() as tx:
            for number in range(20_000):
                await tx.execute("INSERT INTO guilds (guild_id, name, added_ms) VALUES (?, ?, 0)", (number, "x" * 999))
    assert database.room.low  # whoever stores what is new waits
    assert await guilds_seen(database) == 0


async def test_a_transaction_that_sqlite_gave_up_is_not_taken_for_kept(database: Database) -> None:
    with pytest.raises(StorageError, match="gave up the transaction"):
        async with database.transaction() as tx:
            await tx.execute(GUILD_ROW, (1,))
            await tx.execute("ROLLBACK")  # what SQLite does by itself after some errors
    assert await guilds_seen(database) == 0


async def test_closing_leaves_no_thread_and_no_write_ahead_log(data_dir: Path) -> None:
    async with open_database(data_dir) as database:
        async with database.transaction() as tx:
            await tx.execute(GUILD_ROW, (1,))
        assert await guilds_seen(database) == 1
    assert connection_threads() == 0
    assert sorted(path.name for path in data_dir.iterdir()) == ["afterimage.sqlite3", "writer.lock"]


async def test_a_cancelled_owner_closes_everything(data_dir: Path) -> None:
    opened = asyncio.Event()

    async def own() -> None:
        async with open_database(data_dir) as database:
            await guilds_seen(database)
            opened.set()
            async with database.transaction() as tx:
                await tx.execute_fetchall(ENDLESS)

    task = asyncio.create_task(own())
    await opened.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # a second one while the first is being obeyed
    await asyncio.wait((task,))

    assert task.cancelled()
    assert connection_threads() == 0
    async with open_database(data_dir) as database:
        assert await guilds_seen(database) == 0


async def test_what_one_process_writes_another_reads_beside_it(database: Database, data_dir: Path) -> None:
    async with open_database(data_dir, write=False) as beside:
        assert await guilds_seen(beside) == 0
        async with database.transaction() as tx:
            await tx.execute(GUILD_ROW, (1,))
        assert await guilds_seen(beside) == 1
        with pytest.raises(StorageError, match="for reading only"):
            async with beside.transaction():
                pass


async def test_reading_where_nothing_was_ever_written_says_so_and_makes_nothing(data_dir: Path) -> None:
    with pytest.raises(StorageError, match="no database"):
        async with open_database(data_dir, write=False):
            pass
    assert not data_dir.exists()


async def test_a_plain_connection_reads_and_cannot_write(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(GUILD_ROW, (1,))

    def read() -> int:
        connection = connect_readonly(database.path)
        try:
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                connection.execute(GUILD_ROW, (2,))
            (number,) = connection.execute("SELECT count(*) FROM guilds").fetchone()
            return int(number)
        finally:
            connection.close()

    assert await asyncio.to_thread(read) == 1


async def test_a_checkpoint_empties_the_log_unless_a_reader_still_needs_it(database: Database, data_dir: Path) -> None:
    async with database.transaction() as tx:
        await tx.execute_fetchall("PRAGMA busy_timeout = 50")
        await tx.execute(GUILD_ROW, (1,))
    log = data_dir / "afterimage.sqlite3-wal"
    async with database.reader() as reader:
        assert await count(reader, "guilds") == 1
        async with database.transaction() as tx:
            await tx.execute(GUILD_ROW, (2,))
        assert not await database.checkpoint()
        assert log.stat().st_size > 0
    assert await database.checkpoint()
    assert log.stat().st_size == 0


async def test_the_files_are_for_the_bots_own_user_only(database: Database, data_dir: Path) -> None:
    async with database.transaction() as tx:
        await tx.execute(GUILD_ROW, (1,))
    modes = await asyncio.to_thread(lambda: {p.name: p.stat().st_mode & 0o077 for p in (data_dir, *data_dir.iterdir())})
    assert set(modes.values()) == {0}, modes


async def test_a_connection_that_is_dropped_unclosed_warns(database: Database) -> None:
    connections = [await open_reader(database.path)]

    def drop() -> None:
        connections.clear()
        gc.collect()

    with pytest.warns(ResourceWarning, match="before being closed"):
        drop()
    assert connection_threads() == 1  # the fixture's writer


@pytest.mark.parametrize("end", [asyncio.CancelledError, LookupError])
async def test_a_cursor_left_half_read_does_not_keep_a_transaction_or_a_reader_open(
    database: Database, end: type[BaseException]
) -> None:
    async with database.transaction() as tx:
        await tx.executemany(GUILD_ROW, [(number,) for number in range(500)])

    left = []
    for use in (database.transaction, database.reader):
        with pytest.raises(end):
            async with use() as connection:
                cursor = await connection.execute("SELECT * FROM guilds")
                assert await cursor.fetchone() is not None
                left.append(cursor)
                raise end
    for cursor in left:
        with pytest.raises(sqlite3.ProgrammingError, match="closed cursor"):
            await cursor.fetchone()

    async with database.transaction() as tx:
        await tx.execute(GUILD_ROW, (500,))
    assert await guilds_seen(database) == 501
    assert await database.checkpoint()


async def test_a_mistake_in_our_own_sql_is_shown_as_it_is(database: Database) -> None:
    for wrong in ("SELECT nothing FROM nowhere", "INSERT INTO guilds (guild_id) VALUES (?)"):
        with pytest.raises(sqlite3.Error) as raised:
            async with database.transaction() as tx:
                await tx.execute(wrong)
        assert isinstance(raised.value, sqlite3.OperationalError | sqlite3.ProgrammingError)


async def test_another_program_that_holds_the_database_is_waited_for_and_then_named(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute_fetchall("PRAGMA busy_timeout = 50")

    def hold() -> sqlite3.Connection:
        connection = sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN IMMEDIATE")
        return connection

    with closing(await asyncio.to_thread(hold)), pytest.raises(RetryLater, match="busy in another process"):
        async with database.transaction():
            pass
    async with database.transaction() as tx:
        await tx.execute(GUILD_ROW, (1,))


async def test_a_damaged_page_is_named_with_the_way_out(data_dir: Path) -> None:
    async with open_database(data_dir) as database:
        async with database.transaction() as tx:
            await tx.executemany(
                "INSERT INTO guilds (guild_id, name, consent, added_ms) VALUES (?, ?, 0, 0)",
                [(n, "x" * 500) for n in range(2_000)],
            )
        path = database.path
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 16 * 4096] = b"\xa5" * (16 * 4096)
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        async with open_database(data_dir) as database, database.reader() as reader:
            await reader.execute_fetchall("SELECT sum(length(name)) FROM guilds")


async def test_readers_are_opened_up_to_their_number_and_waited_for_beyond(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "TURN_S", 0.05)
    async with AsyncExitStack() as stack:
        for _ in range(database_module.READERS):
            await stack.enter_async_context(database.reader())
        with pytest.raises(RetryLater, match="readers were busy"):
            async with database.reader():
                pass
    assert await guilds_seen(database) == 0
