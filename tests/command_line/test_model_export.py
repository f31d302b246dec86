"""`afterimage model export`: the folder that it makes serves a machine without torch, and nothing is written over."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest

from bot import cli
from indexer.encode.encoder import open_encoder
from indexer.encode.on_openvino.folder import read_manifest, verify
from indexer.records.pictures import Vectors
from indexer.settings import ModelSettings
from sandbox.model import EXPORT, WEIGHTS
from tests.soak import SOAK
from tests.worlds.demo_export import exported_before


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the demo's model configured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AFTERIMAGE_CONFIG", raising=False)
    monkeypatch.setenv("AFTERIMAGE_MODEL_NAME", "demo")
    # Told how to run, it tries no ways to: 3 s of a processor.
    monkeypatch.setenv("AFTERIMAGE_MODEL_PRECISION", "float32")
    monkeypatch.setenv("AFTERIMAGE_MODEL_STREAMS", "1")
    return tmp_path


async def words_of(folder: Path) -> Vectors:
    settings = ModelSettings(name="any", folder=folder, precision="float32", streams=1)  # no trial of ways to run it
    async with open_encoder(settings) as encoder:
        return await encoder.encode_words(["a red circle", "ein Hund"])


async def test_the_export_of_an_earlier_start_is_copied_and_the_copy_alone_is_the_model(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await asyncio.to_thread(exported_before, here / "data")
    target = here / "for another" / "demo"
    assert await asyncio.to_thread(cli.main, ["model", "export", "--to", str(target)]) == 0
    assert f'model.folder = "{target}"' in capsys.readouterr().out
    verify(target, read_manifest(target))
    assert {path.name for path in target.iterdir()} == {*read_manifest(target).files, "manifest.json"}
    await asyncio.to_thread(shutil.rmtree, here / "data")
    assert np.isfinite(await words_of(target)).all()


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="imports torch, traces and checks: AFTERIMAGE_SOAK=1 runs it")
async def test_an_export_that_the_command_makes_is_the_model(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = here / "for another" / "demo"
    assert await asyncio.to_thread(cli.main, ["model", "export", "--to", str(target)]) == 0
    assert f'model.folder = "{target}"' in capsys.readouterr().out
    verify(target, read_manifest(target))
    assert {path.name for path in target.iterdir()} == {*read_manifest(target).files, "manifest.json"}
    # The shipped export of the same weights, made by the same command, gives the same vectors.
    shipped = read_manifest(EXPORT)
    assert read_manifest(target).source == shipped.source
    assert (await words_of(target) * await words_of(EXPORT)).sum(axis=1).min() > 0.9999


def test_what_is_there_is_not_written_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "letter.txt").write_text("dear")
    assert cli.main(["model", "export", "--to", "mine"]) == 1
    assert "mine is there already" in capsys.readouterr().err
    assert [path.name for path in (here / "mine").iterdir()] == ["letter.txt"]


def test_a_place_that_cannot_be_written_is_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "file").write_text("")
    assert cli.main(["model", "export", "--to", "file/demo"]) == 1
    assert "file/demo cannot be written (file: File exists)" in capsys.readouterr().err


def test_a_file_of_the_model_that_is_not_there_is_named_and_nothing_is_made(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AFTERIMAGE_MODEL_NAME", "my-own")
    monkeypatch.setenv("AFTERIMAGE_MODEL_PRETRAINED", str(WEIGHTS))
    monkeypatch.setenv("AFTERIMAGE_MODEL_CONFIG_FILE", str(here / "gone.json"))
    assert cli.main(["model", "export", "--to", "made"]) == 1
    assert "gone.json cannot be read" in capsys.readouterr().err
    assert not (here / "made").exists()


def test_the_folder_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["model", "export", "demo"])
    assert left.value.code == 2
    assert "--to" in capsys.readouterr().err
