"""How a model's texts become token ids, as far as its tokenizer.json does not say it. Needs no library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What a tokenizer.json does not say. `clean`: lower, whitespace or canonicalize, as open_clip names them.

    `context` is the number of tokens of a text, filled up or cut. `blank` is an id that becomes 0; -1: none does.
    `short`: what fills a text up changes nothing of its vector, so the network takes texts without it.
    """

    clean: str
    context: int
    blank: int = -1
    short: bool = False
