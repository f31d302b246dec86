"""A model's process of a fixed rate, which needs no core: for what cores would lie about, several machines on one.

A picture takes PICTURE_S and a text TEXT_S, one after the other, as on a GPU. A picture's vector begins with the values
of its first pixel, so that each answer can be told from every other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np

from indexer.encode import worker
from indexer.encode.protocol import Choice, Facts
from indexer.encode.shared_frames import Frames
from indexer.records.pictures import ModelSpec, PixelSpec, Vectors
from indexer.settings import ModelSettings

PICTURE_S = 0.05 / 8  # 160 pictures/s
TEXT_S = 0.02
DIMENSION = 768
SIZE = 256


class FixedRate:
    def __init__(self) -> None:
        self.choice = Choice("openvino", "cpu", "float32", 1, 1)
        self._turn = threading.Lock()

    def pixels(self, frames: Frames) -> Vectors:
        vectors = np.ones((len(frames), DIMENSION), np.float32)
        vectors[:, :3] = frames[:, 0, 0]
        with self._turn:
            time.sleep(PICTURE_S * len(frames))
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def words(self, texts: Sequence[str]) -> Vectors:
        with self._turn:
            time.sleep(TEXT_S * len(texts))
        return np.ones((len(texts), DIMENSION), np.float32)


def load(settings: ModelSettings, _: Choice | None) -> tuple[FixedRate, Facts]:
    model = FixedRate()
    return model, Facts(ModelSpec(settings.name, "none", DIMENSION, "00"), PixelSpec(SIZE), model.choice)


def main(arguments: str) -> None:
    worker.main(arguments, load)
