"""What is kept of stored pictures in a derived file, used from an event loop.

The database says which pictures are stored. What belongs to no stored picture any more leaves the file with `purge`, to
the last byte.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import ParamSpec, Self, TypeVar

import aiosqlite

from indexer.clock import now_ms
from indexer.database.database import Database, to_the_end
from indexer.database.derived_file import CannotWrite, DerivedFile
from indexer.errors import RetryLater

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Wanted = Callable[[aiosqlite.Connection, Iterable[bytes]], Awaitable[set[bytes]]]
"""Those of these SHA-256 of which something may be kept."""


class KeptFile:
    """Belongs to one event loop. `made` says in the log what is kept; `keep` False: nothing is, and the file goes."""

    def __init__(self, db: Database, file: DerivedFile, wanted: Wanted, made: str, *, keep: bool) -> None:
        self._db = db
        self._file = file
        self._wanted = wanted
        self._made = made
        self._kept = keep
        self._file_turn = asyncio.Lock()
        self._turn = asyncio.Lock()  # between the question what is stored and the write that follows from its answer

    async def has(self, sha256: bytes) -> bool:
        """Whether something is kept of this picture, whoever may see it."""
        return await self._in_thread(self._file.has, sha256)

    async def put(self, made: Mapping[bytes, bytes]) -> None:
        """Keeps these (SHA-256 of a picture's file → bytes) as far as their pictures are stored.

        Where the disk refuses, that is noted as a full disk, and they are not kept: nothing depends on them.
        """
        if not made or not self._kept:
            return
        try:
            async with self._turn:
                async with self._db.reader() as connection:
                    wanted = await self._wanted(connection, made)
                kept = {sha256: data for sha256, data in made.items() if sha256 in wanted}
                if kept and not self._db.room.low:
                    await self._in_thread(self._file.put, kept, now_ms())
        except RetryLater as error:
            log.warning("%s are not kept: %s", self._made, error)
            if isinstance(error, CannotWrite):
                self._db.room.refused()

    async def purge(self) -> bool:
        """Deletes what belongs to no stored picture, or all where nothing is kept, to the last byte.

        False where a reader was in the way. A full disk costs all of it: then the whole file goes. Raises CannotWrite.
        """
        async with self._turn:
            try:
                if self._kept:
                    await self._delete_unwanted()
                    return await self._in_thread(self._file.purge)
            except CannotWrite as error:
                log.warning("all %s are deleted, so that none stays of what was deleted: %s", self._made, error)
            await self._in_thread(self._file.discard)
            return True

    async def _delete_unwanted(self) -> None:
        digests = await self._in_thread(self._file.digests)
        async with self._db.reader() as connection:
            wanted = await self._wanted(connection, digests)
        unwanted = [sha256 for sha256 in digests if sha256 not in wanted]
        if unwanted:
            await self._in_thread(self._file.delete, unwanted)

    async def clear(self, before_ms: int | None = None) -> int:
        """Deletes what was made before then (Unix milliseconds; None: all). Returns how many. Raises CannotWrite."""
        async with self._turn:
            return await self._in_thread(self._file.clear, before_ms)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the file; the next use opens it again."""
        await self._in_thread(self._file.close)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One use of the file at a time. A purge reads all of it: threads that waited for its end would be missing for
        whatever else the process does in threads. Therefore a cancelled use keeps its turn until its thread has ended.
        """
        async with self._file_turn:
            return await to_the_end(asyncio.to_thread(work, *args, **kwargs))
