"""BLIP and BLIP-2, with random weights: the two halves give what the model's own forward gives, through real files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.encode import matching_worker
from indexer.encode.protocol import Facts
from indexer.encode.worker import Matching, Model
from indexer.errors import ModelUnavailable
from indexer.records.pictures import PixelSpec, ResizeMode
from indexer.settings import ModelSettings

pytestmark = pytest.mark.xdist_group("torch")

SIZE = 32  # pixels, in patches of 8: 16 tokens and the one that stands for all
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "left", "of", "dog")
VISION = {
    "hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIZE,
    "patch_size": 8,
}
TEXT = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 24,
    "encoder_hidden_size": 24,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
}


def write(folder: Path, kind: str) -> Path:
    """A folder as the hub has it: configuration, weights, tokenizer."""
    import torch
    import transformers

    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(7)
    model: Any
    if kind == "blip":
        text = {**TEXT, "pad_token_id": 0, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
        config = transformers.BlipConfig(vision_config=VISION, text_config=text, image_text_hidden_size=12)
        model = transformers.BlipForImageTextRetrieval(config)
    else:
        config2 = transformers.Blip2Config(
            vision_config=VISION,
            qformer_config={**TEXT, "cross_attention_frequency": 1, "use_qformer_text_input": True},
            num_query_tokens=4,
            image_text_hidden_size=12,
        )
        model = transformers.Blip2ForImageTextRetrieval(config2)
        torch.nn.init.normal_(model.query_tokens)
    for weights in model.parameters():  # as they are made, they are so small that all pictures are one
        if weights.dim() > 1:
            torch.nn.init.normal_(weights, std=0.3)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["blip", "blip-2"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("matching"), request.param)


def opened(folder: Path, **changes: Any) -> tuple[Any, Facts]:
    values: dict[str, Any] = {"name": str(folder), "pretrained": "", "device": "cpu", "precision": "float32"}
    return matching_worker.load(ModelSettings(**(values | changes)), None)


def frames(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(count)]


def forward(folder: Path, pictures: list[np.ndarray], words: str) -> np.ndarray:
    """The log-odds of a match by the model's own forward, after its own preparation of the pictures."""
    import torch
    import transformers
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    name = {"blip": "BlipForImageTextRetrieval", "blip-2": "Blip2ForImageTextRetrieval"}
    config = transformers.AutoConfig.from_pretrained(folder)
    model = getattr(transformers, name[config.model_type]).from_pretrained(folder).eval()
    prepare = BlipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    pixels = prepare(pictures, return_tensors="pt")["pixel_values"]
    read = transformers.AutoTokenizer.from_pretrained(folder)([words] * len(pictures), return_tensors="pt")
    asked = {"input_ids": read["input_ids"], "attention_mask": read["attention_mask"], "pixel_values": pixels}
    with torch.no_grad():
        if config.model_type == "blip":
            logits = model(**asked).itm_score
        else:
            logits = model(**asked, use_image_text_matching_head=True).logits_per_image
    return np.asarray((logits[:, 1] - logits[:, 0]).numpy())


def test_the_two_halves_give_what_the_model_gives(folder: Path) -> None:
    matcher, facts = opened(folder)
    assert (isinstance(matcher, Matching), isinstance(matcher, Model)) == (True, False)
    assert facts.pixel_spec == PixelSpec(SIZE, ResizeMode.SQUASH)
    pictures = frames(3)
    features = matcher.pixels(pictures)
    assert features.shape == (3, facts.spec.dimension)
    kept = features.astype(np.float16)  # as they are kept
    for words in ("a cat left of a dog", "a dog"):
        found, expected = matcher.scores(words, kept), forward(folder, pictures, words)
        assert found.shape == (3, 1)
        assert np.ptp(expected) > 1e-4, "weights that tell nothing apart show nothing"
        assert found[:, 0] == pytest.approx(expected, abs=5e-3)


def test_pictures_are_compared_by_the_models_embedding(folder: Path) -> None:
    matcher, _ = opened(folder)
    one, other = frames(2)
    same = matcher.scores(None, matcher.pixels([one, one, other]).astype(np.float16))
    assert same.shape == (2, 1)
    assert same[0, 0] == pytest.approx(1.0, abs=1e-3)
    assert same[1, 0] < same[0, 0]


def test_a_process_that_started_anew_scores_features_of_before(folder: Path) -> None:
    matcher, facts = opened(folder)
    features = matcher.pixels(frames(2)).astype(np.float16)
    again, other = opened(folder)
    assert other.spec == facts.spec
    assert again.scores("a cat", features) == pytest.approx(matcher.scores("a cat", features), abs=1e-5)


def test_in_bfloat16_the_vision_part_alone_is_converted(folder: Path) -> None:
    import torch

    matcher, facts = opened(folder, precision="bfloat16")
    assert facts.choice.precision == "bfloat16"
    assert matcher.model.itm_head.weight.dtype == torch.float32
    exact = opened(folder)[0]
    pictures = frames(3)
    found = matcher.scores("a cat", matcher.pixels(pictures).astype(np.float16))
    assert found == pytest.approx(exact.scores("a cat", exact.pixels(pictures).astype(np.float16)), abs=0.2)


def test_what_is_no_matching_model_is_refused_with_the_ways_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelUnavailable, match='model of type "bert"'):
        opened(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"could not be loaded.*Ways out"):
        opened(tmp_path)
    monkeypatch.setattr(matching_worker, "installed", lambda package: package != "transformers")
    with pytest.raises(ModelUnavailable, match=r"pip install \"afterimage\[rerank\]\""):
        opened(folder)


def test_weights_that_are_missing_are_never_made_up(folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    weights = load_file(copy / "model.safetensors")
    del weights["itm_head.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match="no weights for image-text matching"):
        opened(copy)
