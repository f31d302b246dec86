"""A member's words as terms: cut for FTS5, and counted in a text as FTS5 would. Pure.

A member's text never reaches FTS5 as syntax: it is cut into terms here, and each term is passed as a quoted string,
with its quotes doubled. Runs of letters of scripts that put no spaces between words are looked up as trigrams.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Terms of one search; what stands behind them says little more, and each costs a walk through its list of messages.
MAX_TERMS = 12

# The same letters as in migrations/0003: Thai, Lao, Tibetan, Myanmar, Khmer, kana, Han, Hangul.
_UNSPACED = re.compile(r"[ก-๿ກ-໿ༀ-࿿က-႟ក-៿぀-ヿ㐀-䶿一-鿿가-힯豈-﫿ｦ-ﾝ𠀀-𯨟]+")
_TOKEN = re.compile(r"[^\W_]+")
# Two between tokens, so that each of several equal neighbours is counted: " a  a " holds " a " twice.
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Term:
    """One word, or several that stand side by side. `prefix`: the last may go on (`cat*`).

    `unspaced`: letters of a script without spaces, found inside of longer runs too.
    """

    text: str
    prefix: bool = False
    unspaced: bool = False

    @property
    def match(self) -> str:
        """As an expression of FTS5's query language."""
        return quoted(self.text) + ("*" if self.prefix else "")


def cut(text: str) -> list[Term]:
    """The words of `text` as terms, each once, at most MAX_TERMS of each kind of script."""
    spaced: dict[Term, None] = {}
    unspaced: dict[Term, None] = {}
    for raw in _clean(text).split():
        for run in _UNSPACED.findall(raw):
            unspaced[Term(run, unspaced=True)] = None
        for word in _UNSPACED.sub(" ", raw).split():
            if _has_token(word):
                spaced[Term(word.rstrip("*"), word.endswith("*"))] = None
    return [*list(spaced)[:MAX_TERMS], *list(unspaced)[:MAX_TERMS]]


def cut_phrase(text: str) -> list[Term]:
    """The words of `text` as one term: they must stand side by side. Runs without spaces are terms beside it."""
    clean = " ".join(_clean(text).split())
    unspaced = [Term(run, unspaced=True) for run in _UNSPACED.findall(clean)]
    spaced = " ".join(_UNSPACED.sub(" ", clean).split())
    phrase = [Term(spaced.rstrip("*"), spaced.endswith("*"))] if _has_token(spaced) else []
    return [*phrase, *unspaced[:MAX_TERMS]]


def quoted(text: str) -> str:
    """A string of FTS5's query language that means exactly these characters."""
    return '"' + text.replace('"', '""') + '"'


class Pattern(NamedTuple):
    """What of a text is counted for a term: characters of the text itself, or of its tokens (`_spread`)."""

    characters: str
    unspaced: bool


def pattern_of(term: Term) -> Pattern:
    """Made once a question: a term is counted in some hundred texts."""
    if term.unspaced:
        return Pattern(term.text, unspaced=True)
    tokens = _spread(term.text)
    return Pattern(tokens[:-1] if term.prefix else tokens, unspaced=False)


def counts(text: str, patterns: Sequence[Pattern]) -> list[int]:
    """How often each of the terms stands in the text."""
    if not text:
        return [0] * len(patterns)
    tokens = _spread(text)
    return [(text if unspaced else tokens).count(characters) for characters, unspaced in patterns]


def _spread(text: str) -> str:
    """The tokens with gaps between and around them, as unicode61 with remove_diacritics cuts and folds them.

    Near enough to count by: whether a message says a term at all, FTS5 decides.
    """
    folded = text.lower()
    if not folded.isascii():
        folded = "".join(sign for sign in unicodedata.normalize("NFD", folded) if not unicodedata.combining(sign))
    tokens = _TOKEN.findall(folded)
    return f" {_GAP.join(tokens)} " if tokens else ""


def _clean(text: str) -> str:
    """NUL would end the query, and lone surrogates cannot be passed to SQLite at all."""
    return "".join(" " if character == "\0" or "\ud800" <= character <= "\udfff" else character for character in text)


def _has_token(word: str) -> bool:
    """Whether unicode61 finds a token in it: letters, numbers and private-use characters are, signs are not."""
    return any(unicodedata.category(character)[0] in "LN" or character == "\ue000" for character in word)
