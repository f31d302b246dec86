"""The default model is a SigLIP: its shape and its tokenizer from files load through the same code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.encode.conftest import TinyModel, loaded, make_tiny

pytestmark = pytest.mark.xdist_group("torch")

# SigLIP2's config in open_clip 3.3, made small: no causal mask, the last token pooled, tokens from the transformers
# library, both sides of a picture squashed.
SIGLIP: dict[str, Any] = {
    "embed_dim": 24,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 24, "layers": 1, "head_width": 12},
    "text_cfg": {
        "context_length": 12,
        "vocab_size": 300,
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 24,
        "heads": 2,
        "layers": 1,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
        "norm_kwargs": {"eps": 1e-6},
        "act_kwargs": {"approximate": "tanh"},
    },
}
WORDS = ("a cat in the rain", "ein Hund im Regen", "красное яблоко", "雨の中の猫")


def write_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    specials = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokenizer.train_from_iterator(
        WORDS, trainers.BpeTrainer(vocab_size=300, special_tokens=specials, show_progress=False)
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk")}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "padding_side": "right", **named}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.fixture
def siglip(tmp_path: Path) -> TinyModel:
    write_tokenizer(tmp_path)
    config = {**SIGLIP, "text_cfg": {**SIGLIP["text_cfg"], "hf_tokenizer_name": str(tmp_path)}}
    return make_tiny(tmp_path, "tiny-siglip", config)


def test_a_siglip_with_its_own_tokenizer_tells_words_apart_in_every_script(siglip: TinyModel) -> None:
    network = loaded(siglip.settings()).network
    vectors = network.words(WORDS)
    again = network.words(["A cat, in the rain!"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.linalg.matrix_rank(vectors, tol=1e-4) == len(WORDS)
    assert np.allclose(again[0], vectors[0], atol=1e-5)  # cleaned as SigLIP was trained: lower case, no punctuation
