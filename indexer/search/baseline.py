"""The vectors of the baseline sentences: what calibrations are measured against."""

from __future__ import annotations

import asyncio

import numpy as np

from indexer.model import Vectors
from indexer.ports import Encoder
from indexer.search.baseline_sentences import BASELINE_SENTENCES

AT_ONCE = 16  # sentences in one batch, so that a member's own words never wait for all of them


class Baseline:
    """Of one model, embedded once. Belongs to one event loop."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._vectors: Vectors | None = None
        self._embedding = asyncio.Lock()

    async def vectors(self) -> Vectors:
        """[m, d], a row a sentence."""
        async with self._embedding:
            if self._vectors is None:
                parts = [
                    await self._encoder.encode_words(BASELINE_SENTENCES[start : start + AT_ONCE])
                    for start in range(0, len(BASELINE_SENTENCES), AT_ONCE)
                ]
                self._vectors = np.concatenate(parts)
            return self._vectors
