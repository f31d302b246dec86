"""The catalogue says of each model what open_clip says of it."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bot.config.models import by_name, demo_folder
from indexer.encode.catalogue import CATALOGUE, DEMO
from indexer.settings import ModelSettings
from sandbox.model import CONFIG, NAME, RESIZE_MODE, WEIGHTS

pytestmark = pytest.mark.xdist_group("torch")

PUBLISHED = [model for model in CATALOGUE.values() if model.name != DEMO]


def architecture(name: str) -> dict[str, Any]:
    """open_clip's own description, read without importing it."""
    spec = find_spec("open_clip")
    assert spec is not None
    assert spec.origin is not None
    found: dict[str, Any] = json.loads(
        Path(spec.origin).with_name("model_configs").joinpath(f"{name}.json").read_text()
    )
    return found


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model.name)
def test_dimension_and_input_are_the_architectures_own(model: Any) -> None:
    config = architecture(model.architecture)
    assert (model.dimension, model.input_size) == (config["embed_dim"], config["vision_cfg"]["image_size"])


def test_the_tags_and_the_sizes_are_those_of_open_clip() -> None:
    import open_clip
    import torch

    for model in PUBLISHED:
        assert open_clip.is_pretrained_cfg(model.architecture, model.tag)
        with torch.device("meta"):  # no memory, no weights: only their number
            network = open_clip.create_model(model.architecture, device="meta")
        held = sum(weight.numel() for weight in network.parameters()) * 4
        assert abs(held / model.bytes - 1) < 0.01, f"{model.name}: {held:,}"


def test_default_is_what_is_used_where_nothing_is_configured() -> None:
    assert by_name(ModelSettings(), "default") == ModelSettings()


def test_the_demos_model_is_the_sandboxs() -> None:
    listed, settings = CATALOGUE[DEMO], by_name(ModelSettings(), DEMO)
    assert (settings.name, settings.config_file, settings.pretrained) == (NAME, CONFIG, str(WEIGHTS))
    assert settings.resize_mode == RESIZE_MODE
    assert demo_folder() == WEIGHTS.parent
    config = json.loads(CONFIG.read_text())
    assert (listed.dimension, listed.input_size) == (config["embed_dim"], config["vision_cfg"]["image_size"])
    assert listed.bytes == WEIGHTS.stat().st_size


def test_a_published_number_has_its_source() -> None:
    assert all((model.recall is None) == (model.source == "") for model in CATALOGUE.values())
