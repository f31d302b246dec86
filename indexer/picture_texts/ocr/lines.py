"""What was read in a picture: lines as the reader gave them → the text that is stored. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from indexer.picture_texts.reading import MOST_CHARACTERS, Reading, cleaned


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text, and how sure the reader is of it (0–1)."""

    text: str
    confidence: float


def reading_of(lines: Sequence[Line], min_confidence: float) -> Reading:
    """The lines of which the reader is sure enough and that have a letter or a digit, one below the other.

    The confidence is the mean of their letters.
    """
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


def _says_something(text: str) -> bool:
    return any(unicodedata.category(sign)[0] in "LN" for sign in text)
