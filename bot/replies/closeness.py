"""How close a hit is, in words and as a number: the same in Discord and on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot.texts import Language, translate
from bot.texts.formats import decimal, moment
from indexer.records.copies import Copy
from indexer.records.hits import Band, Hit
from indexer.records.ids import UserId


@dataclass(frozen=True, slots=True)
class Asked:
    """The question, as the title says it. `pictures` counts those that were uploaded or pointed at.

    Pictures that were pointed at are in a message (`origin` "message"), or among those that the bot had shown
    ("shown"). `author`: nothing but this member's pictures was asked for.
    """

    pictures: int = 0
    words: str = ""
    without: Sequence[str] = ()
    origin: Literal["given", "message", "shown"] = "given"
    author: UserId | None = None


def band_text(hit: Hit, asked: Asked, language: Language) -> str:
    """How close the hit is to the picture or, where only words were asked for, to the words.
    Of an edited copy it says what was done to it, where the pixels show it; of an animation at which moment it is so
    close. It also says where words of the question stand in the picture itself, or in a model's caption of it. Empty
    where nothing was compared.
    """
    if hit.band is Band.LISTED:
        return ""
    if asked.pictures:
        named = picture_band_text(hit.band, hit.copied, language)
    else:
        named = translate(language, f"words-{hit.band}")
    if hit.at_ms is not None and hit.band is not Band.SAID:
        named = translate(language, "band-at", band=named, moment=moment(hit.at_ms))
    if hit.parts.picture_bm25:
        return f"{named}, {translate(language, 'hit-in-picture')}"
    return f"{named}, {translate(language, 'hit-in-caption')}" if hit.parts.caption_bm25 else named


def picture_band_text(band: Band, copied: Copy | None, language: Language) -> str:
    """How close one picture is to another; of an edited copy what was done to it, where the pixels show it."""
    named = translate(language, f"band-{band}")
    if band is Band.EDITED and copied is not None:
        return f"{named}: {', '.join(copy_texts(copied, language))}"
    return named


def copy_texts(copied: Copy, language: Language) -> list[str]:
    """What was done to the copy, in words: cropped, mirrored, turned, framed, with a caption; else saved again."""
    texts = []
    if copied.share < 1:
        texts.append(translate(language, "copy-cropped", percent=round(copied.share * 100)))
    if copied.mirrored:
        texts.append(translate(language, "copy-mirrored"))
    if copied.turned:
        texts.append(translate(language, "copy-turned", degrees=copied.turned))
    if copied.framed:
        texts.append(translate(language, "copy-framed"))
    if copied.captioned:
        texts.append(translate(language, "copy-captioned"))
    return texts or [translate(language, "copy-saved")]


def score_text(hit: Hit, asked: Asked, language: Language) -> str:
    """The cosine, where a picture was asked with and this hit is like it; empty where a number would have no meaning.

    The cosine of a sentence and its picture depends on the model and may be 0.3 or 0.1. There the band says how close
    they are.
    """
    return decimal(hit.score, 2, language) if asked.pictures and hit.band not in (Band.SAID, Band.LISTED) else ""
