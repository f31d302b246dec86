"""The model's process with a network without weights. The request decides what happens to the process.

A picture's vector is its first pixel. DEADLY ends the process. DIVISIVE makes the model fail. UNPLUGGED removes the
GPU, which exists if `device` says cuda. REDUCED makes it go over to int8. Files in the folder that `pretrained` names
have effects too: while `hold` exists nothing is answered; while `hold-loading` exists nothing is loaded; with `gone`
nothing can be loaded; with `deadly-to-load` loading ends the process; with `deadly` everything does; `changed` stands
for other weights.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from indexer.encode import worker
from indexer.encode.protocol import Choice, Facts
from indexer.encode.shared_frames import Frames
from indexer.errors import ModelUnavailable
from indexer.platforms.processes import kill
from indexer.records.pictures import Features, ModelSpec, PixelSpec, Vectors
from indexer.settings import ModelSettings

DEADLY = 13
DIVISIVE = 14
UNPLUGGED = 15
REDUCED = 16
SIZE = 8

log = logging.getLogger("indexer.fake")


class FakeModel:
    def __init__(self, folder: Path, choice: Choice) -> None:
        self._folder = folder
        self.choice = choice

    def pixels(self, frames: Frames) -> Vectors:
        firsts = [int(frame[0, 0, 0]) for frame in frames]
        self._work(firsts)
        return np.array([[first, 1] for first in firsts], np.float32)

    def words(self, texts: Sequence[str]) -> Vectors:
        self._work([DEADLY if text == "deadly" else 0 for text in texts])
        return np.array([[len(text), 2] for text in texts], np.float32)

    def scores(self, words: str | None, features: Features) -> Vectors:
        """A picture's first value, and how long the words are: what a model that reads both together could say."""
        self._work([int(row[0]) for row in features])
        if words is None:
            return np.asarray(features[1:, :1] - features[0, 0], np.float32)
        return np.asarray(features[:, :1] + np.float16(len(words)), np.float32)

    def _work(self, numbers: list[int]) -> None:
        log.info("asked for %s", numbers)
        while (self._folder / "hold").exists():
            time.sleep(0.01)
        if DEADLY in numbers or (self._folder / "deadly").exists():
            print("a library's last words", flush=True)
            kill(os.getpid())
        if UNPLUGGED in numbers and self.choice.device == "cuda":
            raise RuntimeError("CUDA error: unspecified launch failure")
        if REDUCED in numbers:
            self.choice = replace(self.choice, precision="int8")
        if DIVISIVE in numbers:
            raise ZeroDivisionError("by a picture")


def load(settings: ModelSettings, settled: Choice | None) -> tuple[FakeModel, Facts]:
    folder = Path(settings.pretrained)
    print("a library prints", file=sys.stderr)
    log.info("settled: %s", settled)
    log.info("environment: %s", [name for name in os.environ if name == "PATH" or name.startswith("AFTERIMAGE_")])
    while (folder / "hold-loading").exists():
        time.sleep(0.01)
    if (folder / "gone").exists():
        raise ModelUnavailable("no such weights")
    if (folder / "deadly-to-load").exists():
        kill(os.getpid())
    fingerprint = "01" if (folder / "changed").exists() else "00"
    spec = ModelSpec(settings.name, "none", 2, fingerprint)
    runtime = "torch" if settings.runtime == "torch" else "openvino"
    choice = Choice(runtime, settings.device, "float32", settings.streams or 1)
    return FakeModel(folder, choice), Facts(spec, PixelSpec(size=SIZE), choice)


def main(arguments: str) -> None:
    worker.main(arguments, load)
