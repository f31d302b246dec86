"""What says what a picture says."""

from __future__ import annotations

from enum import StrEnum


class TextKind(StrEnum):
    """Who wrote a picture's text. Stored."""

    OCR = "ocr"  # the words that stand in it
    CAPTION = "caption"  # a sentence by a model
