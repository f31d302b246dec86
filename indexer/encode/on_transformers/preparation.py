"""Frames → the tensor that BLIP and BLIP-2 were trained with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from indexer.records.pictures import Pixels


class Preparation:
    """On one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._scale = (1.0 / (255.0 * torch.tensor(OPENAI_CLIP_STD))).view(1, 3, 1, 1).to(device)
        shift = -torch.tensor(OPENAI_CLIP_MEAN) / torch.tensor(OPENAI_CLIP_STD)
        self._shift = shift.view(1, 3, 1, 1).to(device)

    def __call__(self, frames: Sequence[Pixels], dtype: torch.dtype) -> torch.Tensor:
        """[n, 3, size, size], normalized, of n frames [size, size, 3]."""
        batch = torch.from_numpy(np.stack(frames)).to(self._device).permute(0, 3, 1, 2).float()
        return batch.mul_(self._scale).add_(self._shift).to(dtype)


def all_of(tokens: torch.Tensor) -> torch.Tensor:
    """The mask that leaves out no token of [n, t, w]."""
    return torch.ones(tokens.shape[:-1], dtype=torch.long, device=tokens.device)
