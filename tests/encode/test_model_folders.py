"""A model with an input of its own, and models in folders: loaded with their own preprocessing and their tokenizers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from indexer.encode.trial_set import trial_pictures
from indexer.records.pictures import PixelSpec, ResizeMode
from indexer.settings import ModelSettings
from tests.encode.conftest import CONFIG, TinyModel, loaded, make_tiny

pytestmark = pytest.mark.xdist_group("torch")


def in_folder(tiny: TinyModel, folder: Path) -> ModelSettings:
    """Settings for the tiny model's weights with the files that lie in the folder."""
    shutil.copy(tiny.checkpoint, folder / "open_clip_model.safetensors")
    return tiny.settings(name=f"local-dir:{folder}", pretrained="", config_file=None)


def test_the_pixel_spec_has_the_models_own_size(tmp_path: Path) -> None:
    config = {**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], "image_size": 40}}
    assert loaded(make_tiny(tmp_path, "tiny-forty", config).settings()).pixel_spec.size == 40


def test_a_folder_in_open_clips_own_form_is_loaded_with_its_preprocessing(tiny: TinyModel, tmp_path: Path) -> None:
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"}
    written = json.dumps({"model_cfg": CONFIG, "preprocess_cfg": preprocess})
    (tmp_path / "open_clip_config.json").write_text(written)
    squashing, plain = loaded(in_folder(tiny, tmp_path)), loaded(tiny.settings())
    assert squashing.pixel_spec == PixelSpec(32, ResizeMode.SQUASH, "bilinear", 0)
    assert squashing.spec.fingerprint != plain.spec.fingerprint
    picture = trial_pictures(32, 1)
    assert not np.allclose(squashing.network.pixels(picture), plain.network.pixels(picture), atol=1e-3)


def test_a_tokenizer_of_transformers_serves_as_siglip_models_need_it(tiny: TinyModel, tmp_path: Path) -> None:
    known = {"[PAD]": 0, "[UNK]": 1, "a": 2, "cat": 3, "dog": 4}
    words = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.save(str(tmp_path / "tokenizer.json"))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(kind))
    text = {**CONFIG["text_cfg"], "hf_tokenizer_name": "someone/tokenizer", "pool_type": "last"}
    config = {"model_cfg": {**CONFIG, "text_cfg": text}, "preprocess_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    network = loaded(in_folder(tiny, tmp_path)).network
    cat, again, dog, long = network.words(["a cat", " a   cat ", "a dog", "cat " * 1000])
    assert np.isfinite(long).all()
    assert np.allclose(cat, again, atol=1e-5)
    assert not np.allclose(cat, dog, atol=1e-4)
