"""BLIP and BLIP-2 in two halves: pictures → features, which are kept, and features with words → how well they match.

A row of features is the model's embedding of the picture (unit length, for comparing pictures), then the tokens of its
vision part. The halves together give what the model's own `forward` gives. Blocking; one thread at a time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from indexer.encode.on_transformers.preparation import Preparation, all_of
from indexer.encode.protocol import Choice
from indexer.records.pictures import Features, Pixels, Vectors

MOST_TOKENS = 64  # of a question; the models were trained with 32 and 35
LARGEST = float(np.finfo(np.float16).max)


class Matcher(ABC):
    """`choice` says how it runs, once that is settled."""

    choice: Choice

    def __init__(self, model: Any, tokenizer: Any, device: torch.device) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.device = device
        self.dtype = torch.float32
        self._tokens = self._width = (
            0  # of the vision part; known from the first picture on, which load_matcher shows it
        )
        self._prepare = Preparation(device)

    def to(self, dtype: torch.dtype) -> None:
        """Converts the vision part alone: it is nearly all of the work, and what reads the words stays exact."""
        self.model.vision_model.to(dtype=dtype)
        self.dtype = dtype

    @torch.inference_mode()
    def pixels(self, frames: Sequence[Pixels]) -> Vectors:
        """[n, d] float32: a row of features a picture, within what float16 can hold."""
        tokens = self.model.vision_model(pixel_values=self._prepare(frames, self.dtype))[0].float()
        _, self._tokens, self._width = tokens.shape
        rows = torch.cat([self.embedding(tokens), tokens.flatten(1)], dim=1).clamp(-LARGEST, LARGEST)
        features: Vectors = rows.cpu().numpy()
        return features

    @torch.inference_mode()
    def scores(self, words: str | None, features: Features) -> Vectors:
        """[n, 1] float32: for each picture ([n, d]) the log-odds that the words describe it.

        Without words: the cosines of all pictures but the first to the first ([n - 1, 1]).
        """
        rows = torch.from_numpy(features.astype(np.float32)).to(self.device)
        length = rows.shape[1] - self._tokens * self._width
        embeddings, tokens = rows[:, :length], rows[:, length:].reshape(-1, self._tokens, self._width)
        if words is None:
            found = embeddings[1:] @ embeddings[0]
        else:
            read = self.tokenizer([words], truncation=True, max_length=MOST_TOKENS, return_tensors="pt")
            ids = read["input_ids"].to(self.device).expand(len(rows), -1)
            mask = read["attention_mask"].to(self.device).expand(len(rows), -1)
            logits = self.logits(ids, mask, tokens)
            found = logits[:, 1] - logits[:, 0]
        scores: Vectors = found.float().cpu().numpy()[:, None]
        return scores

    @abstractmethod
    def embedding(self, tokens: torch.Tensor) -> torch.Tensor:
        """[n, e] of unit length, of the vision part's tokens ([n, t, w])."""

    @abstractmethod
    def logits(self, ids: torch.Tensor, mask: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """[n, 2]: no match, match."""


class Blip(Matcher):
    """BlipForImageTextRetrieval."""

    def embedding(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.model.vision_proj(tokens[:, 0, :]), dim=-1)

    def logits(self, ids: torch.Tensor, mask: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        read = self.model.text_encoder(
            input_ids=ids,
            attention_mask=mask,
            encoder_hidden_states=tokens,
            encoder_attention_mask=all_of(tokens),
        )
        found: torch.Tensor = self.model.itm_head(read[0][:, 0, :])
        return found


class Blip2(Matcher):
    """Blip2ForImageTextRetrieval."""

    def embedding(self, tokens: torch.Tensor) -> torch.Tensor:
        queries = self.model.query_tokens.expand(len(tokens), -1, -1)
        seen = self.model.qformer(
            query_embeds=queries, encoder_hidden_states=tokens, encoder_attention_mask=all_of(tokens)
        )[0]
        each = torch.nn.functional.normalize(self.model.vision_projection(seen), dim=-1)
        return torch.nn.functional.normalize(each.mean(dim=1), dim=-1)

    def logits(self, ids: torch.Tensor, mask: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        queries = self.model.query_tokens.expand(len(tokens), -1, -1)
        count = queries.shape[1]
        read = self.model.qformer(
            query_embeds=self.model.embeddings(input_ids=ids, query_embeds=queries),
            query_length=count,
            attention_mask=torch.cat([mask.new_ones(len(mask), count), mask], dim=1),
            encoder_hidden_states=tokens,
            encoder_attention_mask=all_of(tokens),
        )[0]
        found: torch.Tensor = self.model.itm_head(read[:, :count, :]).mean(dim=1)
        return found
