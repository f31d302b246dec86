"""What both trainings share: the learning rate, and how weights are written."""

import math
from pathlib import Path
from typing import Final

from safetensors.torch import save_file
from torch import nn

SAVE_SECONDS: Final = 180
"""How often a run writes its weights."""
_WARM_UP: Final = 150  # steps


def rate_at(peak: float, step: int, done: float) -> float:
    """The learning rate: a short warm-up in steps, then half a cosine over the share `done` of the run."""
    return peak * min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * done))


def save(model: nn.Module, path: Path) -> None:
    """Write the weights as float16 safetensors. The file is either complete or not written."""
    draft = path.with_suffix(".part")
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, draft, metadata={"format": "pt"})  # transformers refuses a file that does not say it
    draft.replace(path)
