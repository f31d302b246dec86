"""Lines → the text that is stored; and which models read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.errors import ConfigError
from indexer.picture_texts.ocr import models
from indexer.picture_texts.ocr.lines import Line, reading_of
from indexer.picture_texts.ocr.models import find_models
from indexer.picture_texts.reading import MOST_CHARACTERS, Reading, cleaned
from indexer.pictures.extras import Extra


def test_lines_stand_below_each_other_and_the_confidence_is_that_of_the_letters() -> None:
    lines = [Line("invoice", 0.9), Line("???", 1.0), Line("no", 0.3), Line("42,00 €", 0.6)]
    assert reading_of(lines, 0.5) == Reading("invoice\n42,00 €", 0.75)


@pytest.mark.parametrize("lines", [[], [Line("a word", 0.49)], [Line(" \t", 1.0)], [Line("…!", 1.0)]])
def test_a_picture_without_words_has_no_text_and_no_confidence(lines: list[Line]) -> None:
    assert reading_of(lines, 0.5) == Reading("", None)


def test_no_control_character_and_no_half_of_a_letter_is_stored() -> None:
    assert cleaned("a\x00b\x1b[31m \ud800 \u202ec\n\n d") == "a b [31m c d"


def test_a_text_has_an_end() -> None:
    assert len(reading_of([Line("word " * 1000, 1.0)] * 40, 0.5).text) == MOST_CHARACTERS


def test_who_has_not_installed_it_is_told_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "RAPIDOCR", Extra("ocr", "no_such_module_of_anybody", 0))
    with pytest.raises(ConfigError, match=r"pip install 'afterimage\[ocr\]'"):
        find_models(None, [])


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of models of a package that takes the place of rapidocr."""
    folder = tmp_path / "package_of_models" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    for name in ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"):
        (folder / name).write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(models, "RAPIDOCR", Extra("ocr", "package_of_models", 0))
    monkeypatch.setattr(models, "RUNTIME", Extra("ocr", "json", 0))
    return folder


def test_languages_that_the_wheel_does_not_know_are_named_with_the_way_out(installed: Path) -> None:
    assert find_models(None, ["de", "ja"]).recognition.parent == installed
    with pytest.raises(ConfigError, match=r"does not read ar, ru\. It reads .* zh-tw.* rec\.onnx.*ocr\.models"):
        find_models(None, ["ru", "de", "ar"])


def test_models_of_a_folder_take_the_place_of_those_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cyrillic"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"has no rec\.onnx"):
        find_models(folder, ["ru"])
    (folder / "rec.onnx").write_bytes(b"weights")
    found = find_models(folder, ["ru"])
    assert (found.recognition, found.keys) == (folder / "rec.onnx", None)
    assert found.detection == installed / "PP-OCRv6_det_small.onnx"
    (folder / "det.onnx").write_bytes(b"more weights")
    (folder / "keys.txt").write_text("а\nб\n", encoding="utf-8")
    own = find_models(folder, ["ru"])
    assert (own.detection, own.keys) == (folder / "det.onnx", folder / "keys.txt")
    assert own.name != found.name, "what other models read is read anew"


def test_a_wheel_with_other_models_is_no_accident(installed: Path) -> None:
    (installed / "PP-OCRv6_rec_small.onnx").unlink()
    with pytest.raises(ConfigError, match=r"PP-OCRv6_rec_small\.onnx.*-c constraints\.txt"):
        find_models(None, [])
