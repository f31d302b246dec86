"""BLIP for captions, with random weights, through real files: it says what the model's own `generate` says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.encode import captioning_worker, matching_worker
from indexer.encode.protocol import Facts
from indexer.encode.worker import Captioning, Seeing
from indexer.errors import ModelUnavailable
from indexer.records.pictures import PixelSpec, ResizeMode
from indexer.settings import ModelSettings
from tests.captions.tiny_blip import SIZE, write

pytestmark = pytest.mark.xdist_group("torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("captions") / "tiny")


def opened(folder: Path, **changes: Any) -> tuple[Any, Facts]:
    values: dict[str, Any] = {"name": str(folder), "pretrained": "", "device": "cpu", "precision": "float32"}
    return captioning_worker.load(ModelSettings(**(values | changes)), None)


def frames(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [
        random.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) // (1 + 3 * (number % 2)) for number in range(count)
    ]


def generated(folder: Path, pictures: list[np.ndarray]) -> list[str]:
    """By the model itself, after its own preparation of the pictures."""
    import transformers
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    model: Any = transformers.BlipForConditionalGeneration.from_pretrained(folder)
    model.eval()
    prepare = BlipImageProcessorPil(size={"height": SIZE, "width": SIZE})
    pixels = prepare(pictures, return_tensors="pt")["pixel_values"]
    written = model.generate(pixel_values=pixels, max_new_tokens=30, do_sample=False)
    texts: list[str] = transformers.AutoTokenizer.from_pretrained(folder).batch_decode(
        written, skip_special_tokens=True
    )
    return texts


def test_it_says_what_the_model_says_and_how_sure_it_is(folder: Path) -> None:
    captioner, facts = opened(folder)
    assert (isinstance(captioner, Captioning), isinstance(captioner, Seeing)) == (True, False)
    assert facts.pixel_spec == PixelSpec(SIZE, ResizeMode.SQUASH)
    pictures = frames(4)
    captions = captioner.captions(pictures)
    assert [text for text, _ in captions] == generated(folder, pictures)
    assert len({text for text, _ in captions}) > 1, "weights that tell nothing apart show nothing"
    for picture, (text, sure) in zip(pictures, captions, strict=True):
        ((alone, as_sure),) = captioner.captions([picture])
        assert (alone, as_sure) == (text, pytest.approx(sure, abs=1e-4)), "what fills a batch counts for nothing"
        assert 0 < sure < 1


def test_another_precision_converts_the_vision_part_alone(folder: Path) -> None:
    import torch

    captioner, facts = opened(folder, precision="bfloat16")
    assert facts.choice.precision == "bfloat16"
    assert captioner.model.text_decoder.dtype == torch.float32
    assert len(captioner.captions(frames(2))) == 2


def test_what_cannot_describe_pictures_is_refused_with_the_ways_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelUnavailable, match=r'captions\.name: .*model of type "bert"'):
        opened(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"captions\.name: the weights .*not be loaded.*set captions\.name"):
        opened(tmp_path)
    with pytest.raises(ModelUnavailable, match="no weights for image-text matching"):
        matching_worker.load(ModelSettings(name=str(folder), pretrained="", device="cpu"), None)
    monkeypatch.setattr(matching_worker, "installed", lambda package: package != "transformers")
    with pytest.raises(ModelUnavailable, match=r"pip install \"afterimage\[captions\]\""):
        opened(folder)
