"""What is known of the model from an earlier start: nobody waits for the model to learn it, and it is never wrong."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.config.models import by_name
from indexer.backoff import Backoff
from indexer.encode import model_on_demand
from indexer.encode.encoder import ModelEncoder, open_encoder
from indexer.encode.known_model import FILE_NAME, KnownModel
from indexer.errors import ModelAway
from indexer.records.pictures import ModelSpec, PixelSpec
from indexer.settings import ModelSettings
from indexer.supervisor import Faults
from tests.worlds.waiting import DEADLINE_S

WORKER = "tests.worlds.model_child"
SPEC = ModelSpec("fake", "none", 2, "00")
PIXELS = PixelSpec(size=8)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(model_on_demand, "AGAIN", Backoff(tries=0, first_s=0.01, longest_s=0.01))
    caplog.set_level(logging.DEBUG, "indexer")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The folder that tells the stand-in for the model what to do."""
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


def opened(
    tmp_path: Path, weights: Path, faults: Faults | None = None, **changes: Any
) -> AbstractAsyncContextManager[ModelEncoder]:
    settings = ModelSettings(name="fake", pretrained=str(weights), **changes)
    return open_encoder(settings, faults, data_dir=tmp_path, worker=WORKER)


async def known(tmp_path: Path, weights: Path) -> None:
    """One start that ends."""
    async with opened(tmp_path, weights) as encoder:
        assert encoder.awake


async def test_the_second_start_waits_for_no_model_and_a_question_does(tmp_path: Path, weights: Path) -> None:
    await known(tmp_path, weights)
    (weights / "hold-loading").touch()
    async with opened(tmp_path, weights) as encoder:
        assert (encoder.spec.name, encoder.spec.dimension, encoder.pixel_spec.size) == ("fake", 2, 8)
        assert encoder.pid is None
        asking = asyncio.create_task(encoder.encode_words(["four"]))
        assert not (await asyncio.wait({asking}, timeout=0.2))[0]
        (weights / "hold-loading").unlink()
        assert (await asking).tolist() == [[4, 2]]
        assert encoder.awake
        assert encoder.choice.precision == "float32"


async def test_the_model_is_loaded_before_anybody_asks(tmp_path: Path, weights: Path) -> None:
    await known(tmp_path, weights)
    async with opened(tmp_path, weights) as encoder, asyncio.timeout(DEADLINE_S):
        while encoder.pid is None:  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(0.01)
        assert encoder.awake


def test_with_other_settings_nothing_is_known_but_how_it_runs_is_no_such_setting(tmp_path: Path, weights: Path) -> None:
    settings = ModelSettings(name="fake", pretrained=str(weights))
    known = KnownModel(tmp_path, settings)
    known.keep(SPEC, PIXELS)
    assert known.read() == (SPEC, PIXELS)
    for same in (replace(settings, threads=3), replace(settings, precision="float32", idle_s=1.0, batch_size=2)):
        assert KnownModel(tmp_path, same).read() is not None
    for other in (replace(settings, name="another"), replace(settings, resize_mode="squash")):
        assert KnownModel(tmp_path, other).read() is None


def test_a_checkpoint_or_config_that_was_changed_is_another_model(tmp_path: Path) -> None:
    checkpoint, config = tmp_path / "weights.safetensors", tmp_path / "fake.json"
    for file in (checkpoint, config):
        file.write_bytes(b"as it was")
    settings = ModelSettings(name="fake", pretrained=str(checkpoint), config_file=config)
    known = KnownModel(tmp_path, settings)
    for file in (checkpoint, config):
        known.keep(SPEC, PIXELS)
        assert known.read() is not None
        file.write_bytes(b"as it is now")
        assert known.read() is None
        file.write_bytes(b"as it was")  # of the same length: the time tells
        os.utime(file, ns=(1, 1))
        assert known.read() is None


@pytest.mark.parametrize("written", ["", "{", "[]", '{"version": 1}', '{"version": 99, "spec": {}}'])
def test_a_file_that_makes_no_sense_is_no_knowledge(tmp_path: Path, weights: Path, written: str) -> None:
    known = KnownModel(tmp_path, ModelSettings(name="fake", pretrained=str(weights)))
    known.keep(SPEC, PIXELS)
    (tmp_path / FILE_NAME).write_text(written)
    assert known.read() is None


async def test_without_knowledge_the_model_is_asked_and_the_file_written(tmp_path: Path, weights: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    async with opened(tmp_path, weights) as encoder:
        assert encoder.awake  # it was asked, and has written the file anew
    assert KnownModel(tmp_path, ModelSettings(name="fake", pretrained=str(weights))).read() is not None


async def test_half_a_file_is_no_knowledge(tmp_path: Path, weights: Path) -> None:
    await known(tmp_path, weights)
    whole = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).write_bytes(whole[: len(whole) // 2])
    assert KnownModel(tmp_path, ModelSettings(name="fake", pretrained=str(weights))).read() is None


async def test_weights_that_are_not_what_was_known_are_refused_and_the_next_start_learns_them(
    tmp_path: Path, weights: Path
) -> None:
    await known(tmp_path, weights)
    (weights / "changed").touch()  # a hub gives other weights under the same name
    faults = Faults()
    async with opened(tmp_path, weights, faults) as encoder:
        with pytest.raises(ModelAway, match="start the bot anew"):
            await encoder.encode_words(["a"])
        assert encoder.spec.fingerprint == "00"
    assert faults.count("model") >= 1
    async with opened(tmp_path, weights) as encoder:
        assert encoder.spec.fingerprint == "01"
        assert np.array_equal(await encoder.encode_words(["a"]), [[1, 2]])


async def test_a_known_model_that_cannot_be_loaded_ends_nothing_and_is_tried_again(
    tmp_path: Path, weights: Path
) -> None:
    await known(tmp_path, weights)
    (weights / "gone").touch()
    async with opened(tmp_path, weights) as encoder:
        with pytest.raises(ModelAway, match="no such weights"):
            await encoder.encode_words(["a"])
        (weights / "gone").unlink()
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    assert (await encoder.encode_words(["a"])).tolist() == [[1, 2]]
                    break
                except ModelAway:
                    await asyncio.sleep(0.01)


async def test_a_folder_that_takes_no_file_costs_time_only(tmp_path: Path, weights: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    async with opened(tmp_path, weights) as encoder:
        assert (await encoder.encode_words(["a"])).tolist() == [[1, 2]]
    assert {path.name for path in tmp_path.iterdir()} == {FILE_NAME, "weights"}  # no draft is left


def test_an_exported_model_is_known_by_its_manifest_before_its_first_start(tmp_path: Path) -> None:
    settings = by_name(ModelSettings(), "demo")
    assert settings.folder is not None
    found = KnownModel(tmp_path, settings).read()
    assert found is not None
    assert (found[0].name, found[0].dimension, found[1].size) == ("afterimage-demo", 192, 64)
    broken = replace(settings, folder=tmp_path)
    assert KnownModel(tmp_path, broken).read() is None
    (tmp_path / "manifest.json").write_text('{"spec": {}}')
    assert KnownModel(tmp_path, broken).read() is None
