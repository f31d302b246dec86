"""Connections to the SQLite file: opens each kind, ends its work, and translates its errors."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import weakref
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from indexer.database.functions import add_functions
from indexer.errors import DiskFull, RetryLater, StorageError

T = TypeVar("T")

BUSY_MS = 10_000  # milliseconds that SQLite waits for a lock of another connection (a checkpoint, a reader's recovery)
CACHE_KIB = 16 * 1024  # page cache of the writer; readers use the kernel's cache
# … where one writer has the folder for itself, and each batch touches indexes everywhere.
ALONE_CACHE_KIB = 192 * 1024
CHECKPOINT_PAGES = 4_000  # of 4 KiB; SQLite's own 1,000 would delay every second batch of 1,000 embeddings
SHARED_MEMORY_BYTES = 32 * 1024  # SQLite extends the index of its WAL by this step
WAL_BYTES = 64 * 1024 * 1024  # if a long reader made the WAL larger than this, it is cut back after its checkpoint

# NORMAL: a commit took 0.01 ms, with FULL 4 ms (measured; docs/adr/0001-sqlite-is-the-truth.md). A killed process loses
# nothing. A power cut may lose the last seconds, as whole transactions. Promises to a person use `durable`.
_WRITER = (
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",  # so that INSERT OR REPLACE fires the delete triggers too
    "PRAGMA secure_delete = ON",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    f"PRAGMA journal_size_limit = {WAL_BYTES}",
    "PRAGMA temp_store = FILE",  # the copy that VACUUM makes has the size of the database
)
# No mmap_size: reading 100,000 embeddings took as long with it as without, and a failing disk would be a SIGBUS.
_READER = (
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA query_only = ON",
    "PRAGMA temp_store = MEMORY",
)


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A plain read-only connection in autocommit mode, for use inside the thread that opens it. Blocks."""
    connection = sqlite3.connect(_uri(path, "ro"), uri=True, isolation_level=None, timeout=BUSY_MS / 1000)
    try:
        add_functions(connection)
        for pragma in _READER:
            connection.execute(pragma).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


async def open_writer(path: Path) -> aiosqlite.Connection:
    """A connection that writes, in autocommit mode, in a thread of its own."""
    return await _open(_uri(path, "rw"), _WRITER)


async def open_reader(path: Path) -> aiosqlite.Connection:
    """A connection that only reads, in autocommit mode, in a thread of its own."""
    return await _open(_uri(path, "ro"), _READER)


async def in_thread(connection: aiosqlite.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """What `work` returns, called in the connection's own thread, inside the transaction that is open there.

    For many small statements and what is computed between them: each hand-over to the thread and back costs some 0.3 ms
    on a slow machine, and here it is one for all of them. `work` must not end the transaction. Where this task is
    cancelled, the statement that runs is interrupted (see Database.reader), and `work` gets sqlite3.OperationalError.
    """
    # aiosqlite has no public way to its thread but a method for each of SQLite's.
    result: T = await connection._execute(work, connection._conn)  # type: ignore[no-untyped-call]  # aiosqlite gives it no types
    return result


async def close(connection: aiosqlite.Connection) -> None:
    """Closes the connection, also if this task is cancelled meanwhile."""
    await to_the_end(connection.close())


async def to_the_end(work: Coroutine[Any, Any, T], *, at_most_s: float | None = None) -> T:
    """Awaits `work` to its end even if this task is cancelled meanwhile. Then the cancellation is raised here.

    `at_most_s`: `work` is cancelled too if it has not ended that many seconds after the cancellation. None: never.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,), timeout=None if cancelled is None else at_most_s)
            if not task.done():
                task.cancel()
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            raise cancelled from failure
        raise cancelled
    return task.result()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns SQLite's refusals into errors that say what to do. Mistakes in our own SQL are raised unchanged."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = error_code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise RetryLater(f"{path} is busy in another process ({error}).") from error
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _no_room(path)):
            raise DiskFull(f"No room left on the disk for {path}. Make room.") from error
        if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise StorageError(f"The disk refused {path} ({error}). Check the disk and the permissions.") from error
        raise
    except sqlite3.DatabaseError as error:
        if error_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StorageError(
                f"{path} is damaged ({error}). Stop the bot; then `afterimage restore` puts a backup in its place, and"
                " `afterimage salvage` takes out what can still be read."
            ) from error
        raise


def _no_room(path: Path) -> bool:
    """Whether the disk is full. SQLite reports an I/O error if that happens to a small file beside the database."""
    return shutil.disk_usage(path.parent).free < SHARED_MEMORY_BYTES


def error_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the sqlite3 module raised the error itself, as for a closed cursor."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


class _EndingConnection(sqlite3.Connection):
    """Closes its cursors at the end of a transaction.

    With a cursor that was not read to its end, the next user of the connection would see the old snapshot. And an
    interrupt could hit the ROLLBACK instead of the intended statement.
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


async def _open(uri: str, pragmas: tuple[str, ...]) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(uri, uri=True, isolation_level=None, factory=_EndingConnection)
    try:
        for pragma in pragmas:
            await connection.execute_fetchall(pragma)
        await in_thread(connection, add_functions)
        # The thread keeps its last call alive, and a call of aiosqlite's own keeps the aiosqlite connection alive. So
        # the last call (here, and at the end of each use) is SQLite's own method: then a connection that is dropped
        # without a close can warn.
        await connection.rollback()
    except BaseException:
        await to_the_end(connection.close())
        raise
    return connection


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"
