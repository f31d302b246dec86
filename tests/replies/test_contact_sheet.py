"""A contact sheet is one PNG, whatever there is to draw."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.replies import contact_sheet as sheets
from bot.replies.contact_sheet import CELL, COLUMNS, MAX_HITS, Cell, contact_sheet, shrunk
from indexer.records.pictures import Pixels
from tests.soak import example_count


def plain(colour: tuple[int, int, int], width: int = 64, height: int = 48) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    return image


def test_the_picture_asked_with_is_left_and_the_hits_are_right() -> None:
    red, green = Cell(plain((255, 0, 0)), "Asked"), Cell(plain((0, 255, 0)), "1 · Same picture", "0.99 · #memes")
    image = opened(contact_sheet([red], [green] * 3, "cat"))
    pixels = np.asarray(image)
    (reds,) = np.nonzero((pixels == (255, 0, 0)).all(axis=2).any(axis=0))
    (greens,) = np.nonzero((pixels == (0, 255, 0)).all(axis=2).any(axis=0))
    assert reds.max() < greens.min()
    assert len(greens) >= 3 * (CELL - 2)


def test_hits_stand_in_rows_and_no_more_than_the_most() -> None:
    cells = [Cell(plain((0, 0, 255)), str(number)) for number in range(MAX_HITS + 10)]
    few, many = opened(contact_sheet([], cells[:COLUMNS], "")), opened(contact_sheet([], cells, ""))
    assert many.width == few.width
    assert many.height < few.height * (MAX_HITS // COLUMNS) + 1


def test_a_hidden_or_missing_picture_is_an_empty_box() -> None:
    image = opened(contact_sheet([], [Cell(None, "1", "spoiler")], "x"))
    assert np.asarray(image).max() < 255


def test_nothing_to_draw_is_still_a_picture() -> None:
    assert opened(contact_sheet([], [], "")).width > CELL


@settings(max_examples=example_count(soak=30), deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.text(max_size=200), st.text(max_size=80))
def test_any_size_and_any_text_can_be_drawn(width: int, height: int, heading: str, title: str) -> None:
    image = opened(contact_sheet([], [Cell(plain((1, 2, 3), width, height), title, title)], heading))
    assert image.width == opened(contact_sheet([], [Cell(None, "")], "")).width


def test_without_a_font_of_the_machine_letters_are_written_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_face", lambda: None)
    sheets._font.cache_clear()
    try:
        assert opened(contact_sheet([], [Cell(None, "Sehr ähnlich · 0,9", "日本")], "“Straße” …")).width > CELL
    finally:
        sheets._font.cache_clear()


def test_a_kept_picture_is_no_larger_than_a_cell() -> None:
    assert max(shrunk(plain((9, 9, 9), 1000, 500)).shape) == CELL
    small = plain((9, 9, 9), 20, 10)
    assert shrunk(small) is small
