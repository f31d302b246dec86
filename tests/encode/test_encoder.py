"""open_encoder, with a real open_clip model of a few thousand weights."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from indexer.encode.encoder import ModelEncoder, open_encoder
from indexer.errors import Reason, Rejected, RetryLater
from indexer.model import Pixels, PixelSpec, ResizeMode
from indexer.platforms.processes import kill
from indexer.ports import Encoder, Priority
from tests.encode.conftest import CONFIG, TinyModel, make_tiny

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def encoder(tiny: TinyModel) -> AsyncIterator[ModelEncoder]:
    async with open_encoder(tiny.settings()) as opened:
        yield opened


def frames(count: int, size: int = 32) -> list[Pixels]:
    random = np.random.default_rng(count)
    return [random.integers(0, 256, (size, size, 3), dtype=np.uint8) for _ in range(count)]


async def test_vectors_are_float32_of_unit_length_in_the_order_asked_for(encoder: ModelEncoder) -> None:
    port: Encoder = encoder
    pictures = frames(37)
    together = await port.encode_pixels(pictures)
    assert together.shape == (37, port.spec.dimension)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([await port.encode_pixels([picture]) for picture in pictures])
    assert np.allclose(together, alone, atol=1e-4)
    words = await port.encode_words(["a cat", "a dog", "a cat"])
    assert words.shape == (3, port.spec.dimension)
    assert np.allclose(words[0], words[2], atol=1e-5)
    assert not np.allclose(words[0], words[1], atol=1e-3)


async def test_it_says_what_open_clip_says(encoder: ModelEncoder, tiny: TinyModel) -> None:
    import open_clip
    import torch
    from PIL import Image

    model, _, preprocess = open_clip.create_model_and_transforms(tiny.name, pretrained=str(tiny.checkpoint))
    model.eval()
    pictures = frames(5)
    with torch.no_grad():
        batch = torch.stack([preprocess(Image.fromarray(picture)) for picture in pictures])
        expected_pixels = model.encode_image(batch, normalize=True).numpy()
        expected_words = model.encode_text(open_clip.get_tokenizer(tiny.name)(["a red car"]), normalize=True).numpy()
    assert np.allclose(await encoder.encode_pixels(pictures), expected_pixels, atol=1e-4)
    assert np.allclose(await encoder.encode_words(["a red car"]), expected_words, atol=1e-4)


async def test_killed_it_comes_back_as_the_same_model(encoder: ModelEncoder) -> None:
    pictures = frames(3)
    before, pid = await encoder.encode_pixels(pictures), encoder.pid
    assert pid is not None
    kill(pid)
    assert np.array_equal(await encoder.encode_pixels(pictures), before)
    assert encoder.pid != pid


async def test_nothing_in_nothing_out(encoder: ModelEncoder) -> None:
    assert (await encoder.encode_pixels([])).shape == (0, encoder.spec.dimension)
    assert (await encoder.encode_words([])).shape == (0, encoder.spec.dimension)


@pytest.mark.parametrize(
    "text",
    ["", " ", "x" * 100_000, "word " * 50_000, "\ud83d half a pair", "\x00", "日本語のテキスト" * 500, "🦆" * 900],
)
async def test_any_text_has_a_vector(text: str, encoder: ModelEncoder) -> None:
    assert np.isfinite(await encoder.encode_words([text])).all()


async def test_a_frame_of_the_wrong_shape_is_a_mistake_of_the_caller(encoder: ModelEncoder) -> None:
    with pytest.raises(ValueError, match=r"32, 32, 3"):
        await encoder.encode_pixels(frames(1, size=16))
    with pytest.raises(ValueError, match="float64"):
        await encoder.encode_pixels([np.zeros((32, 32, 3))])  # type: ignore[list-item]


async def test_an_answer_that_is_not_finite_is_an_error_and_no_vector(tiny: TinyModel, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(tiny.checkpoint)
    weights["visual.proj"][0, 0] = float("nan")
    broken = tmp_path / "broken.safetensors"
    save_file(weights, broken)
    async with open_encoder(tiny.settings(pretrained=str(broken))) as encoder:
        with pytest.raises(Rejected) as caught:
            await encoder.encode_pixels(frames(3))
        assert caught.value.reason is Reason.INTERNAL
        assert np.isfinite(await encoder.encode_words(["words are fine"])).all()


async def test_a_query_does_not_wait_for_what_is_being_indexed(tiny: TinyModel) -> None:
    async with open_encoder(tiny.settings(batch_size=4)) as encoder:
        indexing = asyncio.create_task(encoder.encode_pixels(frames(1000)))
        await asyncio.sleep(0.02)
        await encoder.encode_words(["now"])
        await encoder.encode_pixels(frames(1), Priority.QUERY)
        assert not indexing.done()
        assert (await indexing).shape[0] == 1000


async def test_closing_tells_who_waits(tiny: TinyModel) -> None:
    async with open_encoder(tiny.settings()) as encoder:
        waiting = [asyncio.create_task(encoder.encode_pixels(frames(500))) for _ in range(5)]
        await asyncio.sleep(0)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, RetryLater) for result in results)
    with pytest.raises(RetryLater):
        await encoder.encode_words(["too late"])


async def test_the_pixel_spec_is_the_models_own(encoder: ModelEncoder, tmp_path: Path) -> None:
    assert encoder.pixel_spec == PixelSpec(32, ResizeMode.SHORTEST, "bicubic", 0)
    siglip_like = {**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], "image_size": 40}}
    other = make_tiny(tmp_path, "tiny-forty", siglip_like)
    async with open_encoder(other.settings()) as opened:
        assert opened.pixel_spec.size == 40


async def test_a_folder_in_open_clips_own_form_is_loaded_with_its_preprocessing(
    tiny: TinyModel, tmp_path: Path
) -> None:
    import json
    import shutil

    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash"}
    written = json.dumps({"model_cfg": CONFIG, "preprocess_cfg": preprocess})
    await asyncio.to_thread((tmp_path / "open_clip_config.json").write_text, written)
    await asyncio.to_thread(shutil.copy, tiny.checkpoint, tmp_path / "open_clip_model.safetensors")
    settings = tiny.settings(name=f"local-dir:{tmp_path}", pretrained="", config_file=None)
    async with open_encoder(settings) as squashing, open_encoder(tiny.settings()) as plain:
        assert squashing.pixel_spec == PixelSpec(32, ResizeMode.SQUASH, "bilinear", 0)
        assert squashing.spec.fingerprint != plain.spec.fingerprint
        picture = frames(1)
        assert not np.allclose(await squashing.encode_pixels(picture), await plain.encode_pixels(picture), atol=1e-3)


async def test_a_tokenizer_of_transformers_serves_as_siglip_models_need_it(tiny: TinyModel, tmp_path: Path) -> None:
    import json
    import shutil

    from tokenizers import Tokenizer, models, pre_tokenizers

    def prepare() -> None:
        known = {"[PAD]": 0, "[UNK]": 1, "a": 2, "cat": 3, "dog": 4}
        words = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
        words.pre_tokenizer = pre_tokenizers.Whitespace()
        words.save(str(tmp_path / "tokenizer.json"))
        kind = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", "unk_token": "[UNK]"}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(kind))
        text = {**CONFIG["text_cfg"], "hf_tokenizer_name": "someone/tokenizer", "pool_type": "last"}
        config = {"model_cfg": {**CONFIG, "text_cfg": text}, "preprocess_cfg": {}}
        (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
        shutil.copy(tiny.checkpoint, tmp_path / "open_clip_model.safetensors")

    await asyncio.to_thread(prepare)
    settings = tiny.settings(name=f"local-dir:{tmp_path}", pretrained="", config_file=None)
    async with open_encoder(settings) as encoder:
        cat, again, dog, long = await encoder.encode_words(["a cat", " a   cat ", "a dog", "cat " * 1000])
        assert np.isfinite(long).all()
        assert np.allclose(cat, again, atol=1e-5)
        assert not np.allclose(cat, dog, atol=1e-4)


async def test_the_fingerprint_names_weights_and_config_but_not_the_precision(tiny: TinyModel, tmp_path: Path) -> None:
    async with open_encoder(tiny.settings()) as encoder:
        spec = encoder.spec
        assert encoder.choice.precision == "float32"
    async with open_encoder(tiny.settings(precision="bfloat16")) as encoder:
        assert encoder.choice.precision == "bfloat16"
        assert encoder.spec == spec
    other = make_tiny(tmp_path, "tiny-encode", CONFIG, seed=1)
    async with open_encoder(other.settings()) as encoder:
        assert encoder.spec.name == spec.name
        assert encoder.spec.fingerprint != spec.fingerprint
    assert int(spec.fingerprint, 16) > 0


async def test_loading_and_precision_stand_in_the_log(tiny: TinyModel, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "indexer"):
        async with open_encoder(tiny.settings(precision="bfloat16")):
            pass
    told = "\n".join(caplog.messages)
    assert "loading the model tiny-encode" in told
    assert "bfloat16" in told
    assert "cosine" in told
    assert "ready after" in told
    assert not [record for record in caplog.records if "open_clip" in record.pathname]
