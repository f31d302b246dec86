"""Stands for a model that describes pictures in its process, without torch: it says how bright a picture is, and dies
over one that is white.
"""

from __future__ import annotations

import os
from typing import Any

from indexer.encode import worker
from indexer.encode.protocol import Caption, Choice, Facts
from indexer.encode.shared_frames import Frames
from indexer.errors import ModelUnavailable
from indexer.records.pictures import ModelSpec, PixelSpec, ResizeMode
from indexer.settings import ModelSettings

NOWHERE = "no/such-model"
SIZE = 8


class Captioner:
    choice = Choice("stand-in", "cpu", "float32")

    def captions(self, frames: Frames) -> list[Caption]:
        means = [float(frame.mean()) for frame in frames]
        if max(means) == 255:
            os._exit(7)
        return [("" if mean == 0 else f"\x1ba picture  of {mean:.0f}", 0.5) for mean in means]


def main(arguments: str) -> None:
    worker.main(arguments, load)


def load(settings: ModelSettings, _: Choice | None) -> tuple[Any, Facts]:
    if settings.name == NOWHERE:
        raise ModelUnavailable("captions.name: no such weights")
    found = Captioner()
    return found, Facts(ModelSpec("stand-in", "", 0, ""), PixelSpec(SIZE, ResizeMode.SQUASH), found.choice)
