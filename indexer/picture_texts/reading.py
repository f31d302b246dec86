"""A reader of pictures, and what it says of one."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Protocol

from indexer.records.picture_texts import TextKind

MOST_CHARACTERS = 20_000  # of one picture; a page of a book has 3,000


@dataclass(frozen=True, slots=True)
class Reading:
    """`text` is empty where there is nothing to say. `confidence` (0–1): how sure the reader is; None without text."""

    text: str
    confidence: float | None


class PictureReader(Protocol):
    """Makes a text of a picture. The lane (lane.py) asks it for one picture at a time.

    `name` tells what it reads with: where it is another than before, every picture is read anew. `least_px`: the
    shorter side of a copy that it can do with, in pixels.
    """

    @property
    def kind(self) -> TextKind: ...

    @property
    def name(self) -> str: ...

    @property
    def least_px(self) -> int: ...

    async def read(self, data: bytes) -> Reading:
        """Raises Rejected where this file gives nothing, RetryLater where nothing can be read now."""
        ...

    def halt(self) -> None:
        """Takes the processor from it until `go_on`, in the middle of a picture too, where the system can."""
        ...

    def go_on(self) -> None: ...

    async def rest(self) -> None:
        """Lets go of its process and memory; the next picture starts it anew."""
        ...


def cleaned(text: str) -> str:
    """The text without control characters, halves of surrogate pairs and repeated spaces: SQLite cannot store all of
    them, and a terminal must not get any.
    """
    kept = (" " if unicodedata.category(sign)[0] in "CZ" else sign for sign in text)
    return " ".join("".join(kept).split())
