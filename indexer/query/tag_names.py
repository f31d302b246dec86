"""What a tag may be, and how it is written: the same word always the same way. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from indexer.errors import TellPerson

MOST_CHARACTERS = 50
MOST_TAGS = 32  # of one picture

# Letters, marks above and below them, digits and symbols (emoji among them). Nothing invisible: two tags that look the
# same would be two. No quotes, which the grammar needs, and no comma, which divides tags on the command line.
_KINDS = ("L", "M", "N", "S")
_INSIDE = " -_.'&+/!?:"
# Of these kinds, and nobody sees them: fillers, joiners and a blank.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
# They choose between two pictures of the same sign, and phones write them where other keyboards do not.
_VARIATIONS = dict.fromkeys((*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))


def tag_name(text: str) -> str:
    """The tag as it is stored: case folded, in NFC, with one space between words, without a # before it and without
    variation selectors.

    Raises TellPerson for what cannot be a tag.
    """
    shown = text.translate(_VARIATIONS)
    name = unicodedata.normalize("NFC", unicodedata.normalize("NFC", shown).casefold())
    name = " ".join(name.split()).removeprefix("#")
    if not name:
        raise TellPerson("tag-empty")
    if len(name) > MOST_CHARACTERS:
        raise TellPerson("tag-too-long", characters=len(name), most=MOST_CHARACTERS)
    for at, character in enumerate(name):
        kind = unicodedata.category(character)[0]
        if character in _UNSEEN or not (kind in _KINDS or (at and character in _INSIDE)):
            raise TellPerson(
                "tag-character", tag=name, character=unicodedata.name(character, f"U+{ord(character):04X}")
            )
    return name


def tag_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Several tags, each once. Raises TellPerson also for more than one picture may have."""
    names = tuple(dict.fromkeys(tag_name(text) for text in texts))
    if len(names) > MOST_TAGS:
        raise TellPerson("tag-many", most=MOST_TAGS)
    return names
