"""Thumbnails on the disk: kept of the pictures that `thumbnails.keep` says, read for places that may be shown.

The database is asked each time which picture a place shows. So whatever is deleted or opted out is not shown from that
moment on, although its thumbnail leaves the file a little later (`purge`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiosqlite

from indexer.database.database import Database, open_database
from indexer.database.kept_file import KeptFile
from indexer.records.ids import DISCORD, OriginId, PlaceId
from indexer.settings import Settings
from indexer.store import thumbnails
from indexer.thumbnails.thumbnail_file import thumbnail_file


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


class KeptThumbnails(KeptFile):
    """Belongs to one event loop. Made by `open_kept_thumbnails`, or by the service for its own database."""

    def __init__(self, db: Database, settings: Settings, *, write: bool = True) -> None:
        self._keep = settings.thumbnails.keep
        self._max_bytes = settings.thumbnails.max_bytes
        self._hits = self._misses = 0
        file = thumbnail_file(settings.data_dir, self._max_bytes, write=write)
        super().__init__(db, file, self._stored, "thumbnails", keep=self._keep != "off")

    async def _stored(self, connection: aiosqlite.Connection, digests: Iterable[bytes]) -> set[bytes]:
        return await thumbnails.wanted(connection, digests, of_discord=self._keep == "all")

    def keeps(self, origin_id: OriginId) -> bool:
        """Whether a thumbnail is kept of what a message of this origin shows."""
        return self._keep == "all" or (self._keep == "imported" and origin_id != DISCORD)

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

    async def status(self) -> ThumbnailStatus:
        """What is on the disk, and how often it served."""
        found = await self._in_thread(self._file.status)
        return ThumbnailStatus(
            self._keep, found.count, found.bytes, self._max_bytes, found.oldest_ms, self._hits, self._misses
        )


@asynccontextmanager
async def open_kept_thumbnails(settings: Settings) -> AsyncIterator[KeptThumbnails]:
    """The thumbnails of a data folder, reading only, beside a running bot too. Raises StorageError."""
    async with open_database(settings.data_dir, write=False) as db, KeptThumbnails(db, settings, write=False) as kept:
        yield kept
