"""`afterimage model …`, and names of the catalogue in the configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot import cli
from bot.command_line import model_trial
from bot.command_line.model_trial import FILE_NAME, Trial, read_trials, write_trial
from bot.config.loader import load
from indexer.encode.catalogue import CATALOGUE
from indexer.errors import ConfigError
from tests.worlds.demo_export import exported_before
from tests.worlds.json_schemas import assert_schema


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration of nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AFTERIMAGE_CONFIG", raising=False)
    (tmp_path / "data").mkdir()
    return tmp_path


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(["model", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name != "demo"])
def test_a_name_of_the_catalogue_is_a_model(name: str) -> None:
    config = load(None, {"AFTERIMAGE_MODEL_NAME": name, "AFTERIMAGE_MODEL_THREADS": "3"})
    model = CATALOGUE[name]
    assert (config.settings.model.name, config.settings.model.pretrained) == (model.architecture, model.tag)
    assert config.settings.model.threads == 3


def test_the_demos_model_can_be_configured_by_name() -> None:
    model = load(None, {"AFTERIMAGE_MODEL_NAME": "demo"}).settings.model
    assert (model.name, model.resize_mode) == ("afterimage-demo", "squash")
    assert Path(model.pretrained).is_file()


def test_open_clips_own_names_stay_what_they_are() -> None:
    given = {"AFTERIMAGE_MODEL_NAME": "RN50", "AFTERIMAGE_MODEL_PRETRAINED": "cc12m"}
    model = load(None, given).settings.model
    assert (model.name, model.pretrained) == ("RN50", "cc12m")


@pytest.mark.parametrize(
    ("key", "value"), [("PRETRAINED", "webli"), ("RESIZE_MODE", "squash"), ("CONFIG_FILE", "a.json")]
)
def test_what_a_name_says_by_itself_is_not_said_twice(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"model.{key.lower()} is set"):
        load(None, {"AFTERIMAGE_MODEL_NAME": "quality", f"AFTERIMAGE_MODEL_{key}": value})


def test_the_list_says_what_is_configured_and_what_was_measured(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trial = Trial(23.5, 11.25, 4.0, "openvino on cpu, bfloat16, 2 streams", "2026-11-21")
    write_trial(here / "data", "ViT-B-32-256 datacomp_s34b_b86k", trial)
    code, out, _ = ran(capsys, "list")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("* ") and "configured" not in line] == ["default"]
    assert all(any(name in line for line in lines) for name in CATALOGUE)
    assert "here: 23.5 pictures/s, 11.2 ms a text, loaded in 4.0 s (openvino on cpu, bfloat16, 2 streams)" in out
    listed = json.loads(ran(capsys, "list", "--json")[1])
    assert_schema("model", listed)
    found = {model["name"]: model for model in listed["models"]}
    assert found["default"]["chosen"] is True
    assert found["english"]["trial"]["pictures_per_s"] == 23.5
    assert found["gpu"]["trial"] is None
    assert found["default"]["licence"] == "Apache-2.0"


@pytest.mark.parametrize("written", ["", "[]", '{"a": 1}', '{"a": {"pictures_per_s": 1}}'])
def test_a_file_of_trials_that_makes_no_sense_is_none(here: Path, written: str) -> None:
    (here / "data" / FILE_NAME).write_text(written)
    assert read_trials(here / "data") == {}


def test_a_trial_of_the_demos_model_is_remembered(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_trial, "PICTURES_S", 0.05)
    # Told how to run, it tries no ways to: 3 s of a processor.
    for name, value in {"PRECISION": "float32", "STREAMS": "1", "BATCH_SIZE": "2"}.items():
        monkeypatch.setenv(f"AFTERIMAGE_MODEL_{name}", value)
    exported_before(here / "data")
    code, out, err = ran(capsys, "trial", "demo", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert_schema("model", found)
    assert found["pictures_per_s"] > 0
    assert found["text_ms"] > 0
    assert found["runs"].startswith("openvino on cpu")
    assert f"here: {found['pictures_per_s']:,.1f} pictures/s" in ran(capsys, "list")[1]


@pytest.mark.parametrize("name", ["nothing", "ViT-B-32", ":webli", "ViT-B-32:"])
def test_a_name_that_is_none_says_which_there_are(capsys: pytest.CaptureFixture[str], name: str) -> None:
    code, out, err = ran(capsys, "trial", name)
    assert (code, out) == (1, "")
    assert "default, english, quality, gpu, demo" in err


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["list", "--fast"]])
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["model", *arguments])
    assert left.value.code == 2
