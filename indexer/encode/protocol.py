"""What the bot and the model's process say to each other over pipes.

    message   length u32 · JSON header · raw bytes, as many as the header tells

To the process, {"ask": …}:
    open        model: the settings; settled: {device, precision} of an earlier start, or null; levels of the log. Once
    pictures    count: how many frames lie in the shared memory
    texts       texts

From the process, {"say": …}:
    log         logger, level, text: at any time
    open        the facts of the model; or unavailable, with the text for whoever runs the bot. Once
    vectors     rows, columns: rows × columns × 4 raw bytes follow, float32
    error       text: the model failed, and goes on

JSON and raw bytes, never a pickle.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexer.model import ModelSpec, PixelSpec, ResizeMode
from indexer.settings import ModelSettings

LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the bot must know of a model. `device` is cpu, cuda or mps; `precision` float32, bfloat16 or float16."""

    spec: ModelSpec
    pixel_spec: PixelSpec
    device: str
    precision: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Facts:
        """Raises KeyError, TypeError or ValueError for what is none."""
        pixels = told["pixel_spec"]
        return cls(
            ModelSpec(**told["spec"]),
            PixelSpec(**(pixels | {"resize_mode": ResizeMode(pixels["resize_mode"])})),
            str(told["device"]),
            str(told["precision"]),
        )


def message(header: dict[str, Any]) -> bytes:
    """A message without raw bytes. Half surrogate pairs pass: they are written as escapes."""
    written = json.dumps(header).encode()
    return LENGTH.pack(len(written)) + written


def settings_json(settings: ModelSettings) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(settings).items()}


def settings_of(told: dict[str, Any]) -> ModelSettings:
    paths = {key: Path(told[key]) for key in ("config_file", "cache_dir") if told[key] is not None}
    return ModelSettings(**(told | paths))
