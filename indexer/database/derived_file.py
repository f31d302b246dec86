"""A small SQLite database beside the true one, from a picture's SHA-256 to bytes that were made of the picture.

All of it can be made anew. So a file that is damaged, or of another format, is deleted and begun again, and a write
that the disk refuses costs the new rows and nothing else. Everything here blocks: call it in a thread. Thumbnails
(indexer/thumbnails) and features of pictures (indexer/features) are such files.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from indexer.database import scrub
from indexer.database.connections import connect_readonly, error_code
from indexer.errors import RetryLater
from indexer.platforms import files

log = logging.getLogger(__name__)

T = TypeVar("T")

BUSY_S = 5.0  # how long a write waits for a reader of another process
FIND_PAGES = 2048  # of 4 KiB, searched at once for bytes that deleted rows have left
_EVICTED_AT_ONCE = 64
_NEVER_MS = 2**62
_AT_ONCE = 500  # digests in one statement

_WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",  # a power cut may lose the newest ones, never the file
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_size = -2048",  # KiB
    "PRAGMA journal_size_limit = 8388608",
)
_READER = ("PRAGMA query_only = ON",)
_USELESS = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_REFUSED = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


class CannotWrite(RetryLater):
    """The disk refused the file."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What tells one kind of file from another: its name, its table, and the column of bytes in it.

    `made` says in an error what the bytes are. `version` is a number from 1 to 2³¹ - 1: raise it with every change of
    the table, or of how the bytes are made, and files of another one are deleted. None: this process reads files of
    every version, and makes none.
    """

    file_name: str
    table: str
    column: str
    made: str
    version: int | None


@dataclass(frozen=True, slots=True)
class FileStatus:
    """`bytes` is the room on the disk; `oldest_ms` is Unix milliseconds, None where there is none."""

    count: int
    bytes: int
    oldest_ms: int | None


class DerivedFile:
    """Opened when it is first used; any thread may use it. One process writes it: the holder of the writer's lock."""

    def __init__(self, folder: Path, shape: Shape, max_bytes: int, *, write: bool = True) -> None:
        """Names in `shape` are constants of this project: they stand in SQL."""
        self.path = folder / shape.file_name
        self._shape = shape
        self._max_bytes = max_bytes
        self._write = write
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def get(self, digests: Iterable[bytes], before_ms: int | None = None) -> dict[bytes, bytes]:
        """SHA-256 → bytes, of those that are there and were made before then (Unix milliseconds; None: whenever)."""
        wanted, shape = list(digests), self._shape

        def read(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            found: dict[bytes, bytes] = {}
            for at in range(0, len(wanted), _AT_ONCE):
                part = wanted[at : at + _AT_ONCE]
                marks = ", ".join("?" * len(part))
                sql = (
                    f"SELECT sha256, {shape.column} FROM {shape.table}"  # noqa: S608 -- constants, marks
                    f" WHERE sha256 IN ({marks}) AND made_ms < ?"
                )
                found.update(connection.execute(sql, (*part, _NEVER_MS if before_ms is None else before_ms)))
            return found

        return self._with(read, {}) if wanted else {}

    def has(self, sha256: bytes) -> bool:
        sql = f"SELECT 1 FROM {self._shape.table} WHERE sha256 = ?"  # noqa: S608 -- a constant
        return self._with(lambda connection: connection.execute(sql, (sha256,)).fetchone() is not None, False)

    def put(self, made: Mapping[bytes, bytes], now_ms: int) -> None:
        """Keeps these; where the room is not enough, the oldest go. Raises CannotWrite."""
        table, column = self._shape.table, self._shape.column

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                f"INSERT INTO {table} (sha256, made_ms, {column}) VALUES (?, ?, ?)"  # noqa: S608 -- constants
                f" ON CONFLICT (sha256) DO UPDATE SET made_ms = excluded.made_ms, {column} = excluded.{column}",
                [(sha256, now_ms, data) for sha256, data in made.items()],
            )
            self._evict(connection)

        self._with(lambda connection: _transaction(connection, write), None, make=True)

    def digests(self) -> list[bytes]:
        """Of all that are there."""
        sql = f"SELECT sha256 FROM {self._shape.table}"  # noqa: S608 -- a constant
        return self._with(lambda connection: [sha256 for (sha256,) in connection.execute(sql)], [])

    def delete(self, digests: Sequence[bytes]) -> None:
        """Deletes these. Raises CannotWrite."""
        rows = [(sha256,) for sha256 in digests]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(f"DELETE FROM {self._shape.table} WHERE sha256 = ?", rows)  # noqa: S608 -- a constant

        self._with(lambda connection: _transaction(connection, write), None)

    def clear(self, before_ms: int | None) -> int:
        """Deletes those made before then (None: all). Returns how many, and gives the room back. Raises CannotWrite."""

        def write(connection: sqlite3.Connection) -> int:
            sql = f"DELETE FROM {self._shape.table} WHERE ?1 IS NULL OR made_ms < ?1"  # noqa: S608 -- a constant
            deleted = connection.execute(sql, (before_ms,)).rowcount
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return deleted

        return self._with(write, 0)

    def purge(self) -> bool:
        """Removes every byte of deleted rows from the file. False where a reader prevented it: call it again."""

        def empty_log(connection: sqlite3.Connection) -> bool:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
            if pages * page_size > self._max_bytes:  # the setting was lowered
                _transaction(connection, self._evict)
                connection.execute("VACUUM")
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

        with self._turn:
            if not self.path.exists():
                self._delete()  # a kill may have left its log
                return True
            done = self._attempt(empty_log, False)
            # Closed meanwhile: closing any handle of the file would release the locks that SQLite holds on it.
            self._close()
            if done and self.path.exists():
                self._scrub()
        return done

    def discard(self) -> None:
        """Deletes the file. Raises CannotWrite."""
        with self._turn:
            self._delete()

    def status(self) -> FileStatus:
        """What is there."""

        def read(connection: sqlite3.Connection) -> tuple[int, int | None]:
            sql = f"SELECT count(*), min(made_ms) FROM {self._shape.table}"  # noqa: S608 -- a constant
            found: tuple[int, int | None] = connection.execute(sql).fetchone()
            return found

        none: tuple[int, int | None] = (0, None)
        count, oldest_ms = self._with(read, none)
        size = 0
        for path in self._paths():
            with suppress(OSError):
                size += path.stat().st_size
        return FileStatus(count, size, oldest_ms)

    def check(self) -> str | None:
        """What is wrong with the file; None: nothing, or there is none."""
        if not self.path.exists():
            return None
        try:
            connection = connect_readonly(self.path)
            try:
                (result,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            finally:
                connection.close()
        except sqlite3.DatabaseError as error:
            return str(error)
        return None if result == "ok" else str(result)

    def of_version(self, version: int | None) -> None:
        """From now on files of this version are read and made; see `Shape`."""
        with self._turn:
            self._close()
            self._shape = replace(self._shape, version=version)

    def close(self) -> None:
        """The next use opens it again."""
        with self._turn:
            self._close()

    def _with(self, work: Callable[[sqlite3.Connection], T], without: T, *, make: bool = False) -> T:
        """What `work` returns; `without` where there is no file (`make`: then it is made), or a damaged one."""
        with self._turn:
            if not make and not self.path.exists():
                self._close()
                return without
            return self._attempt(work, without)

    def _attempt(self, work: Callable[[sqlite3.Connection], T], without: T) -> T:
        try:
            if self._connection is None:
                self._connection = self._open()
            return without if self._connection is None else work(self._connection)
        except sqlite3.DatabaseError as error:
            self._close()
            code = error_code(error)
            if code in _USELESS:
                self._throw_away(str(error))
                return without
            if not self._write:  # another process writes it, or has just deleted it
                return without
            if code in _REFUSED:
                raise self._cannot_write(error) from error
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return without
            raise
        except OSError as error:
            self._close()
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: Exception) -> CannotWrite:
        return CannotWrite(f"{self.path} cannot be written ({error}). Make room, or check the disk.")

    def _open(self) -> sqlite3.Connection | None:
        """None where this process may not make the file, and there is none that it can use. Raises DatabaseError,
        OSError.
        """
        version = self._shape.version
        if not self._write or version is None:
            connection, found = self._connect(*(("rw", _WRITER) if self._write else ("ro", _READER)))
            if found and version in (None, found):
                return connection
            connection.close()
            if self._write:
                self._delete()
            return None
        while True:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | files.BINARY, 0o600))  # only this user may read it
            connection, found = self._connect("rw", _WRITER)
            if found == version:
                return connection
            connection.close()
            self._delete()

    def _connect(self, mode: str, pragmas: Sequence[str]) -> tuple[sqlite3.Connection, int]:
        """The file, and of which format it is. An empty one gets its table, where it may be written."""
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
        try:
            for pragma in pragmas:
                connection.execute(pragma).fetchall()
            if self._write and self._shape.version is not None and _format(connection) == 0:
                _transaction(connection, self._make)
            return connection, _format(connection)
        except BaseException:
            connection.close()
            raise

    def _evict(self, connection: sqlite3.Connection) -> None:
        """Deletes the oldest until the rest fits."""
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        while True:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            if (pages - free) * page_size <= self._max_bytes:
                return
            table = self._shape.table
            sql = f"DELETE FROM {table} WHERE number IN (SELECT number FROM {table} ORDER BY number LIMIT ?)"  # noqa: S608 -- a constant
            if not connection.execute(sql, (_EVICTED_AT_ONCE,)).rowcount:
                return

    def _scrub(self) -> None:
        """Overwrites what deleted rows have left between the cells of pages. The file is closed, and its log empty."""
        handle = os.open(self.path, os.O_RDWR | files.BINARY)
        try:
            page_size = int.from_bytes(files.read_at(handle, 2, 16), "big")
            if page_size:
                pages = os.fstat(handle).st_size // page_size
                for first in range(1, pages + 1, FIND_PAGES):
                    scrub.clean(handle, page_size, scrub.find(handle, page_size, first, FIND_PAGES))
                os.fsync(handle)
        finally:
            os.close(handle)

    def _throw_away(self, why: str) -> None:
        if self._write:
            log.warning("%s is damaged (%s): it is deleted, and %s are made anew", self.path, why, self._shape.made)
            self._delete()

    def _delete(self) -> None:
        self._close()
        try:
            for path in self._paths():
                path.unlink(missing_ok=True)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _paths(self) -> tuple[Path, ...]:
        return (self.path, *(self.path.with_name(f"{self._shape.file_name}{end}") for end in ("-wal", "-shm")))

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _make(self, connection: sqlite3.Connection) -> None:
        """Inside a transaction: after a kill between the two, each use would find a table without its format."""
        connection.execute(
            f"CREATE TABLE {self._shape.table} ("
            " number INTEGER PRIMARY KEY,"  # in the order in which they were made
            " sha256 BLOB NOT NULL UNIQUE,"
            " made_ms INTEGER NOT NULL,"
            f" {self._shape.column} BLOB NOT NULL) STRICT"
        )
        connection.execute(f"PRAGMA user_version = {self._shape.version}")


def _format(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found)


def _transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
