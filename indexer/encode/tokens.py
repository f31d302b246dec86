"""Texts → token ids by the `tokenizers` library alone, which needs neither torch nor transformers."""

from __future__ import annotations

import html
import string
from collections.abc import Sequence
from pathlib import Path

import ftfy
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer as FastTokenizer

from indexer.encode.text_facts import TextFacts

# No tokenizer we know makes one token of more than 32 characters, so this many a token never cuts what would count.
_CHARACTERS_A_TOKEN = 32
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)

TokenIds = npt.NDArray[np.int64]


class Tokenizer:
    """Gives the ids that open_clip's own tokenizer of the same model gives."""

    def __init__(self, file: Path, facts: TextFacts) -> None:
        """`file` is a tokenizer.json that fills up and cuts to `facts.context`. Raises ValueError for another file."""
        try:
            self._tokenizer = FastTokenizer.from_file(str(file))
        except Exception as error:  # the library raises a bare Exception
            raise ValueError(f"{file} is no tokenizer: {error}") from error
        self._facts = facts

    def __call__(self, texts: Sequence[str]) -> TokenIds:
        """[n, context] int64. Text beyond the context is cut."""
        cleaned = [cleaned_text(tidy(text, self._facts.context), self._facts.clean) for text in texts]
        ids = np.array([encoding.ids for encoding in self._tokenizer.encode_batch(cleaned)], np.int64)
        ids = ids.reshape(len(texts), self._facts.context)
        if self._facts.blank >= 0:
            ids[ids == self._facts.blank] = 0
        return ids


def without_fill(ids: TokenIds) -> TokenIds:
    """[1, m] of one text's ids [1, context]: less what fills it up, of which one token stays."""
    differing = np.flatnonzero(ids[0] != ids[0, -1])
    return ids[:, : differing[-1] + 2] if len(differing) else ids[:, :1]


def tidy(text: str, context: int) -> str:
    """Bounded, and without half surrogate pairs, over which tokenizers fall."""
    short = " ".join(text.split())[: context * _CHARACTERS_A_TOKEN]
    return short.encode("utf-8", "replace").decode("utf-8")


def cleaned_text(text: str, how: str) -> str:
    """The text as open_clip cleans it before it is cut into tokens. Raises ValueError for a way that is not known."""
    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    match how:
        case "lower":
            return " ".join(text.split()).lower()
        case "whitespace":
            return " ".join(text.split())
        case "canonicalize":
            return " ".join(text.replace("_", " ").translate(_NO_PUNCTUATION).lower().split())
    raise ValueError(f"no such way to clean a text: {how}")
