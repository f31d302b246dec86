"""A small substitute for the model, so that a test does not need torch."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

import numpy as np

from indexer.ports import Priority
from indexer.records.pictures import ModelSpec, Pixels, PixelSpec, Vectors

SIZE = 16  # pixels on each side, unless a test sets it


class Encoder:
    """An Encoder (a port). It encodes pictures by a random projection of their pixels, and words by their spelling.

    `encoded` counts pictures. If there is a `gate`, pictures wait for it, all of them or those after the first
    `free` ones. The next `fails_next` calls for pictures fail.
    """

    def __init__(self, dimension: int = 32, size: int = SIZE) -> None:
        self.spec = ModelSpec("in-test", "none", dimension, "00")
        self.pixel_spec = PixelSpec(size=size)
        self.awake = True
        self.encoded = 0
        self.gate: asyncio.Event | None = None
        self.free = 0
        self.fails_next = 0
        self._map = np.random.default_rng(0).standard_normal((size * size * 3, dimension)).astype(np.float32)

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        if self.gate is not None and self.encoded >= self.free:
            await self.gate.wait()
        if self.fails_next:
            self.fails_next -= 1
            raise RuntimeError("the model failed")
        self.encoded += len(frames)
        flat = np.stack([frame.reshape(-1) for frame in frames]).astype(np.float32) / 255 - 0.5
        return _unit(np.stack([row @ self._map for row in flat]))  # row by row: the result does not depend on the batch

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(self.spec.dimension) for text in texts]
        return _unit(np.stack(rows))


def _unit(rows: np.ndarray) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
