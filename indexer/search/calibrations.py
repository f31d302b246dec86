"""The calibration of each asker's view: measured on pictures that the asker may see, and remembered."""

from __future__ import annotations

import asyncio
import hashlib

from indexer.lru import LruCache
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, GuildId, ModelId
from indexer.search.baseline import Baseline
from indexer.search.picture_facts import Version
from indexer.search.score_bands import Calibration
from indexer.vectors.columns import Bytes, as_vectors
from indexer.vectors.index import VectorIndex

# Pictures that stand for all that a member may see: the mean cosine to 512 of them is within ± 0.01 of the mean to all,
# at the spread of 0.11 that real servers show (0.11 / √512 = 0.005).
SAMPLE = 512
REMEMBERED_SAMPLES = 256
REMEMBERED = 32  # calibrations of 1 MB each at 512 dimensions


class Calibrations:
    """The calibrations of one model."""

    def __init__(self, index: VectorIndex, model_id: ModelId, baseline: Baseline) -> None:
        self._index = index
        self._model_id = model_id
        self._baseline = baseline
        self._samples: LruCache[tuple[GuildId, frozenset[ChannelId], Version], bytes] = LruCache(REMEMBERED_SAMPLES)
        self._measured: LruCache[bytes, Calibration] = LruCache(REMEMBERED)

    async def of(self, guild_id: GuildId, visible: frozenset[ChannelId], version: Version) -> Calibration:
        """Measured on pictures of the channels that the asker may see, in this version of the guild's index.

        Remembered by the very vectors that it is measured on, so it is the same whoever asked before.
        """
        baseline = await self._baseline.vectors()
        key = (guild_id, visible, version)
        known = self._samples.get(key)
        calibration = self._measured.get(known) if known is not None else None
        if calibration is None:
            sample, digest = await asyncio.to_thread(self._sample, guild_id, visible)
            calibration = self._measured.get(digest)
            if calibration is None:
                calibration = await asyncio.to_thread(Calibration.measured, as_vectors(sample), baseline)
            self._measured.put(digest, calibration)
            self._samples.put(key, digest)
        return calibration

    def _sample(self, guild_id: GuildId, visible: frozenset[ChannelId]) -> tuple[Bytes, bytes]:
        """The vectors as stored, and their digest."""
        sample = self._index.sample(guild_id, self._model_id, Filter(visible), SAMPLE)
        return sample, hashlib.blake2b(sample.tobytes(), digest_size=32).digest()
