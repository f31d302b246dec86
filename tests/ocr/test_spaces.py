"""Spaces that were nearly seen are there; nothing else changes."""

from __future__ import annotations

import numpy as np

from indexer.picture_texts.ocr.spaces import ODDS, with_spaces

SIGNS = ("", "a", "b", " ")
SPACE = 3


def read(*columns: dict[str, float]) -> str:
    """The text of a line, of which each column says how likely which sign is."""
    chances = np.zeros((1, len(columns), len(SIGNS)), np.float32)
    for at, column in enumerate(columns):
        for sign, chance in column.items():
            chances[0, at, SIGNS.index(sign)] = chance
    before = chances.copy()
    found = with_spaces(chances, SPACE)
    assert np.array_equal(chances, before)
    assert found.max(axis=2).tolist() == before.max(axis=2).tolist(), "the reader is as sure as it was"
    return "".join(SIGNS[sign] for sign in found[0].argmax(axis=1))


def test_a_gap_that_might_be_a_space_is_one() -> None:
    assert read({"a": 0.9}, {"": 0.99, " ": 2 / ODDS}, {"b": 0.9}) == "a b"
    assert read({"a": 0.9}, {"": 0.99, " ": 0.5 / ODDS}, {"b": 0.9}) == "ab"


def test_a_letter_is_never_made_a_space() -> None:
    assert read({"a": 0.5, " ": 0.4}, {"b": 0.9, "": 0.1}) == "ab"
