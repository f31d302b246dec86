"""An open_clip network on its device: uint8 pictures or texts in, unit vectors out. Blocking; one thread at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from indexer.encode.protocol import Choice
from indexer.encode.tokens import tidy
from indexer.records.pictures import Pixels, Vectors


class Network:
    """`mean` and `std` are the model's own normalisation, of channel values 0–1.

    `choice` says how it runs, once that is settled.
    """

    choice: Choice

    def __init__(
        self, model: Any, tokenizer: Any, device: torch.device, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self.model = model
        self.device = device
        self.dtype = torch.float32
        self.tokenizer = tokenizer
        self._context = int(getattr(tokenizer, "context_length", None) or 77)
        # (x / 255 - mean) / std as one multiplication and one addition
        self.scale = (1.0 / (255.0 * torch.tensor(std))).view(1, 3, 1, 1).to(device)
        self.shift = (-torch.tensor(mean) / torch.tensor(std)).view(1, 3, 1, 1).to(device)

    def to(self, dtype: torch.dtype) -> None:
        """Convert the weights. Weights, not autocast: autocast falls into attention's slow path (5 images/s for 63)."""
        self.model.to(dtype=dtype)
        self.dtype = dtype

    @torch.inference_mode()
    def pixels(self, frames: Sequence[Pixels]) -> Vectors:
        """[n, d] float32 of unit length; a row that is not finite is the caller's to refuse."""
        batch = torch.from_numpy(np.stack(frames)).to(self.device).permute(0, 3, 1, 2).float()
        batch = batch.mul_(self.scale).add_(self.shift).to(self.dtype)
        return _unit(self.model.encode_image(batch, normalize=False))

    @torch.inference_mode()
    def words(self, texts: Sequence[str]) -> Vectors:
        """[n, d] float32 of unit length. Text beyond the model's context is cut."""
        tokens = self.tokenizer([tidy(text, self._context) for text in texts])
        return _unit(self.model.encode_text(tokens.to(self.device), normalize=False))


def _unit(features: torch.Tensor) -> Vectors:
    features = features.float()
    unit = features / features.norm(dim=-1, keepdim=True)  # a zero becomes NaN, which is refused, not stored
    vectors: Vectors = unit.cpu().numpy()
    return vectors
