"""A CLIP with random weights, made once and loaded through the same code as any other checkpoint."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.encode.encoder import open_encoder
from indexer.encode.trial_set import TEXTS, trial_pictures
from indexer.model import Vectors
from indexer.settings import ModelSettings

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
def exports(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny model's export, made by the model's own process. To be copied, not changed."""
    folder = tmp_path_factory.mktemp("exports")
    asyncio.run(vectors(tiny.settings(export_dir=folder)))
    return folder


@pytest.fixture
def kept(exports: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(exports, tmp_path / "models"))


async def vectors(settings: ModelSettings) -> Vectors:
    """What a model makes of the trial set."""
    async with open_encoder(settings) as encoder:
        pictures = await encoder.encode_pixels(trial_pictures(encoder.pixel_spec.size, 5))
        return np.concatenate([pictures, await encoder.encode_words(TEXTS)])


def export_in(folder: Path) -> Path:
    (found,) = [path.parent for path in folder.glob("*/manifest.json")]
    return found
