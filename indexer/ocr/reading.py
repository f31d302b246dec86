"""What was read in a picture: lines as the reader gave them → the text that is stored. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MOST_CHARACTERS = 20_000  # of one picture; a page of a book has 3,000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text, and how sure the reader is of it (0–1)."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Reading:
    """`text`: the lines, one below the other; empty where the picture has no words. `confidence` is the mean of its
    letters (0–1), None without any.
    """

    text: str
    confidence: float | None


def reading_of(lines: Sequence[Line], min_confidence: float) -> Reading:
    """The lines of which the reader is sure enough and that have a letter or a digit."""
    kept = [
        Line(text, line.confidence)
        for line in lines
        if line.confidence >= min_confidence and _says_something(text := cleaned(line.text))
    ]
    letters = sum(len(line.text) for line in kept)
    if not letters:
        return Reading("", None)
    mean = sum(len(line.text) * line.confidence for line in kept) / letters
    return Reading("\n".join(line.text for line in kept)[:MOST_CHARACTERS], min(max(mean, 0.0), 1.0))


def cleaned(text: str) -> str:
    """The text without control characters, halves of surrogate pairs and repeated spaces: SQLite cannot store all of
    them, and a terminal must not get any.
    """
    kept = (" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    return " ".join("".join(kept).split())


def _says_something(text: str) -> bool:
    return any(unicodedata.category(sign)[0] in "LN" for sign in text)
