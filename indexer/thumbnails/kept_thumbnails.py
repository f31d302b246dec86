"""Thumbnails on the disk: kept of the pictures that `thumbnails.keep` says, read for places that may be shown.

The database is asked each time which picture a place shows. So whatever is deleted or opted out is not shown from that
moment on, although its thumbnail leaves the file a little later (`purge`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from indexer.clock import now_ms
from indexer.database.database import Database, open_database, to_the_end
from indexer.errors import RetryLater
from indexer.records.ids import DISCORD, OriginId, PlaceId
from indexer.settings import Settings
from indexer.store import thumbnails
from indexer.thumbnails.thumbnail_file import CannotWrite, ThumbnailFile

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ThumbnailStatus:
    """`hits` and `misses`: how often one was asked for since the process started, and was there or not."""

    keep: str
    count: int
    bytes: int
    max_bytes: int
    oldest_ms: int | None
    hits: int
    misses: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "keep": self.keep,
            "count": self.count,
            "bytes": self.bytes,
            "max_bytes": self.max_bytes,
            "oldest_ms": self.oldest_ms,
            "hits": self.hits,
            "misses": self.misses,
        }


class KeptThumbnails:
    """Belongs to one event loop. Made by `open_kept_thumbnails`, or by the service for its own database."""

    def __init__(self, db: Database, settings: Settings, *, write: bool = True) -> None:
        self._db = db
        self._keep = settings.thumbnails.keep
        self._max_bytes = settings.thumbnails.max_bytes
        self._file = ThumbnailFile(settings.data_dir, self._max_bytes, write=write)
        self._file_turn = asyncio.Lock()
        self._turn = asyncio.Lock()  # between the question what is stored and the write that follows from its answer
        self._hits = self._misses = 0

    def keeps(self, origin_id: OriginId) -> bool:
        """Whether a thumbnail is kept of what a message of this origin shows."""
        return self._keep == "all" or (self._keep == "imported" and origin_id != DISCORD)

    async def has(self, sha256: bytes) -> bool:
        """Whether there is one of this picture, whoever may see it."""
        return await self._in_thread(self._file.has, sha256)

    async def of(self, place_ids: Collection[PlaceId]) -> dict[PlaceId, bytes]:
        """The WebP of each of these places that has one on the disk."""
        if self._keep == "off" or not place_ids:
            return {}
        async with self._db.reader() as connection:
            digests = await thumbnails.of_places(connection, place_ids, of_discord=self._keep == "all")
        found = await self._in_thread(self._file.get, set(digests.values()))
        self._hits += sum(sha256 in found for sha256 in digests.values())
        self._misses += sum(sha256 not in found for sha256 in digests.values())
        return {place_id: found[sha256] for place_id, sha256 in digests.items() if sha256 in found}

    async def put(self, made: Mapping[bytes, bytes]) -> None:
        """Keeps these (SHA-256 of the file that each was made of → WebP) as far as their pictures are stored.

        Where the disk refuses, that is noted as a full disk, and they are not kept: nothing depends on them.
        """
        if not made or self._keep == "off":
            return
        try:
            async with self._turn:
                async with self._db.reader() as connection:
                    wanted = await thumbnails.wanted(connection, made, of_discord=self._keep == "all")
                kept = {sha256: webp for sha256, webp in made.items() if sha256 in wanted}
                if kept and not self._db.room.low:
                    await self._in_thread(self._file.put, kept, now_ms())
        except RetryLater as error:
            log.warning("thumbnails are not kept: %s", error)
            if isinstance(error, CannotWrite):
                self._db.room.refused()

    async def purge(self) -> bool:
        """Deletes thumbnails whose pictures are not stored any more, or of which none is kept, to the last byte.

        False where a reader was in the way. A full disk costs all of them: then the whole file goes. Raises
        CannotWrite.
        """
        async with self._turn:
            try:
                if self._keep != "off":
                    await self._delete_unwanted()
                    return await self._in_thread(self._file.purge)
            except CannotWrite as error:
                log.warning("all thumbnails are deleted, so that none stays of what was deleted: %s", error)
            await self._in_thread(self._file.discard)
            return True

    async def _delete_unwanted(self) -> None:
        digests = await self._in_thread(self._file.digests)
        async with self._db.reader() as connection:
            wanted = await thumbnails.wanted(connection, digests, of_discord=self._keep == "all")
        unwanted = [sha256 for sha256 in digests if sha256 not in wanted]
        if unwanted:
            await self._in_thread(self._file.delete, unwanted)

    async def clear(self, before_ms: int | None = None) -> int:
        """Deletes thumbnails made before then (Unix milliseconds; None: all). Returns how many. Raises CannotWrite."""
        async with self._turn:
            return await self._in_thread(self._file.clear, before_ms)

    async def status(self) -> ThumbnailStatus:
        """What is on the disk, and how often it served."""
        found = await self._in_thread(self._file.status)
        return ThumbnailStatus(
            self._keep, found.count, found.bytes, self._max_bytes, found.oldest_ms, self._hits, self._misses
        )

    async def close(self) -> None:
        """The next use opens the file again."""
        await self._in_thread(self._file.close)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One use of the file at a time. A purge reads all of it: threads that waited for its end would be missing for
        whatever else the process does in threads. Therefore a cancelled use keeps its turn until its thread has ended.
        """
        async with self._file_turn:
            return await to_the_end(asyncio.to_thread(work, *args, **kwargs))


@asynccontextmanager
async def kept_thumbnails(db: Database, settings: Settings, *, write: bool = True) -> AsyncIterator[KeptThumbnails]:
    """The thumbnails beside this database, closed when the block ends."""
    kept = KeptThumbnails(db, settings, write=write)
    try:
        yield kept
    finally:
        await kept.close()


@asynccontextmanager
async def open_kept_thumbnails(settings: Settings) -> AsyncIterator[KeptThumbnails]:
    """The thumbnails of a data folder, reading only, beside a running bot too. Raises StorageError."""
    async with open_database(settings.data_dir, write=False) as db, kept_thumbnails(db, settings, write=False) as kept:
        yield kept
