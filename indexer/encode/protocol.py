"""What the bot and the model's process say to each other over pipes.

    message   length u32 · JSON header · raw bytes, as many as the header tells

To the process, {"ask": …}:
    open        model: the settings; settled: the Choice of an earlier start, or null; levels of the log. Once.
                cluster: the settings of the Ray cluster, for the process that reaches it, else null
    pictures    number, first, count: which frames of the shared memory; priority, as indexer.ports.Priority
    texts       number, texts, priority
    scores      number, words or null, rows, columns, bytes: rows × columns × 2 raw bytes follow, float16: features of
                pictures. Only of a model that reads pictures and words together
    captions    number, first, count: as pictures. Only of a model that describes them
    file        number, wanted, bytes: so many raw bytes follow, a file that is opened and embedded in the cluster.
                wanted: `thumbnail`, whether one is made; `decode`, the limits; `readers`, their version

From the process, {"say": …}:
    log         logger, level, text: at any time
    open        the facts of the model; or unavailable, with the text for whoever runs the bot. Once
    vectors     number, rows, columns: rows × columns × 4 raw bytes follow, float32; scores too, in one column
    captions    number, captions: a text and its confidence of each picture
    file        number, picture, rows, columns, small_copy: vectors follow as above, then so many bytes of a WebP
    rejected    number, reason, detail: the file cannot be read
    error       number, text, memory: the model failed, for want of memory or not, and goes on
    away        number, text: no encoder of the cluster took the request, which may be asked again
    choice      choice: it runs in another way from now on
    lost        text: the device is gone, and the process ends

Several requests may be under way at once; their answers come in any order, each with its request's number.
JSON and raw bytes, never a pickle.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexer.records.pictures import ModelSpec, PixelSpec, ResizeMode
from indexer.settings import ModelSettings, RaySettings

LENGTH = struct.Struct("<I")
PATHS = ("config_file", "cache_dir", "folder", "export_dir")  # of the settings


Caption = tuple[str, float]
"""A sentence, and how sure the model is of it (0–1)."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a model runs on this machine, as it was asked for or as a trial found best.

    `runtime` is openvino, torch or ray, `device` cpu, cuda or mps, `precision` float32, bfloat16 or float16. `streams`
    batches are worked on at once, by `threads` threads together (0: a GPU works on them). `pictures_per_s` is what a
    trial measured; 0: there was none. Of ray: device and precision of the encoders, and 0 streams while none is there.
    """

    runtime: str
    device: str
    precision: str
    streams: int = 1
    threads: int = 0
    pictures_per_s: float = 0.0

    def __str__(self) -> str:
        streams = f", {self.streams} stream{'s' if self.streams > 1 else ''}"
        threads = f", {self.threads} thread{'s' if self.threads > 1 else ''}" if self.threads else ""
        speed = f", {self.pictures_per_s:.1f} pictures/s" if self.pictures_per_s else ""
        return f"{self.runtime} on {self.device}, {self.precision}{streams}{threads}{speed}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the bot must know of a model."""

    spec: ModelSpec
    pixel_spec: PixelSpec
    choice: Choice

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Facts:
        """Raises KeyError, TypeError or ValueError for what is none."""
        spec, pixel_spec = specs_of(told)
        return cls(spec, pixel_spec, Choice(**told["choice"]))


def specs_of(told: dict[str, Any]) -> tuple[ModelSpec, PixelSpec]:
    """`spec` and `pixel_spec`, as `asdict` and JSON wrote them. Raises KeyError, TypeError or ValueError."""
    pixels = told["pixel_spec"]
    resize_mode = ResizeMode(pixels["resize_mode"])
    return ModelSpec(**told["spec"]), PixelSpec(**(pixels | {"resize_mode": resize_mode}))


def message(header: dict[str, Any]) -> bytes:
    """A message without raw bytes. Half surrogate pairs pass: they are written as escapes."""
    written = json.dumps(header).encode()
    return LENGTH.pack(len(written)) + written


def settings_json(settings: ModelSettings) -> dict[str, Any]:
    return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(settings).items()}


def cluster_json(cluster: RaySettings) -> dict[str, Any]:
    return asdict(cluster) | {"token_file": None if cluster.token_file is None else str(cluster.token_file)}


def cluster_of(told: dict[str, Any]) -> RaySettings:
    return RaySettings(**(told | {"token_file": None if told["token_file"] is None else Path(told["token_file"])}))


def settings_of(told: dict[str, Any]) -> ModelSettings:
    paths = {key: Path(told[key]) for key in PATHS if told[key] is not None}
    return ModelSettings(**(told | paths))
