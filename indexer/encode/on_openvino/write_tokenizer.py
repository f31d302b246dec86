"""open_clip's tokenizer of a model → a tokenizer.json that gives the same ids without open_clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer, get_clean_fn
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, processors

from indexer.encode.text_facts import TextFacts
from indexer.encode.tokens import Tokenizer as OurTokenizer
from indexer.encode.tokens import tidy
from indexer.encode.trial_set import TEXTS

_CLEANERS = {get_clean_fn(name): name for name in ("lower", "whitespace", "canonicalize")}
# SimpleTokenizer's own pattern, less its special tokens. "(?i:…)" as it ignores case.
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"


class NotExportable(Exception):
    """This model cannot be exported: says what of it."""


def write_tokenizer(tokenizer: Any, file: Path) -> TextFacts:
    """Writes `file`. Raises NotExportable where the tokenizer is of a kind that `tokenizers` has nothing for, or where
    the ids are not the same."""
    context = int(getattr(tokenizer, "context_length", None) or 77)
    cleaner = _CLEANERS.get(tokenizer.clean_fn) if hasattr(tokenizer, "clean_fn") else None
    if cleaner is None:
        raise NotExportable(f"its tokenizer is a {type(tokenizer).__name__}, which cleans texts in a way of its own")
    if isinstance(tokenizer, SimpleTokenizer):
        written, blank = _of_clip(tokenizer, context), -1
    elif isinstance(tokenizer, HFTokenizer):
        written, blank = _of_transformers(tokenizer, context)
    else:
        raise NotExportable(f"its tokenizer is a {type(tokenizer).__name__}")
    written.save(str(file), pretty=False)
    facts = TextFacts(cleaner, context, blank)
    ours = OurTokenizer(file, facts)(TEXTS)
    theirs = tokenizer([tidy(text, context) for text in TEXTS]).numpy()
    if not np.array_equal(ours, theirs):
        raise NotExportable("its tokenizer gives other ids without open_clip")
    return facts


def _of_clip(tokenizer: SimpleTokenizer, context: int) -> Tokenizer:
    if tokenizer.reduction_fn is not None:
        raise NotExportable("its tokenizer leaves out tokens at random")
    start, end = "<start_of_text>", "<end_of_text>"
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__)
    written = Tokenizer(models.BPE(tokenizer.encoder, merges, end_of_word_suffix="</w>", fuse_unk=False))
    written.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in (start, end)])
    written.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    ids = [(start, tokenizer.sot_token_id), (end, tokenizer.eot_token_id)]
    written.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=ids)
    written.enable_truncation(context)
    written.enable_padding(length=context, pad_id=0, pad_token="!")  # noqa: S106 -- the vocabulary's first word
    return written


def _of_transformers(tokenizer: HFTokenizer, context: int) -> tuple[Tokenizer, int]:
    inner = tokenizer.tokenizer
    backend = getattr(inner, "backend_tokenizer", None)
    if backend is None or tokenizer.tokenizer_mode or inner.pad_token_id is None:
        raise NotExportable(f"its tokenizer, a {type(inner).__name__}, is not one of the `tokenizers` library")
    written = Tokenizer.from_str(backend.to_str())
    written.enable_truncation(context, direction=inner.truncation_side)
    written.enable_padding(
        direction=inner.padding_side, length=context, pad_id=inner.pad_token_id, pad_token=inner.pad_token
    )
    return written, int(inner.sep_token_id) if tokenizer.strip_sep_token else -1
