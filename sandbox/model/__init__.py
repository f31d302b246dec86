"""The demo CLIP: an open_clip model small enough to ship, trained on pictures that the project draws itself."""

from pathlib import Path
from typing import Final

NAME: Final = "afterimage-demo"
"""The model's name to open_clip, once CONFIG is registered with `open_clip.add_model_config`."""
CONFIG: Final = Path(__file__).with_name(f"{NAME}.json")
WEIGHTS: Final = Path(__file__).with_name("weights.safetensors")
"""float16 safetensors: the `pretrained` argument of open_clip's create functions."""
EXPORT: Final = Path(__file__).with_name("export")
"""The same model exported for OpenVINO: what `model.folder` names, so that the demo needs no torch."""
RESIZE_MODE: Final = "squash"
"""What to pass as `image_resize_mode`: the model learnt from whole pictures squashed to squares, not their middles.

open_clip takes preprocessing from a model's config only for tags and folders, so a path to weights needs it said.
"""
MATCHING: Final = Path(__file__).with_name("matching")
"""A second model, which `rerank.name` names: a folder as transformers reads it (train_matching.py)."""
