"""How close a hit is, in words and as a number: the same in Discord and on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot.texts import Language, translate
from bot.texts.formats import decimal
from indexer.records.hits import Band, Hit


@dataclass(frozen=True, slots=True)
class Asked:
    """The question, as the title says it. `pictures` counts those that were uploaded or pointed at.

    Pictures that were pointed at are in a message (`origin` "message"), or among those that the bot had shown
    ("shown").
    """

    pictures: int = 0
    words: str = ""
    without: Sequence[str] = ()
    origin: Literal["given", "message", "shown"] = "given"


def band_text(hit: Hit, asked: Asked, language: Language) -> str:
    """How close the hit is to the picture or, where only words were asked for, to the words.
    Empty where nothing was compared.
    """
    if hit.band is Band.LISTED:
        return ""
    return translate(language, f"band-{hit.band}" if asked.pictures else f"words-{hit.band}")


def score_text(hit: Hit, asked: Asked, language: Language) -> str:
    """The cosine, where a picture was asked with and this hit is like it; empty where a number would have no meaning.

    The cosine of a sentence and its picture depends on the model and may be 0.3 or 0.1. There the band says how close
    they are.
    """
    return decimal(hit.score, 2, language) if asked.pictures and hit.band not in (Band.SAID, Band.LISTED) else ""
