"""The caches of a data folder and of the running bot: their size, how often they served, and how they are emptied.

Emptied is what costs only time to have again. Embeddings stay: without them every picture is read again. So do compared
pairs, which cost downloads. The vector
index and exported models make themselves anew too, but nothing answers well meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from indexer.clock import now_ms
from indexer.database.database import Database, open_database
from indexer.features.kept_features import KeptFeatures
from indexer.records.caches import CacheStatus, Remembered
from indexer.settings import Settings
from indexer.store import embeddings, verdicts
from indexer.thumbnails.kept_thumbnails import KeptThumbnails
from indexer.vectors.segment import FOLDER_NAME as SEGMENTS

THUMBNAILS = "thumbnails"
FEATURES = "features"


class Caches:
    """`remembered`: what this process keeps in memory, by name. `embedded`: how many pictures of the last runs were
    known already, and how many the model embedded.
    """

    def __init__(
        self,
        db: Database,
        settings: Settings,
        thumbnails: KeptThumbnails,
        features: KeptFeatures,
        remembered: Mapping[str, Remembered] | None = None,
        embedded: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        self._db = db
        self._segments = settings.data_dir / SEGMENTS
        exports = settings.with_exports(settings.model).export_dir
        assert exports is not None, "with_exports names one"
        self._exports = exports
        self._thumbnails = thumbnails
        self._features = features
        self._remembered = remembered or {}
        self._embedded = embedded

    def served(self) -> dict[str, tuple[int, int]]:
        """How often each cache in memory had what was asked for, and how often not. Embeddings count among them."""
        found = {name: (cache.hits, cache.misses) for name, cache in self._remembered.items()}
        return found if self._embedded is None else {**found, "embeddings": self._embedded()}

    async def status(self) -> list[CacheStatus]:
        """Every cache."""
        async with self._db.reader() as connection:
            count, size = await embeddings.room(connection)
            compared = await verdicts.count(connection)
        kept = await self._thumbnails.status()
        seen = await self._features.status()
        counted: tuple[int | None, int | None] = (None, None)
        served = looked_up = counted
        if self._embedded is not None:  # in a process that lasts
            counted, served, looked_up = self._embedded(), (kept.hits, kept.misses), (seen.hits, seen.misses)
        index, exports = await asyncio.to_thread(lambda: (_room(self._segments), _room(self._exports)))
        return [
            CacheStatus("embeddings", "database", count, size, *counted, cleared=False),
            CacheStatus("compared pairs", "database", compared, None, None, None, cleared=False),
            CacheStatus("vector index", "disk", *index, None, None, cleared=False),
            CacheStatus("exported models", "disk", *exports, None, None, cleared=False),
            CacheStatus(THUMBNAILS, "disk", kept.count, kept.bytes, *served, cleared=True),
            CacheStatus(FEATURES, "disk", seen.count, seen.bytes, *looked_up, cleared=True),
            *(
                CacheStatus(name, "memory", len(cache), None, cache.hits, cache.misses, cleared=True)
                for name, cache in self._remembered.items()
            ),
        ]

    async def clear(self, older_than_s: float | None = None) -> dict[str, int]:
        """Empties what may be emptied: thumbnails, the second model's features, and what is remembered.

        Returns how many values of each went.

        `older_than_s`: only what is on the disk and was made before that many seconds; what is remembered lives for
        minutes and stays. Raises CannotWrite.
        """
        before_ms = None if older_than_s is None else now_ms() - round(older_than_s * 1000)
        cleared = {
            THUMBNAILS: await self._thumbnails.clear(before_ms),
            FEATURES: await self._features.clear(before_ms),
        }
        if older_than_s is not None:
            return cleared
        return cleared | {name: cache.clear() for name, cache in self._remembered.items()}


def _room(folder: Path) -> tuple[int, int]:
    """How many files, and their bytes. Blocks."""
    sizes = []
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                sizes.append(path.stat().st_size)
        except OSError:  # the bot has just replaced it
            continue
    return len(sizes), sum(sizes)


@asynccontextmanager
async def open_caches(settings: Settings) -> AsyncIterator[Caches]:
    """Those of a data folder on which no bot runs, reading only. Raises StorageError."""
    async with (
        open_database(settings.data_dir, write=False) as db,
        KeptThumbnails(db, settings, write=False) as kept,
        KeptFeatures(db, settings, write=False) as features,
    ):
        yield Caches(db, settings, kept, features)
