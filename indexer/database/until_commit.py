"""Remembers what was read from the database until somebody writes to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import aiosqlite

from indexer.database.database import Database

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class UntilCommit(Generic[Key, Value]):
    """What `read` finds under a key. It is read once, and again after any commit, whatever that has changed.

    So it is as good as a read of the database, and takes a hundredth of its time (0.005 ms instead of 0.7): whoever
    waited for a transaction to end finds nothing of before. At most `most` values are remembered. A database that is
    open for reading only has another process as its writer: there each value is read each time.
    """

    def __init__(self, db: Database, read: Callable[[aiosqlite.Connection, Key], Awaitable[Value]], most: int) -> None:
        self._db = db
        self._read = read
        self._most = most
        self._at: int | None = None  # the database's count of writes to which the values belong
        self._values: dict[Key, Value] = {}

    async def get(self, key: Key) -> Value:
        """Raises as `Database.reader`."""
        writes = self._db.writes
        if writes is None or writes != self._at:
            self._values.clear()
            self._at = writes
        elif key in self._values:
            return self._values[key]
        async with self._db.reader() as connection:
            value = await self._read(connection, key)
        # A commit meanwhile: nobody knows whether the snapshot was made before it.
        if writes is not None and writes == self._db.writes == self._at:
            if len(self._values) >= self._most:
                self._values.pop(next(iter(self._values)))
            self._values[key] = value
        return value
