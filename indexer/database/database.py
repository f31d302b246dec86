"""The open database: one writer, a few readers, and transactions that always end.

Every connection has a thread of its own (aiosqlite), so nothing here blocks the event loop. To write, use
`Database.transaction()`, one at a time. To read, use `Database.reader()`; each use has one consistent snapshot.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from indexer.database import lock, migrate, scrub, unfinished
from indexer.database.connections import (
    BUSY_MS,
    CACHE_KIB,
    close,
    connect_readonly,
    open_reader,
    open_writer,
    to_the_end,
    translated,
)
from indexer.database.room import Room
from indexer.errors import DiskFull, RetryLater, StorageError
from indexer.platforms.files import BINARY

__all__ = [
    "FILE_NAME",
    "Database",
    "as_json",
    "connect_readonly",
    "first",
    "open_database",
    "to_the_end",
]

FILE_NAME = "afterimage.sqlite3"
_Statement = tuple[str, tuple[str, ...]]  # with its values
READERS = 4
TURN_S = 60.0  # seconds that a task waits for the writer or for a reader before RetryLater is raised

CHECKPOINT_WAIT_MS = 50  # how long emptying the WAL waits for a reader; nobody can write in this time
FIND_PAGES = 2048  # pages that are searched at once, some 10 ms in a thread; nobody waits for it
SCRUB_PAGES = 256  # pages that are cleaned while nobody can write: 5 ms, and the time to move the WAL of other writers
SCRUB_TRIES, SCRUB_AGAIN_S = 100, 0.1  # how often, and in which interval, scrubbing waits for readers before it stops


class Database:
    """An open data folder. Made by `open_database`; belongs to one event loop."""

    def __init__(
        self, path: Path, writer: aiosqlite.Connection | None, room: Room, fence: Callable[[], None] | None = None
    ) -> None:
        self._fence = fence
        self.path = path
        self.room = room
        self._writer = writer
        self._synchronous = ""  # the current setting of the writer; "" while it is unknown
        self._turn = asyncio.Lock()
        self._attaching = asyncio.Lock()
        self._owner: asyncio.Task[Any] | None = None
        self._places = asyncio.Semaphore(READERS)
        self._idle: list[aiosqlite.Connection] = []
        self._file: int | None = None
        self._writes = 0

    @property
    def writes(self) -> int | None:
        """Changes with each write, before whoever wrote goes on. None where another process may write."""
        return None if self._writer is None else self._writes

    @asynccontextmanager
    async def transaction(self, *, durable: bool = False) -> AsyncIterator[aiosqlite.Connection]:
        """The writer inside BEGIN IMMEDIATE … COMMIT; any exception, cancellation included, rolls back.

        After the block has ended without an exception, the commit runs to its end, even if the task is cancelled then.
        `durable` waits until the commit is on the disk, for promises to a person (about 4 ms instead of 0.01).
        Raises RetryLater when the writer is not free within TURN_S, DiskFull where the disk has no room, StorageError
        where the disk refuses or the database is read-only, RuntimeError where this task has a transaction already.
        """
        writer = await self._take_turn()
        try:
            with self._room_counted(), translated(self.path):
                try:
                    await self._begin(writer, "FULL" if durable else "NORMAL")
                    yield writer
                    if not writer.in_transaction:
                        raise StorageError(f"{self.path}: SQLite gave up the transaction; nothing of it was kept.")
                    if self._fence is not None:
                        self._fence()
                    await to_the_end(writer.commit())
                except BaseException as error:
                    if isinstance(error, asyncio.CancelledError):
                        await writer.interrupt()  # a statement that still runs for this task will be rolled back
                    await to_the_end(writer.rollback())
                    raise
        finally:
            self._release_turn()

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
            connection = self._idle.pop() if self._idle else await open_reader(self.path)
            try:
                with translated(self.path):
                    await connection.execute_fetchall("BEGIN")
                    yield connection
            except asyncio.CancelledError:
                await connection.interrupt()  # a long query must not hold back the next user of this connection
                raise
            finally:
                await to_the_end(self._put_back(connection))
        finally:
            self._places.release()

    @asynccontextmanager
    async def attached(
        self, uri: str, schema: str, temporary: Mapping[str, str], *, cache_kib: int | None = None
    ) -> AsyncIterator[None]:
        """Within the block every transaction also sees the database at `uri`, as `schema`, and the `temporary` tables.

        `uri` must be read-only. `temporary` gives each table's columns; they are empty at first. `cache_kib`: another
        size for the writer's page cache meanwhile. One is attached at a time: whoever comes next waits for the end of
        the block. Raises RetryLater, StorageError.
        """
        attaching: list[_Statement] = [
            ("ATTACH ? AS ?", (uri, schema)),
            *((f"CREATE TEMP TABLE {name} ({columns}) STRICT", ()) for name, columns in temporary.items()),
            (f"PRAGMA cache_size = -{cache_kib or CACHE_KIB}", ()),
        ]
        detaching: list[_Statement] = [
            *((f"DROP TABLE IF EXISTS temp.{name}", ()) for name in temporary),
            ("DETACH ?", (schema,)),
            (f"PRAGMA cache_size = -{CACHE_KIB}", ()),
        ]
        async with self._attaching:
            try:
                # Where the writer was busy for too long when the last one ended, that one is still attached.
                await self._outside_transaction(schema, detaching, attaching)
                yield
            finally:
                await to_the_end(self._outside_transaction(schema, detaching))

    @asynccontextmanager
    async def cached(self, cache_kib: int) -> AsyncIterator[None]:
        """Another size for the writer's page cache within the block. Raises RetryLater, StorageError."""
        await self._outside_transaction("", (), [(f"PRAGMA cache_size = -{cache_kib}", ())])
        try:
            yield
        finally:
            await to_the_end(self._outside_transaction("", (), [(f"PRAGMA cache_size = -{CACHE_KIB}", ())]))

    async def _outside_transaction(
        self, schema: str, detaching: Sequence[_Statement], attaching: Sequence[_Statement] = ()
    ) -> None:
        """`detaching` where `schema` is attached, then `attaching`."""
        writer = await self._take_turn()
        try:
            with translated(self.path):
                attached = {name for _, name, _ in await writer.execute_fetchall("PRAGMA database_list")}
                for sql, values in (*(detaching if schema in attached else ()), *attaching):
                    await to_the_end(writer.execute_fetchall(sql, values))
        finally:
            self._release_turn()

    async def checkpoint(self) -> bool:
        """Moves everything from the WAL into the database file and empties the WAL file.

        False where a reader's snapshot prevented that for CHECKPOINT_WAIT_MS. Then the pages that the reader needs stay
        in the WAL until the next time.
        """
        writer = await self._take_turn()
        try:
            with translated(self.path):
                await writer.execute_fetchall(f"PRAGMA busy_timeout = {CHECKPOINT_WAIT_MS}")
                try:
                    ((busy, _, _),) = await to_the_end(writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)"))
                finally:
                    await to_the_end(writer.execute_fetchall(f"PRAGMA busy_timeout = {BUSY_MS}"))
        finally:
            self._release_turn()
        return not busy

    async def scrub(self) -> bool:
        """Overwrites with zeros what deleted rows left inside the pages of the file (see scrub.py).

        The file is read in chunks while others write. Pages are cleaned in groups of SCRUB_PAGES by the task that holds
        the writer, so that nobody else writes the file. The writer's cache may hold the old bytes, so it is emptied.
        Pages with a newer version in the WAL come last, after the WAL was moved into the file. False where readers
        prevented that all the time. Raises RetryLater, StorageError.
        """
        if self._file is None:
            # The handle is closed together with the database: closing any handle of a file releases the locks that
            # SQLite holds on the file in this process.
            self._file = await asyncio.to_thread(os.open, self.path, os.O_RDWR | BINARY)
        handle = self._file
        async with self.reader() as connection:
            ((page_size,),) = await connection.execute_fetchall("PRAGMA page_size")
            ((pointer_maps,),) = await connection.execute_fetchall("PRAGMA auto_vacuum")
        size = (await asyncio.to_thread(os.fstat, handle)).st_size
        if pointer_maps or size // page_size >= scrub.MOST_PAGES:  # page kinds are unknown: rewrite
            await self.rewrite()
            return True
        logged_pages: list[int] = []
        with translated(self.path):
            for first in range(1, size // page_size + 1, FIND_PAGES):
                dirty_pages = await asyncio.to_thread(scrub.find, handle, page_size, first, FIND_PAGES)
                for start in range(0, len(dirty_pages), SCRUB_PAGES):
                    logged_pages += await self._scrub(handle, page_size, dirty_pages[start : start + SCRUB_PAGES])
                # Synced now, while others can write: in the next checkpoint, this sync held the writer for 600 ms.
                await asyncio.to_thread(os.fsync, handle)
            for start in range(0, len(logged_pages), SCRUB_PAGES):
                if not await self._scrub_moved(handle, page_size, logged_pages[start : start + SCRUB_PAGES]):
                    return False
            await asyncio.to_thread(os.fsync, handle)
        return True

    async def _scrub(self, handle: int, page_size: int, pages: Sequence[int]) -> list[int]:
        """Cleans the pages that the WAL has no newer version of; returns the others."""
        wal = self.path.with_name(self.path.name + "-wal")

        def work() -> list[int]:
            newer = scrub.logged(wal, page_size)
            scrub.clean(handle, page_size, [page for page in pages if page not in newer])
            return [page for page in pages if page in newer]

        writer = await self._take_turn()
        try:
            await to_the_end(writer.execute_fetchall("PRAGMA shrink_memory"))
            return await to_the_end(asyncio.to_thread(work))
        finally:
            self._release_turn()

    async def _scrub_moved(self, handle: int, page_size: int, pages: Sequence[int]) -> bool:
        """Cleans pages after the whole WAL was moved into the file. False where a reader prevented that."""
        for _ in range(SCRUB_TRIES):
            writer = await self._take_turn()
            try:
                ((_, newer, moved),) = await to_the_end(writer.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)"))
                if newer == moved:
                    await to_the_end(writer.execute_fetchall("PRAGMA shrink_memory"))
                    await to_the_end(asyncio.to_thread(scrub.clean, handle, page_size, pages))
                    return True
            finally:
                self._release_turn()
            await asyncio.sleep(SCRUB_AGAIN_S)
        return False

    async def rewrite(self) -> None:
        """Writes the whole file again (VACUUM) and frees disk space. Nobody else can write meanwhile, about 10 s for
        each GB. It needs as much free disk as the file has. A cancellation stops it and changes nothing.
        """
        os.environ.setdefault("SQLITE_TMPDIR", str(self.path.parent))  # VACUUM makes its copy there
        writer = await self._take_turn()
        try:
            with translated(self.path):
                try:
                    await writer.execute_fetchall("VACUUM")
                except asyncio.CancelledError:
                    await writer.interrupt()
                    raise
                finally:
                    await to_the_end(writer.rollback())  # waits for the thread; nothing has to be rolled back
        finally:
            self._release_turn()

    def close_file(self) -> None:
        """Closes the handle of `scrub`; every connection of this process must be closed by then. Blocks."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    async def close_readers(self) -> None:
        """Closes the idle readers; new ones are opened when they are needed."""
        while self._idle:
            await close(self._idle.pop())

    async def _begin(self, writer: aiosqlite.Connection, synchronous: str) -> None:
        """Begins a transaction, with its settings, in one call of the thread: a call costs 0.1 ms, as does a commit."""
        if self._synchronous == synchronous:
            await writer.execute_fetchall("BEGIN IMMEDIATE")
            return
        self._synchronous = ""
        await writer.executescript(f"PRAGMA synchronous = {synchronous}; BEGIN IMMEDIATE")
        self._synchronous = synchronous

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

    def _release_turn(self) -> None:
        self._writes += 1
        self._owner = None
        self._turn.release()

    @contextmanager
    def _room_counted(self) -> Iterator[None]:
        try:
            yield
        except DiskFull:
            self.room.refused()
            raise

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
async def open_database(
    data_dir: Path, *, write: bool = True, min_free_bytes: int = 0, fence: Callable[[], None] | None = None
) -> AsyncIterator[Database]:
    """The database in `data_dir`, open until the block ends.

    `write=True` makes the folder if needed, holds its writer lock, and creates or upgrades the schema (backup first).
    `write=False` reads while another process may write. `min_free_bytes` stay free on the disk (see Room). `fence` is
    called before each commit; where it raises, nothing is committed.
    Raises StorageError, saying what to do, where the folder cannot be used.
    """
    path = data_dir / FILE_NAME
    async with AsyncExitStack() as stack:
        writer, files = None, ExitStack()
        if write:
            stack.enter_context(lock.hold(data_dir))
            stack.push(files)  # closed after all connections
            await asyncio.to_thread(unfinished.refuse, data_dir)
            await to_the_end(asyncio.to_thread(migrate.migrate, path))
            writer = await open_writer(path)
            stack.push_async_callback(close, writer)
        else:
            await asyncio.to_thread(unfinished.refuse, data_dir)
            await to_the_end(asyncio.to_thread(migrate.check, path))
        database = Database(path, writer, Room(data_dir, min_free_bytes), fence)
        files.callback(database.close_file)
        stack.push_async_callback(database.close_readers)  # before the writer: the last to close empties the WAL
        yield database


async def first(connection: aiosqlite.Connection, sql: str, parameters: Iterable[Any] = ()) -> tuple[Any, ...] | None:
    """The first row of the answer, None where there is none."""
    for row in await connection.execute_fetchall(sql, parameters):
        return tuple(row)
    return None


def as_json(ids: Iterable[int | str]) -> str:
    """Ids or names as one parameter, for `IN (SELECT value FROM json_each(?))`: any number, one prepared statement."""
    return json.dumps(list(ids))
