"""open_encoder, with a real open_clip model of a few thousand weights."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from indexer.encode.batching import Batches, Kind, Payload
from indexer.encode.encoder import ModelEncoder, open_encoder
from indexer.encode.trial_set import trial_pictures
from indexer.errors import Reason, Rejected, RetryLater
from indexer.platforms.processes import kill
from indexer.ports import Encoder, Priority
from indexer.records.pictures import Pixels, PixelSpec, ResizeMode, Vectors
from tests.encode.conftest import Exports, TinyModel, loaded, model_here, vectors_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("exports")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def encoder(tiny: TinyModel) -> AsyncIterator[ModelEncoder]:
    """On torch, in batches so small that a test has several."""
    async with open_encoder(tiny.settings(batch_size=4)) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_openvino(tiny: TinyModel, exports: Exports) -> AsyncIterator[ModelEncoder]:
    """The same model from its export: it loads in a tenth of the time."""
    async with open_encoder(tiny.settings(export_dir=exports.folder)) as opened:
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


async def test_killed_it_comes_back_as_the_same_model(on_openvino: ModelEncoder) -> None:
    pictures = frames(3)
    before, pid = await on_openvino.encode_pixels(pictures), on_openvino.pid
    assert pid is not None
    kill(pid)
    assert np.array_equal(await on_openvino.encode_pixels(pictures), before)
    assert on_openvino.pid != pid


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
        await encoder.encode_pixels([np.zeros((32, 32, 3))])  # type: ignore[list-item]  # the mistake that is tested


async def test_what_is_indexed_by_one_runtime_is_found_by_the_other(
    encoder: ModelEncoder, on_openvino: ModelEncoder
) -> None:
    assert encoder.choice.runtime == "torch"
    assert on_openvino.choice.runtime == "openvino"
    assert min(encoder.choice.threads, on_openvino.choice.threads) >= 1  # as many as the runtimes have chosen
    assert on_openvino.spec == encoder.spec
    assert on_openvino.pixel_spec == encoder.pixel_spec
    cosines = (await vectors_of(on_openvino) * await vectors_of(encoder)).sum(axis=1)
    assert cosines.mean() >= 0.9999
    assert cosines.min() >= 0.999


async def test_a_vector_hangs_on_nothing_that_was_asked_beside_it(on_openvino: ModelEncoder) -> None:
    texts = ["a cat", "two dogs in the rain", ""]
    pictures = trial_pictures(on_openvino.pixel_spec.size, 3)
    alone = [(await on_openvino.encode_pixels([picture]))[0] for picture in pictures]
    assert np.array_equal(alone, await on_openvino.encode_pixels(pictures))
    alone = [(await on_openvino.encode_words([text]))[0] for text in texts]
    assert np.array_equal(alone, await on_openvino.encode_words(texts))


async def test_an_answer_that_is_not_finite_is_an_error_and_no_vector(tiny: TinyModel, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(tiny.checkpoint)
    weights["visual.proj"][0, 0] = float("nan")
    broken = tmp_path / "broken.safetensors"
    save_file(weights, broken)
    network = (await asyncio.to_thread(loaded, tiny.settings(pretrained=str(broken)))).network

    async def run(kind: Kind, payloads: Sequence[Payload], _: Priority) -> Vectors:
        encode: Any = network.pixels if kind is Kind.PIXELS else network.words
        vectors: Vectors = await asyncio.to_thread(encode, payloads)
        return vectors

    batches = Batches(run, 4)
    pumping = asyncio.create_task(batches.pump())
    try:
        with pytest.raises(Rejected) as caught:
            await batches.encode(Kind.PIXELS, frames(3), Priority.INDEXING)
        assert caught.value.reason is Reason.INTERNAL
        assert np.isfinite(await batches.encode(Kind.WORDS, ["words are fine"], Priority.QUERY)).all()
    finally:
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)
        batches.close()


async def test_a_query_does_not_wait_for_what_is_being_indexed(encoder: ModelEncoder) -> None:
    indexing = asyncio.create_task(encoder.encode_pixels(frames(1000)))
    await asyncio.sleep(0.02)
    await encoder.encode_words(["now"])
    await encoder.encode_pixels(frames(1), Priority.QUERY)
    assert not indexing.done()
    assert (await indexing).shape[0] == 1000


async def test_loading_stands_in_the_log_and_closing_tells_who_waits(
    tiny: TinyModel, exports: Exports, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "indexer"):
        async with open_encoder(tiny.settings(export_dir=exports.folder)) as encoder:
            waiting = [asyncio.create_task(encoder.encode_pixels(frames(500))) for _ in range(5)]
            await asyncio.sleep(0)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, RetryLater) for result in results)
    with pytest.raises(RetryLater):
        await encoder.encode_words(["too late"])
    told = "\n".join(caplog.messages)
    assert "loading the model tiny-encode" in told
    assert "ready after" in told


async def test_the_pixel_spec_is_the_models_own(encoder: ModelEncoder) -> None:
    assert encoder.pixel_spec == PixelSpec(32, ResizeMode.SHORTEST, "bicubic", 0)


async def test_the_fingerprint_names_the_weights(encoder: ModelEncoder, tiny: TinyModel, other: TinyModel) -> None:
    assert (await asyncio.to_thread(loaded, tiny.settings())).spec == encoder.spec
    theirs = (await asyncio.to_thread(loaded, other.settings())).spec
    assert theirs.name == encoder.spec.name
    assert theirs.fingerprint != encoder.spec.fingerprint
    assert int(encoder.spec.fingerprint, 16) > 0


async def test_precision_stands_in_the_log_and_the_fingerprint_does_not_name_it(
    encoder: ModelEncoder, tiny: TinyModel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "indexer"):
        _, facts = await asyncio.to_thread(model_here, tiny.settings(precision="bfloat16"))
    assert facts.choice.precision == "bfloat16"
    assert facts.spec == encoder.spec
    assert encoder.choice.precision == "float32"
    told = "\n".join(caplog.messages)
    assert "bfloat16" in told
    assert "cosine" in told
    assert not [record for record in caplog.records if "open_clip" in record.pathname]
