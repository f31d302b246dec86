"""A CLIP with random weights, made once and loaded through the same code as any other checkpoint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
