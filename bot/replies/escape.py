"""Members' words made harmless: what a member wrote is shown as text and nothing else.

Everything that Discord's markdown gives a meaning is escaped with a backslash: emphasis, spoilers, code, quotes,
headings, lists, masked links, bare links (through the `:` and `/` of their scheme), mentions, emoji and timestamps
(through `<`). Line breaks, control characters and those that turn the direction of text are taken out, so that one
line stays one line and a name cannot overwrite what stands beside it.
"""

from __future__ import annotations

import re
import unicodedata

_MARKDOWN = re.compile(r"([\\*_~`|<>\[\]()#+\-:/@])")
_SPOILER = re.compile(r"\|\|.+?\|\|", re.DOTALL)
_EMOJI = re.compile(r"<a?:(\w{1,64}):\d+>")
_USER = re.compile(r"<@!?\d+>")
_ROLE = re.compile(r"<@&\d+>")
_CHANNEL = re.compile(r"<#\d+>")
_TIME = re.compile(r"<t:-?\d+(?::\w)?>")
_SPACE = re.compile(r"\s+")

HIDDEN = "█████"
ELLIPSIS = "…"


def plain(text: str, limit: int) -> str:
    """One line of at most `limit` characters, without control characters and direction marks. Not escaped."""
    characters = "".join(" " if character.isspace() else character for character in text if _shown(character))
    line = _SPACE.sub(" ", characters).strip()
    return line if len(line) <= limit else line[: limit - 1].rstrip() + ELLIPSIS


def escaped(text: str, limit: int) -> str:
    """`plain(text)` with every character escaped that Discord's markdown knows: at most 2 · `limit` characters."""
    return _MARKDOWN.sub(r"\\\1", plain(text, limit))


def excerpt(content: str, limit: int) -> str:
    """The beginning of a message as harmless text.
    Spoilers are blacked out, mentions and emoji become words, the rest is escaped.
    """
    text = _SPOILER.sub(HIDDEN, content)
    text = _EMOJI.sub(r":\1:", text)
    text = _ROLE.sub("@role", text)
    text = _USER.sub("@member", text)
    text = _CHANNEL.sub("#channel", text)
    text = _TIME.sub("", text)
    return escaped(text, limit)


def _shown(character: str) -> bool:
    return character.isspace() or (unicodedata.category(character) not in ("Cc", "Cs", "Co") and not _turns(character))


def _turns(character: str) -> bool:
    """Marks, embeddings, overrides and isolates of text direction, and invisible tags; joiners of emoji may stay."""
    return (
        character in "\u200e\u200f\u061c\ufeff\u2060"
        or "\u202a" <= character <= "\u202e"
        or "\u2066" <= character <= "\u2069"
        or "\U000e0000" <= character <= "\U000e007f"
    )
