"""ports.Reranker by a model that embeds pictures and words apart: a larger CLIP behind a smaller one.

Its features are the picture's vector, its score is the cosine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from indexer.ports import Encoder, Priority
from indexer.records.ids import UserId
from indexer.records.pictures import Features, ModelSpec, Pixels, PixelSpec, Scores
from indexer.search.rank import cosines
from indexer.search.word_vectors import WordVectors


class DualReranker:
    """Over any Encoder."""

    def __init__(self, encoder: Encoder, pid: Callable[[], int | None] = lambda: None) -> None:
        """`pid` tells the id of the encoder's process."""
        self._encoder = encoder
        self._pid = pid
        self._words = WordVectors(encoder)

    @property
    def spec(self) -> ModelSpec:
        return self._encoder.spec

    @property
    def pixel_spec(self) -> PixelSpec:
        return self._encoder.pixel_spec

    @property
    def pid(self) -> int | None:
        return self._pid()

    async def features(self, frames: Sequence[Pixels]) -> Features:
        """[n, dimension] float16 of unit length. Raises as `Encoder`'s methods."""
        return (await self._encoder.encode_pixels(frames, Priority.QUERY)).astype(np.float16)

    async def learn(self, asker: UserId | None, texts: Sequence[str]) -> None:
        """Embeds the texts that are not known, together."""
        await self._words.of(asker, texts)

    async def words_scores(self, asker: UserId | None, words: str, features: Features) -> Scores:
        """The cosines to the vector of the words."""
        (vector,) = await self._words.of(asker, [words])
        return cosines(features.astype(np.float32), vector)

    async def picture_scores(self, asked: Features, features: Features) -> Scores:
        """The cosines to the vector of the picture."""
        return cosines(features.astype(np.float32), asked.astype(np.float32))
