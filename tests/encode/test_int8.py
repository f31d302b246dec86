"""int8 is used after it has passed on pictures that it was not calibrated on, and not before."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.encode.encoder import open_encoder
from indexer.encode.on_openvino import int8, runtime
from indexer.encode.on_openvino.folder import Manifest, described, read_manifest, write_folder
from indexer.encode.on_openvino.int8 import SAMPLE, FrameSample, held_out, int8_folder, measured, usable_int8
from indexer.encode.trial_set import trial_pictures
from indexer.records.pictures import Pixels, Vectors
from indexer.settings import ModelSettings
from sandbox.drawing.scene import draw, random_scene
from sandbox.model import EXPORT, NAME, WEIGHTS
from tests.encode.conftest import TinyModel, export_in, model_here
from tests.soak import SOAK
from tests.worlds.waiting import until

pytestmark = pytest.mark.xdist_group("exports")


def unit(vectors: Any) -> Vectors:
    scaled: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def test_the_same_vectors_pass_and_others_do_not() -> None:
    draw = np.random.default_rng(3)
    exact = unit(draw.normal(size=(80, 32)))
    assert measured(exact, exact).passed
    assert measured(exact, exact).overlap == 1.0
    near = measured(exact, unit(exact + draw.normal(scale=0.01, size=exact.shape)))
    assert near.passed
    far = measured(exact, unit(exact + draw.normal(scale=0.1, size=exact.shape)))
    assert not far.passed
    assert not measured(exact, np.full_like(exact, np.nan)).passed


def test_neighbours_that_moved_fail_although_every_vector_is_near() -> None:
    """Pictures of one kind lie so close that a small error changes their order."""
    draw = np.random.default_rng(4)
    exact = unit(1 + draw.normal(scale=0.02, size=(80, 64)))
    found = measured(exact, unit(exact + draw.normal(scale=0.005, size=exact.shape)))
    assert found.mean > 0.995
    assert not found.passed


def test_only_what_was_not_calibrated_on_is_judged() -> None:
    draw = np.random.default_rng(5)
    exact = unit(draw.normal(size=(80, 32)))
    reduced = exact.copy()
    reduced[~held_out(80)] = unit(draw.normal(size=(60, 32)))
    assert measured(exact, reduced).mean == pytest.approx(1.0)


def test_a_sample_is_given_once_and_holds_copies() -> None:
    sample = FrameSample(5)
    shared = np.zeros((3, 2, 2, 3), np.uint8)
    assert sample.take(shared) is None
    shared[:] = 9
    full = sample.take(shared)
    assert full is not None
    assert full[:, 0, 0, 0].tolist() == [0, 0, 0, 9, 9]
    assert sample.take(shared) is None
    sample.drop()
    assert sample.take(shared) is None


DEMO = ModelSettings(NAME, str(WEIGHTS), precision="int8", folder=EXPORT)


def drawings(count: int) -> list[Pixels]:
    """What the demo model knows: drawn scenes."""
    chance = random.Random(11)
    return [np.asarray(draw(random_scene(chance), (64, 64)).convert("RGB"), np.uint8) for _ in range(count)]


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="takes minutes: AFTERIMAGE_SOAK=1 runs it")
@pytest.mark.timeout(300)
async def test_it_is_calibrated_while_pictures_are_indexed_and_kept_for_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = replace(DEMO, export_dir=tmp_path)
    frames = await asyncio.to_thread(drawings, SAMPLE)
    with caplog.at_level(logging.INFO, "indexer"):
        async with open_encoder(settings) as encoder:
            assert encoder.choice.precision != "int8"
            before = await encoder.encode_pixels(frames)
            async with asyncio.timeout(250):
                while "int8 is used from now on" not in caplog.text:
                    assert "int8 is not used" not in caplog.text, caplog.text
                    await asyncio.sleep(0.1)
            after = await encoder.encode_pixels(frames[:8])
            assert encoder.choice.precision == "int8", caplog.text
        assert (before[:8] * after).sum(axis=1).mean() > 0.99
        assert not np.array_equal(before[:8], after)
        async with open_encoder(settings) as encoder:
            assert encoder.choice.precision == "int8"
            assert np.allclose(await encoder.encode_pixels(frames[:8]), after, atol=1e-4)
        assert "int8 passed before (cosine mean" in caplog.text
        (reduced,) = tmp_path.glob("*.int8")
        await asyncio.to_thread((reduced / "vision.bin").write_bytes, b"half")
        async with open_encoder(settings) as encoder:
            assert encoder.choice.precision != "int8"
    assert "int8 is calibrated anew" in caplog.text


@pytest.mark.usefixtures("in_this_process")
def test_what_has_passed_is_used_from_the_start_and_only_for_the_export_that_it_was_made_of(
    tiny: TinyModel, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export = export_in(kept)
    manifest = read_manifest(export)
    reduced = int8_folder(export, kept)

    def fill(making: Path) -> Manifest:
        for name in ("vision.xml", "vision.bin"):
            shutil.copy(export / name, making / name)
        source = manifest.source | {"export": manifest.digest, "measured": "as it was measured"}
        return replace(manifest, source=source, weights="int8", files=described(making, ["vision.xml", "vision.bin"]))

    caplog.set_level(logging.INFO, "indexer")
    assert usable_int8(export, manifest, kept) is None
    write_folder(reduced, fill)
    model, facts = model_here(tiny.settings(export_dir=kept, precision="int8"))
    assert facts.choice.precision == "int8"
    assert np.isfinite(model.pixels(np.stack(trial_pictures(32, 2)))).all()
    assert "int8 passed before (as it was measured)" in caplog.text
    assert usable_int8(export, replace(manifest, versions={"openvino": "of another export"}), kept) is None
    data = bytearray((reduced / "vision.bin").read_bytes())
    data[0] ^= 1
    (reduced / "vision.bin").write_bytes(data)
    assert usable_int8(export, manifest, kept) is None
    assert "int8 is calibrated anew" in caplog.text


@pytest.mark.usefixtures("in_this_process")
def test_a_model_whose_neighbours_move_stays_as_it_is_and_the_log_says_what_was_measured(
    tiny: TinyModel, kept: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "FrameSample", partial(FrameSample, 60))
    monkeypatch.setattr(int8, "OVERLAP", 1.01)  # how far they move depends on the processor; this far they always do
    with warnings.catch_warnings(action="ignore"), caplog.at_level(logging.INFO, "indexer"):
        model, _ = model_here(tiny.settings(export_dir=kept, precision="int8"))
        model.pixels(np.stack(trial_pictures(32, 60)))
        asyncio.run(until(lambda: "int8 is not used" in caplog.text))
        model.pixels(np.stack(trial_pictures(32, 1)))
        assert model.choice.precision != "int8"
    assert "too far from float32 (cosine mean" in caplog.text
    assert "of the ten nearest the same" in caplog.text
    assert not list(kept.glob("*.int8"))
