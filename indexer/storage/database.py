"""The open database: one writer, a few readers, transactions that end whatever happens.

Every connection is a thread of its own (aiosqlite), so nothing here blocks the event loop. Writing goes through
`Database.transaction()`, one at a time; reading through `Database.reader()`, each use one consistent snapshot.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
import weakref
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from indexer.errors import RetryLater, StorageError
from indexer.storage import lock, migrate

T = TypeVar("T")

FILE_NAME = "afterimage.sqlite3"
READERS = 4
TURN_S = 60.0  # seconds that a task waits for the writer or for a reader before it is told to try later
BUSY_MS = 10_000  # milliseconds that SQLite waits for a lock of another connection (a checkpoint, a reader's recovery)
CACHE_KIB = 16 * 1024  # page cache of the writer; the readers share the kernel's through mmap
MMAP_BYTES = 1 << 30  # address space, not memory: readers look at the kernel's pages instead of copying them
WAL_BYTES = 64 * 1024 * 1024  # a WAL that grew past this under a long reader is cut back after its checkpoint

# NORMAL: measured 0.01 ms a commit against 4 ms of FULL (docs/adr/0001-sqlite-is-the-truth.md). A killed process loses
# nothing; a power cut may lose the last seconds, as whole transactions. What a person was promised is `durable`.
_WRITER = (
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # so that INSERT OR REPLACE fires the delete triggers too
    "PRAGMA secure_delete = ON",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    f"PRAGMA journal_size_limit = {WAL_BYTES}",
    "PRAGMA temp_store = FILE",  # the copy that VACUUM makes has the size of the database
)
_READER = (
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA query_only = ON",
    f"PRAGMA mmap_size = {MMAP_BYTES}",
    "PRAGMA temp_store = MEMORY",
)


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A plain read-only connection in autocommit mode, for use inside the thread that opens it. Blocks."""
    connection = sqlite3.connect(_uri(path, "ro"), uri=True, isolation_level=None, timeout=BUSY_MS / 1000)
    try:
        for pragma in _READER:
            connection.execute(pragma).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


class _Connection(sqlite3.Connection):
    """Ends its cursors with its transaction.

    A cursor left half-read would keep the old snapshot for whoever uses the connection next, and would let an interrupt
    hit the ROLLBACK instead of the statement that it was meant for.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._cursors: weakref.WeakSet[sqlite3.Cursor] = weakref.WeakSet()

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        return self._remembered(super().cursor(*args, **kwargs))

    def execute(self, *args: Any) -> sqlite3.Cursor:
        return self._remembered(super().execute(*args))

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        return self._remembered(super().executemany(*args))

    def _remembered(self, cursor: sqlite3.Cursor) -> sqlite3.Cursor:
        self._cursors.add(cursor)
        return cursor

    def commit(self) -> None:
        self._close_cursors()
        super().commit()

    def rollback(self) -> None:
        self._close_cursors()
        super().rollback()

    def _close_cursors(self) -> None:
        for cursor in list(self._cursors):
            cursor.close()
        self._cursors.clear()


class Database:
    """An open data folder. Made by `open_database`; belongs to one event loop."""

    def __init__(self, path: Path, writer: aiosqlite.Connection | None) -> None:
        self.path = path
        self._writer = writer
        self._turn = asyncio.Lock()
        self._owner: asyncio.Task[Any] | None = None
        self._places = asyncio.Semaphore(READERS)
        self._idle: list[aiosqlite.Connection] = []

    @asynccontextmanager
    async def transaction(self, *, durable: bool = False) -> AsyncIterator[aiosqlite.Connection]:
        """The writer inside BEGIN IMMEDIATE … COMMIT; any exception, cancellation included, rolls back.

        Once the block has ended without an exception the commit runs to its end even if the task is cancelled then.
        `durable` waits until the commit is on the disk, for what a person was promised (about 4 ms instead of 0.01).
        Raises RetryLater when the writer is not free within TURN_S, StorageError where the disk refuses or the database
        was opened read-only, RuntimeError for a transaction inside this task's own.
        """
        writer = await self._take_turn()
        try:
            with _translated(self.path):
                try:
                    if durable:
                        await writer.execute_fetchall("PRAGMA synchronous = FULL")
                    await writer.execute_fetchall("BEGIN IMMEDIATE")
                    yield writer
                    if not writer.in_transaction:
                        raise StorageError(f"{self.path}: SQLite gave up the transaction; nothing of it was kept.")
                    await to_the_end(writer.commit())
                except BaseException as error:
                    if isinstance(error, asyncio.CancelledError):
                        await writer.interrupt()  # whatever still runs for this task would be rolled back anyway
                    await to_the_end(writer.rollback())
                    raise
                finally:
                    if durable:
                        await to_the_end(writer.execute_fetchall("PRAGMA synchronous = NORMAL"))
        finally:
            self._owner = None
            self._turn.release()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[aiosqlite.Connection]:
        """A read-only connection; all statements of one use see the same snapshot.

        Raises RetryLater when none of the READERS connections is free within TURN_S.
        """
        try:
            async with asyncio.timeout(TURN_S):
                await self._places.acquire()
        except TimeoutError:
            raise RetryLater(f"{self.path}: all {READERS} readers were busy for {TURN_S:.0f} s.") from None
        try:
            connection = self._idle.pop() if self._idle else await _open_reader(self.path)
            try:
                with _translated(self.path):
                    await connection.execute_fetchall("BEGIN")
                    yield connection
            except asyncio.CancelledError:
                await connection.interrupt()  # a long query must not hold back the next user of this connection
                raise
            finally:
                await to_the_end(self._put_back(connection))
        finally:
            self._places.release()

    async def checkpoint(self) -> bool:
        """Moves everything from the WAL into the database file and empties the WAL file.

        False where a reader's snapshot was in the way: what it still sees stays in the WAL until the next time.
        """
        writer = await self._take_turn()
        try:
            with _translated(self.path):
                ((busy, _, _),) = await to_the_end(writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)"))
        finally:
            self._owner = None
            self._turn.release()
        return not busy

    async def rewrite(self) -> None:
        """Writes the whole file anew (VACUUM), so that no byte of a deleted row is left in it, and gives room back.

        secure_delete zeroes what is freed, but not what is left over when SQLite rebalances a page: of 300 random
        histories 9 left a deleted word in the gap of some page, after a VACUUM none. Readers go on; writers wait, about
        10 s for each GB. Needs as much free disk as the file has. A cancellation stops it and changes nothing.
        """
        os.environ.setdefault("SQLITE_TMPDIR", str(self.path.parent))  # where VACUUM's copy has room: beside the file
        writer = await self._take_turn()
        try:
            with _translated(self.path):
                try:
                    await writer.execute_fetchall("VACUUM")
                except asyncio.CancelledError:
                    await writer.interrupt()
                    raise
                finally:
                    await to_the_end(writer.rollback())  # waits for the thread; there is nothing left to roll back
        finally:
            self._owner = None
            self._turn.release()

    async def close_readers(self) -> None:
        """Closes the idle readers; new ones are opened when they are needed."""
        while self._idle:
            await _close(self._idle.pop())

    async def _take_turn(self) -> aiosqlite.Connection:
        if self._writer is None:
            raise StorageError(f"{self.path} was opened for reading only.")
        if self._owner is not None and self._owner is asyncio.current_task():
            raise RuntimeError("a transaction inside a transaction of the same task would wait for itself")
        try:
            async with asyncio.timeout(TURN_S):
                await self._turn.acquire()
        except TimeoutError:
            raise RetryLater(f"{self.path}: the writer was busy for {TURN_S:.0f} s.") from None
        self._owner = asyncio.current_task()
        return self._writer

    async def _put_back(self, connection: aiosqlite.Connection) -> None:
        try:
            await connection.rollback()
            usable = not connection.in_transaction
        except sqlite3.Error:
            usable = False
        if usable:
            self._idle.append(connection)
        else:
            await connection.close()


@asynccontextmanager
async def open_database(data_dir: Path, *, write: bool = True) -> AsyncIterator[Database]:
    """The database in `data_dir`, open until the block ends.

    `write=True` makes the folder if needed, holds its writer lock, and creates or upgrades the schema (backup first).
    `write=False` reads beside whoever writes. Raises StorageError, saying what to do, where the folder cannot be used.
    """
    path = data_dir / FILE_NAME
    async with AsyncExitStack() as stack:
        writer = None
        if write:
            stack.enter_context(lock.hold(data_dir))
            await to_the_end(asyncio.to_thread(migrate.migrate, path))
            writer = await _open(_uri(path, "rw"), _WRITER)
            stack.push_async_callback(_close, writer)
        else:
            await to_the_end(asyncio.to_thread(migrate.check, path))
        database = Database(path, writer)
        stack.push_async_callback(database.close_readers)  # before the writer: the last one to close empties the WAL
        yield database


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work` to its end even if this task is cancelled meanwhile; the cancellation then goes on from here."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            raise cancelled from failure
        raise cancelled
    return task.result()


async def _open_reader(path: Path) -> aiosqlite.Connection:
    return await _open(_uri(path, "ro"), _READER)


async def _open(uri: str, pragmas: tuple[str, ...]) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(uri, uri=True, isolation_level=None, factory=_Connection)
    try:
        for pragma in pragmas:
            await connection.execute_fetchall(pragma)
        # Its thread keeps the last call, and a call of its own keeps the aiosqlite connection, alive: with SQLite's own
        # method as the last call (here, and at the end of each use) a connection dropped unclosed can warn.
        await connection.rollback()
    except BaseException:
        await to_the_end(connection.close())
        raise
    return connection


async def _close(connection: aiosqlite.Connection) -> None:
    await to_the_end(connection.close())


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's own refusals as the errors that say what to do; mistakes in our SQL pass as they are."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = error.sqlite_errorcode & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise RetryLater(f"{path} is busy in another process ({error}).") from error
        if code == sqlite3.SQLITE_FULL:
            raise StorageError(f"No room left on the disk for {path}. Make room and start again.") from error
        if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise StorageError(f"The disk refused {path} ({error}). Check the disk and the permissions.") from error
        raise
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StorageError(
                f"{path} is damaged ({error}). Restore a backup beside it, or move it away and crawl anew."
            ) from error
        raise


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


async def first(connection: aiosqlite.Connection, sql: str, parameters: Iterable[Any] = ()) -> tuple[Any, ...] | None:
    """The first row of the answer, None where there is none."""
    for row in await connection.execute_fetchall(sql, parameters):
        return tuple(row)
    return None


def as_json(ids: Iterable[int]) -> str:
    """Ids as one parameter, for `IN (SELECT value FROM json_each(?))`: any number of them, one prepared statement."""
    return json.dumps(list(ids))


def now_ms() -> int:
    """The time now, Unix milliseconds."""
    return time.time_ns() // 1_000_000
