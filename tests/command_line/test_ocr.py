"""`afterimage ocr`: what it shows and writes down, beside a bot and without one, and reading where no bot runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bot import cli
from bot.control.handler import Values
from indexer.picture_texts.ocr.models import RAPIDOCR
from indexer.pictures.extras import installed
from tests.command_line.conftest import Run
from tests.ocr.drawn import drawn
from tests.worlds.json_schemas import assert_schema
from tests.worlds.searchable_folder import FILES, Folder, running_bot, write

PICTURES = 6
ON = "[ocr]\nenabled = true\n"


@pytest.fixture
def own_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """One that this test may change. Its first picture has words in it."""
    folder = write(tmp_path_factory.mktemp("ocr"), {1: drawn("Boarding pass", "Gate 17")})
    monkeypatch.chdir(folder.root)
    return folder


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Values:
    capsys.readouterr()
    assert cli.main(["ocr", *words, "--json"]) == 0
    found: Values = json.loads(capsys.readouterr().out)
    assert_schema("ocr", found)
    return found


def test_it_says_how_far_it_is_and_that_it_is_off(own_folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    left = {"read": 0, "with_text": 0, "failed": 0, "left": PICTURES, "enabled": False}
    assert asked(capsys) == {**left, "running": False}
    assert cli.main(["ocr"]) == 0
    said = capsys.readouterr().out
    assert f"pictures read for words: 0 (0 %), 0 of them with words; could not be read: 0; left: {PICTURES}" in said
    assert "reading words is off: set ocr.enabled = true" in said
    assert cli.main(["ocr", "--read"]) == 1
    assert "set ocr.enabled = true" in capsys.readouterr().err


def test_beside_a_bot_wishes_are_written_down(own_folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    async def beside() -> Values:
        async with running_bot(own_folder) as service:
            found = await asyncio.to_thread(asked, capsys, "--channel", "photos", "--again")
            assert service.ocr.changed.is_set()
            return found

    found = asyncio.run(beside())
    assert (found["running"], found["left"]) == (True, PICTURES)
    assert cli.main(["ocr", "--channel", "nowhere"]) == 1
    assert "No channel #nowhere is indexed there." in capsys.readouterr().err


def test_where_the_extra_is_not_installed_the_start_says_so(
    own_folder: Folder, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(own_folder.root)
    with Path("config.toml").open("a") as file:
        file.write(ON)
    monkeypatch.setattr("indexer.picture_texts.ocr.models.installed", lambda extra: False)
    for command in (("ocr", "--read"), ("import", "export")):
        code, _, err = run(*command)
        assert code == 1
        assert "pip install 'afterimage[ocr]'" in err
        assert "ocr.enabled = false" in err


@pytest.mark.skipif(not installed(RAPIDOCR), reason="the extra ocr is not installed")
@pytest.mark.xdist_group("reader of words")
def test_without_a_bot_files_of_archives_are_read_here_and_found(
    own_folder: Folder, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(own_folder.root)
    with Path("config.toml").open("a") as file:
        file.write(ON)
    code, out, err = run("ocr", "--read")
    assert code == 0
    assert all(line.startswith("pictures read for words: ") for line in err.splitlines()), "a slow machine is told more"
    assert out == f"pictures read for words: {PICTURES} (100 %), 1 of them with words; could not be read: 0; left: 0\n"
    for words in ('"boarding pass"', "has:text"):
        code, out, _ = run("search", words, "--json")
        (hit,) = json.loads(out)["hits"]
        assert hit["path"].endswith(f"{FILES}/file-1.png")
    code, out, _ = run("search", "gate", "--explain")
    assert "words found in the picture" in out
    assert "of it from words in the picture" in out
    code, out, _ = run("status")
    assert "6 (100 %), 1 of them with words" in out
