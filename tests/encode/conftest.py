"""A CLIP with random weights, made once and loaded through the same code as any other checkpoint.

To import torch and open_clip takes 5 to 10 s of a processor, in each process anew. So no test file imports them before
a test asks for them, and `make test` runs the files whose tests do in two processes (xdist_group: "exports" is those
that share this room's exports, "torch" the others). What needs no process of its own is done in that of the tests
(`loaded`, `export_here`, `model_here`).
"""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from indexer.encode import runtime
from indexer.encode.encoder import ModelEncoder, open_encoder
from indexer.encode.on_openvino import export_process
from indexer.encode.on_openvino import runtime as openvino_runtime
from indexer.encode.on_openvino.folder import alone_in, folder_name, source_of
from indexer.encode.protocol import Facts
from indexer.encode.trial_set import TEXTS, trial_pictures
from indexer.encode.worker import Model
from indexer.records.pictures import Vectors
from indexer.settings import ModelSettings

if TYPE_CHECKING:
    from indexer.encode.on_torch.weights import Loaded

CONFIG: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@dataclass(frozen=True)
class TinyModel:
    """Where a tiny model's files lie."""

    folder: Path
    name: str

    @property
    def config_file(self) -> Path:
        return self.folder / f"{self.name}.json"

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.name}.safetensors"

    def settings(self, **changes: Any) -> ModelSettings:
        values: dict[str, Any] = {
            "name": self.name,
            "pretrained": str(self.checkpoint),
            "config_file": self.config_file,
            "device": "cpu",
            "precision": "float32",
        }
        return ModelSettings(**(values | changes))


def make_tiny(folder: Path, name: str, config: dict[str, Any], seed: int = 0) -> TinyModel:
    import open_clip
    import torch
    from safetensors.torch import save_file

    tiny = TinyModel(folder, name)
    tiny.config_file.write_text(json.dumps(config))
    open_clip.add_model_config(tiny.config_file)
    torch.manual_seed(seed)
    save_file(open_clip.create_model(name).state_dict(), tiny.checkpoint)
    return tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    return make_tiny(tmp_path_factory.mktemp("model"), "tiny-encode", CONFIG)


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """Other weights of the same name and architecture."""
    return make_tiny(tmp_path_factory.mktemp("other"), "tiny-encode", CONFIG, seed=5)


@dataclass(frozen=True)
class Exports:
    """A folder of exports, to be copied, not changed, and what the export made last gives for the trial set."""

    folder: Path
    vectors: Vectors


@pytest.fixture(scope="session")
def exports(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """The tiny model's export alone, made by the model's own process."""
    folder = tmp_path_factory.mktemp("exports")
    return Exports(folder, asyncio.run(vectors(tiny.settings(export_dir=folder))))


@pytest.fixture(scope="session")
def both(exports: Exports, other: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """A copy of that folder with the other model's export beside it."""
    folder = Path(shutil.copytree(exports.folder, tmp_path_factory.mktemp("both") / "models"))
    settings = other.settings(export_dir=folder)
    export_here(settings)
    return Exports(folder, vectors_here(*model_here(settings)))


@pytest.fixture
def kept(exports: Exports, tmp_path: Path) -> Path:
    """A copy of the tiny model's export, to be changed."""
    return Path(shutil.copytree(exports.folder, tmp_path / "models"))


async def vectors(settings: ModelSettings) -> Vectors:
    """What a model makes of the trial set."""
    async with open_encoder(settings) as encoder:
        return await vectors_of(encoder)


async def vectors_of(encoder: ModelEncoder) -> Vectors:
    """The same, of one that is open."""
    pictures = await encoder.encode_pixels(trial_pictures(encoder.pixel_spec.size, 5))
    return np.concatenate([pictures, await encoder.encode_words(TEXTS)])


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports and calibrations are made in the process of the tests, and a trial is as short as it can be.

    Their own process imports torch, which takes 8 s of a processor. That it is asked and answers is what the fixture
    `exports` shows, and that a silent one is killed `test_a_process_that_gives_no_answer_is_killed`.
    """

    def ask(request: dict[str, Any], longest_s: float, handles: tuple[int, ...] = ()) -> dict[str, Any]:
        answer = export_process.answer(request)
        return {"say": answer.pop("what"), **answer}

    monkeypatch.setattr(export_process, "_ask", ask)
    monkeypatch.setattr(openvino_runtime, "_TRIAL_S", 0.0)


def model_here(settings: ModelSettings) -> tuple[Model, Facts]:
    """The model as its process would load it, in the process of the tests. Raises ModelUnavailable."""
    model, facts = runtime.load_model(settings, None)
    return model, facts


def vectors_here(model: Model, facts: Facts) -> Vectors:
    """What a model in this process makes of the trial set."""
    pictures = trial_pictures(facts.pixel_spec.size, 5)
    return np.concatenate([model.pixels(np.stack(pictures)), model.words(TEXTS)])


def loaded(settings: ModelSettings) -> Loaded:
    """The model on torch in this process, where a test is not about the process of its own."""
    import torch

    from indexer.encode.on_torch.weights import load

    return load(settings, torch.device("cpu"))


def torch_vectors(settings: ModelSettings) -> Vectors:
    """What torch makes of the trial set in this process."""
    model = loaded(settings)
    pictures = model.network.pixels(trial_pictures(model.pixel_spec.size, 5))
    return np.concatenate([pictures, model.network.words(TEXTS)])


def export_here(settings: ModelSettings) -> None:
    """Makes the model's export in `settings.export_dir` in this process."""
    from indexer.encode.on_openvino.export import export

    assert settings.export_dir is not None
    source = source_of(settings)
    with alone_in(settings.export_dir):
        export(settings, source, settings.export_dir / folder_name(settings, source))


def export_in(folder: Path) -> Path:
    (found,) = [path.parent for path in folder.glob("*/manifest.json")]
    return found
