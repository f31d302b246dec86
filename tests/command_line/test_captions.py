"""`afterimage captions`: what it shows and writes down, and describing with a real model where no bot runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot import cli
from bot.control.handler import Values
from tests.captions.tiny_blip import WORDS
from tests.captions.tiny_blip import write as write_model
from tests.command_line.conftest import Run
from tests.worlds.json_schemas import assert_schema
from tests.worlds.kept_folder import rows
from tests.worlds.searchable_folder import Folder, write

PICTURES = 6


@pytest.fixture
def own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """One that this test may change."""
    folder = write(tmp_path_factory.mktemp("captions"))
    monkeypatch.chdir(folder.root)
    return folder


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Values:
    capsys.readouterr()
    assert cli.main(["captions", *words, "--json"]) == 0
    found: Values = json.loads(capsys.readouterr().out)
    assert_schema("captions", found)
    return found


def test_it_says_how_far_it_is_that_it_is_off_and_what_it_needs(
    own_folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {"read": 0, "with_text": 0, "failed": 0, "left": PICTURES, "enabled": False}
    assert asked(capsys, "--channel", "photos", "--again") == {**left, "running": False}
    assert cli.main(["captions"]) == 0
    said = capsys.readouterr().out
    assert f"pictures described: 0 (0 %), 0 of them with a caption; could not be described: 0; left: {PICTURES}" in said
    assert "describing pictures is off: set captions.enabled = true" in said
    assert cli.main(["captions", "--read"]) == 1
    assert "set captions.enabled = true" in capsys.readouterr().err
    with Path("config.toml").open("a") as file:
        file.write("[captions]\nenabled = true\n")
    monkeypatch.setattr("indexer.picture_texts.captions.captioner.installed", lambda extra: extra.module != "torch")
    assert cli.main(["captions", "--read"]) == 1
    err = capsys.readouterr().err
    assert "torch must be installed" in err
    assert "pip install 'afterimage[captions]'" in err


@pytest.mark.xdist_group("torch")
def test_without_a_bot_files_of_archives_are_described_by_the_model_in_its_process_and_found(
    own_folder: Folder, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(own_folder.root)
    monkeypatch.setattr("indexer.picture_texts.captions.captioner.WORKER", "tests.worlds.hasty_captioner")
    write_model(own_folder.root / "tiny-blip")
    with Path("config.toml").open("a") as file:
        file.write('[captions]\nenabled = true\nname = "tiny-blip"\n')
    code, out, err = run("captions", "--read")
    assert code == 0, err
    assert out.startswith(f"pictures described: {PICTURES} (100 %), ")
    assert out.endswith("could not be described: 0; left: 0\n")
    captions = rows(own_folder.settings.data_dir, "SELECT body, confidence FROM picture_texts WHERE kind = 'caption'")
    assert all(set(str(text).split()) <= set(WORDS.split()) for text, _ in captions)
    assert all(isinstance(sure, float) and 0 < sure < 1 for _, sure in captions)
    code, out, _ = run("search", f'"{captions[0][0]}"', "--json")
    assert json.loads(out)["hits"][0]["parts"]["caption_bm25"] > 0
    code, out, _ = run("status")
    assert "pictures described: 6 (100 %)" in out
