"""ports.Reranker by a model that reads a picture and the words together: BLIP and BLIP-2, a cross-encoder.

Its features are the tokens of a picture, its score is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from indexer.ports import Priority
from indexer.records.ids import UserId
from indexer.records.pictures import Features, ModelSpec, Pixels, PixelSpec, Scores, Vectors


class Matcher(Protocol):
    """The model's process."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def pixel_spec(self) -> PixelSpec: ...

    @property
    def pid(self) -> int | None: ...

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority) -> Vectors: ...

    async def scores(self, words: str | None, features: Features) -> Scores:
        """Of pictures ([n, d]) with the words: [n]. Without words: of all but the first with the first, [n - 1]."""
        ...


class JointReranker:
    """Over a process."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher

    @property
    def spec(self) -> ModelSpec:
        return self._matcher.spec

    @property
    def pixel_spec(self) -> PixelSpec:
        return self._matcher.pixel_spec

    @property
    def pid(self) -> int | None:
        return self._matcher.pid

    async def features(self, frames: Sequence[Pixels]) -> Features:
        """[n, dimension] float16. Raises as `ModelEncoder.encode_pixels`."""
        return (await self._matcher.encode_pixels(frames, Priority.QUERY)).astype(np.float16)

    async def learn(self, asker: UserId | None, texts: Sequence[str]) -> None:
        """Words alone mean nothing to it: they are read with each picture."""

    async def words_scores(self, asker: UserId | None, words: str, features: Features) -> Scores:
        return await self._matcher.scores(words, features)

    async def picture_scores(self, asked: Features, features: Features) -> Scores:
        return await self._matcher.scores(None, np.concatenate([asked[None], features]))
