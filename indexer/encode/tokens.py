"""Texts → token ids by the `tokenizers` library alone, which needs neither torch nor transformers."""

from __future__ import annotations

import html
import string
from collections.abc import Iterator, Sequence
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

# A text of three to ten ids leaves the processor waiting for the weights: of ViT-B-32-256 one of 8 takes 31 ms of
# processor time, four together take 58, eight 103. Beyond ROWS ids in one run OpenVINO packs the weights in another
# order and keeps both (154 MB). LENGTHS are what short texts are filled up to; longer ones gain nothing together.
LENGTHS = (8, 12, 16, 24, 32)
ROWS = 64


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


def short_batches(ids: TokenIds) -> Iterator[tuple[npt.NDArray[np.intp], TokenIds]]:
    """Texts that are encoded together, less what fills them up: which of `ids` ([n, context]), and their ids.

    The lengths of short texts, and how many go together, are rounded up (with what fills them up, and with the last
    text again): of each shape that a network sees, OpenVINO keeps what it has prepared.
    """
    context = ids.shape[1]
    needed = [_needed(row) for row in ids]
    lengths = np.array([min(next((size for size in LENGTHS if size >= count), count), context) for count in needed])
    for length in np.unique(lengths).tolist():
        together = 1 << (ROWS // length).bit_length() - 1 if length <= LENGTHS[-1] else 1
        chosen = np.flatnonzero(lengths == length)
        for start in range(0, len(chosen), together):
            some = chosen[start : start + together]
            number = 1 << (len(some) - 1).bit_length()
            yield some, ids[np.pad(some, (0, number - len(some)), "edge"), :length]


def _needed(row: TokenIds) -> int:
    """How many ids of a text count: all but what fills it up, of which one stays."""
    differing = np.flatnonzero(row != row[-1])
    return min(int(differing[-1]) + 2, len(row)) if len(differing) else 1


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
