"""The file of thumbnails: a small SQLite database beside the true one, from a picture's SHA-256 to a WebP.

All of it can be made anew. So a file that is damaged, or of another format, is deleted and begun again, and a write
that the disk refuses costs the thumbnail and nothing else. Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from indexer.database import scrub
from indexer.database.connections import connect_readonly, error_code
from indexer.errors import RetryLater
from indexer.platforms import files

log = logging.getLogger(__name__)

T = TypeVar("T")

FILE_NAME = "thumbnails.sqlite3"
FORMAT = 1  # raise it with every change of the table, or of how thumbnails are made: files of another one are deleted
BUSY_S = 5.0  # how long a write waits for a reader of another process
FIND_PAGES = 2048  # of 4 KiB, searched at once for bytes that deleted rows have left
_EVICTED_AT_ONCE = 64
_AT_ONCE = 500  # digests in one statement

_WRITER = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",  # a power cut may lose the newest ones, never the file
    "PRAGMA secure_delete = ON",
    "PRAGMA cache_size = -2048",  # KiB
    "PRAGMA journal_size_limit = 8388608",
)
_READER = ("PRAGMA query_only = ON",)
_TABLE = (
    "CREATE TABLE thumbnails ("
    " number INTEGER PRIMARY KEY,"  # in the order in which they were made
    " sha256 BLOB NOT NULL UNIQUE,"
    " made_ms INTEGER NOT NULL,"
    " webp BLOB NOT NULL) STRICT"
)
_USELESS = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_REFUSED = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


class CannotWrite(RetryLater):
    """The disk refused the file of thumbnails."""


@dataclass(frozen=True, slots=True)
class FileStatus:
    """`bytes` is the room on the disk; `oldest_ms` is Unix milliseconds, None where there is none."""

    count: int
    bytes: int
    oldest_ms: int | None


class ThumbnailFile:
    """Opened when it is first used; any thread may use it. One process writes it: the holder of the writer's lock."""

    def __init__(self, folder: Path, max_bytes: int, *, write: bool = True) -> None:
        self.path = folder / FILE_NAME
        self._max_bytes = max_bytes
        self._write = write
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def get(self, digests: Iterable[bytes]) -> dict[bytes, bytes]:
        """SHA-256 → WebP, of those that are there."""
        wanted = list(digests)

        def read(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            found: dict[bytes, bytes] = {}
            for at in range(0, len(wanted), _AT_ONCE):
                part = wanted[at : at + _AT_ONCE]
                marks = ", ".join("?" * len(part))
                found.update(connection.execute(f"SELECT sha256, webp FROM thumbnails WHERE sha256 IN ({marks})", part))  # noqa: S608 -- marks
            return found

        return self._with(read, {}) if wanted else {}

    def has(self, sha256: bytes) -> bool:
        sql = "SELECT 1 FROM thumbnails WHERE sha256 = ?"
        return self._with(lambda connection: connection.execute(sql, (sha256,)).fetchone() is not None, False)

    def put(self, made: Mapping[bytes, bytes], now_ms: int) -> None:
        """Keeps thumbnails; where the room is not enough, the oldest go. Raises CannotWrite."""

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT INTO thumbnails (sha256, made_ms, webp) VALUES (?, ?, ?)"
                " ON CONFLICT (sha256) DO UPDATE SET made_ms = excluded.made_ms, webp = excluded.webp",
                [(sha256, now_ms, webp) for sha256, webp in made.items()],
            )
            self._evict(connection)

        self._with(lambda connection: _transaction(connection, write), None, make=True)

    def digests(self) -> list[bytes]:
        """Of all that are there."""
        sql = "SELECT sha256 FROM thumbnails"
        return self._with(lambda connection: [sha256 for (sha256,) in connection.execute(sql)], [])

    def delete(self, digests: Sequence[bytes]) -> None:
        """Deletes these. Raises CannotWrite."""
        rows = [(sha256,) for sha256 in digests]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM thumbnails WHERE sha256 = ?", rows)

        self._with(lambda connection: _transaction(connection, write), None)

    def clear(self, before_ms: int | None) -> int:
        """Deletes those made before then (None: all). Returns how many, and gives the room back. Raises CannotWrite."""

        def write(connection: sqlite3.Connection) -> int:
            sql = "DELETE FROM thumbnails WHERE ?1 IS NULL OR made_ms < ?1"
            deleted = connection.execute(sql, (before_ms,)).rowcount
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return deleted

        return self._with(write, 0)

    def purge(self) -> bool:
        """Removes every byte of deleted thumbnails from the file. False where a reader prevented it: call it again."""

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
            sql = "SELECT count(*), min(made_ms) FROM thumbnails"
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
        """None where it is of another format and this process may not change it. Raises DatabaseError, OSError."""
        if not self._write:
            connection, found = self._connect("ro", _READER)
            if found == FORMAT:
                return connection
            connection.close()
            return None
        while True:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | files.BINARY, 0o600))  # only this user may read it
            connection, found = self._connect("rw", _WRITER)
            if found == FORMAT:
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
            if self._write and _format(connection) == 0:
                _transaction(connection, _make)
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
            sql = "DELETE FROM thumbnails WHERE number IN (SELECT number FROM thumbnails ORDER BY number LIMIT ?)"
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
            log.warning("%s is damaged (%s): it is deleted, and thumbnails are made anew", self.path, why)
            self._delete()

    def _delete(self) -> None:
        self._close()
        try:
            for path in self._paths():
                path.unlink(missing_ok=True)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _paths(self) -> tuple[Path, ...]:
        return (self.path, *(self.path.with_name(f"{FILE_NAME}{end}") for end in ("-wal", "-shm")))

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _make(connection: sqlite3.Connection) -> None:
    """Inside a transaction: after a kill between the two, each use would find a table without its format."""
    connection.execute(_TABLE)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


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
