"""Features of pictures on the disk, made by the second model that is configured (docs/adr/0058).

A row is the float16 values of one picture. The file belongs to one model: its version is made of the model's identity,
and a file of another model is deleted when the first features are kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
import numpy as np

from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.database.derived_file import DerivedFile, Shape
from indexer.database.kept_file import KeptFile
from indexer.lru import LruCache
from indexer.records.ids import UserId
from indexer.records.pictures import Features, ModelSpec
from indexer.settings import Settings
from indexer.store import thumbnails

FILE_NAME = "features.sqlite3"
FORMAT = 1  # raise it with every change of the table, or of what the values mean
# Pictures whose features were made for a question, by who asked it. Some 200 bytes each.
OWN = 16_384


@dataclass(frozen=True, slots=True)
class FeaturesStatus:
    """`hits` and `misses`: how often features were asked for since the process started, and were there or not."""

    count: int
    bytes: int
    hits: int
    misses: int


def features_file(folder: Path, max_bytes: int, *, write: bool = True) -> DerivedFile:
    """That of a data folder, of whichever model."""
    return DerivedFile(folder, Shape(FILE_NAME, "features", "float16", "features", None), max_bytes, write=write)


class KeptFeatures(KeptFile):
    """Belongs to one event loop.

    What was made for somebody's question since the process started is given to nobody else: how soon an answer comes,
    and which pictures the second model has seen in it, would tell that somebody asked a moment ago.
    """

    def __init__(self, db: Database, settings: Settings, *, write: bool = True) -> None:
        self._write = write
        self._model: ModelSpec | None = None
        self._started_ms = now_ms()
        self._own: LruCache[tuple[UserId | None, bytes], bool] = LruCache(OWN)
        self._hits = self._misses = 0
        file = features_file(settings.data_dir, settings.rerank.cache_bytes, write=write)
        super().__init__(db, file, _stored, "features of pictures", keep=settings.rerank.enabled)

    async def of_model(self, spec: ModelSpec) -> None:
        """From now on features are this model's."""
        if self._model == spec:
            return
        self._model = spec
        identity = f"{FORMAT} {spec.name} {spec.pretrained} {spec.dimension} {spec.fingerprint}"
        await self._in_thread(self._file.of_version, (zlib.crc32(identity.encode()) & 0x7FFF_FFFF) or 1)

    async def of(self, asker: UserId | None, digests: Collection[bytes], *, all_: bool) -> dict[bytes, Features]:
        """The features ([dimension]) of each of these pictures that are there for this asker. `all_`: for anybody's
        question, since whoever runs the bot asks.
        """
        own = [sha256 for sha256 in digests if all_ or self._own.peek((asker, sha256))]
        found = await self._in_thread(self._file.get, own)
        others = [sha256 for sha256 in digests if sha256 not in found]
        found |= await self._in_thread(self._file.get, others, self._started_ms)
        features = {sha256: np.frombuffer(data, "<f2") for sha256, data in found.items()}
        dimension = 0 if self._model is None else self._model.dimension
        features = {sha256: values for sha256, values in features.items() if len(values) == dimension}
        self._hits += len(features)
        self._misses += len(digests) - len(features)
        return features

    async def keep(self, asker: UserId | None, made: Mapping[bytes, Features]) -> None:
        """Keeps what was made for the question of `asker`, as far as the pictures are stored."""
        if not self._write:
            return
        await self.put({sha256: values.astype("<f2").tobytes() for sha256, values in made.items()})
        for sha256 in made:
            self._own.put((asker, sha256), True)

    async def status(self) -> FeaturesStatus:
        """What is on the disk, and how often it served."""
        found = await self._in_thread(self._file.status)
        return FeaturesStatus(found.count, found.bytes, self._hits, self._misses)


async def _stored(connection: aiosqlite.Connection, digests: Iterable[bytes]) -> set[bytes]:
    return await thumbnails.wanted(connection, digests, of_discord=True)
