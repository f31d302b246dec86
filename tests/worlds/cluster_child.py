"""The model's process of an encoder elsewhere: that of model_child.py, which the files in the folder `cluster` of the
weights' folder tell what to do. So what is held there is not held on this machine.

When it begins with its work, it leaves a file `asked-ID` there, with the id of its process.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from indexer.encode import worker
from indexer.encode.protocol import Choice, Facts
from indexer.encode.shared_frames import Frames
from indexer.records.pictures import Vectors
from indexer.settings import ModelSettings
from tests.worlds import model_child


class Model(model_child.FakeModel):
    def pixels(self, frames: Frames) -> Vectors:
        (self._folder / f"asked-{os.getpid()}").touch()
        return super().pixels(frames)

    def words(self, texts: Sequence[str]) -> Vectors:
        (self._folder / f"asked-{os.getpid()}").touch()
        return super().words(texts)


def load(settings: ModelSettings, settled: Choice | None) -> tuple[Model, Facts]:
    folder = Path(settings.pretrained) / "cluster"
    _, facts = model_child.load(replace(settings, pretrained=str(folder)), settled)
    return Model(folder, facts.choice), facts


def main(arguments: str) -> None:
    worker.main(arguments, load)
