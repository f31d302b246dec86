"""int8: calibrated on pictures of the servers themselves, and used once it has passed on others of them.

Nothing of a picture is kept: a sample of frames stays in the memory of the model's process until it is full, and what
is written are the weights, with a scale for each layer's values.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from indexer.encode.on_openvino.folder import (
    Damaged,
    Manifest,
    described,
    read_manifest,
    verify_once,
    write_folder,
)
from indexer.encode.shared_frames import Frames
from indexer.records.pictures import Vectors

log = logging.getLogger(__name__)

SAMPLE: Final = 400
"""Frames, of which every fourth is held out: it is never calibrated on, and judged by."""
HELD_OUT: Final = 4
MEAN_COSINE: Final = 0.995
OVERLAP: Final = 0.9
NEIGHBOURS: Final = 10


@dataclass(frozen=True, slots=True)
class Measured:
    """int8 against float32 on the held-out frames: their cosine, and which share of the ten nearest frames of the whole
    sample is the same, where the others are in float32 or in int8 too, whichever is less."""

    mean: float
    least: float
    overlap: float

    @property
    def passed(self) -> bool:
        return self.mean >= MEAN_COSINE and self.overlap >= OVERLAP  # False for NaN too

    def __str__(self) -> str:
        return f"cosine mean {self.mean:.4f}, min {self.least:.4f}; {self.overlap:.0%} of the ten nearest the same"


class FrameSample:
    """The first frames that come, until there are enough. Thread-safe."""

    def __init__(self, count: int = SAMPLE) -> None:
        self._count = count
        self._frames: list[Frames] = []
        self._lock = threading.Lock()

    def take(self, frames: Frames) -> Frames | None:
        """Takes what fits. The whole sample, once, to whoever has filled it; None to everybody else."""
        with self._lock:
            if len(self._frames) >= self._count:
                return None
            self._frames += [frame.copy() for frame in frames[: self._count - len(self._frames)]]
            return np.stack(self._frames) if len(self._frames) >= self._count else None

    def drop(self) -> None:
        """Lets the frames go; none is taken any more."""
        with self._lock:
            self._count, self._frames = 0, []


def held_out(count: int) -> npt.NDArray[np.bool_]:
    """Which frames of a sample are not calibrated on."""
    which: npt.NDArray[np.bool_] = np.arange(count) % HELD_OUT == HELD_OUT - 1
    return which


def measured(exact: Vectors, reduced: Vectors) -> Measured:
    """Compares the vectors of the same frames in float32 and in int8."""
    out = held_out(len(exact))
    cosines = (exact[out] * reduced[out]).sum(axis=1)
    expected = _nearest(exact, exact, out)
    shares = []
    for others in (exact, reduced):
        found = _nearest(reduced, others, out)
        shares.append(np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(expected, found, strict=True)]))
    return Measured(float(cosines.mean()), float(cosines.min()), float(min(shares)))


def _nearest(vectors: Vectors, others: Vectors, which: npt.NDArray[np.bool_]) -> list[list[int]]:
    """The nearest of `others` to each of `which`, without itself."""
    scores = vectors @ others.T
    np.fill_diagonal(scores, -np.inf)
    return [np.argsort(-row, kind="stable")[:NEIGHBOURS].tolist() for row in scores[which]]


def int8_folder(folder: Path, records: Path) -> Path:
    """Where the int8 network of an export is kept."""
    return records / f"{folder.name}.int8"


def usable_int8(folder: Path, manifest: Manifest, records: Path | None) -> Path | None:
    """The folder with the int8 network that was made of this very export and has passed; None where there is none."""
    if records is None:
        return None
    reduced = int8_folder(folder, records)
    try:
        made = read_manifest(reduced)
        verify_once(reduced, made, records)
    except Damaged as error:
        if reduced.exists():
            log.warning("int8 is calibrated anew: %s", error)
        return None
    if made.source.get("export") != manifest.digest:
        return None
    log.info("int8 passed before (%s)", made.source.get("measured"))
    return reduced


def write_int8(folder: Path, manifest: Manifest, frames: Frames, target: Path) -> Measured:
    """Calibrates on the sample, measures, and makes `target` where it has passed. Minutes on two cores.

    Imports nncf. To be called within `alone_in`. Raises OSError.
    """
    import nncf
    import openvino as ov

    core = ov.Core()
    model = core.read_model(folder / "vision.xml")
    out = held_out(len(frames))
    reduced = nncf.quantize(
        model,
        nncf.Dataset([{"frames": frame[None]} for frame in frames[~out]]),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=int((~out).sum()),
        model_type=nncf.ModelType.TRANSFORMER,
    )
    found = measured(_vectors(core, core.read_model(folder / "vision.xml"), frames), _vectors(core, reduced, frames))
    if not found.passed:
        return found

    def fill(making: Path) -> Manifest:
        ov.save_model(reduced, making / "vision.xml", compress_to_fp16=True)
        source = manifest.source | {"export": manifest.digest, "measured": str(found)}
        return replace(manifest, source=source, weights="int8", files=described(making, ["vision.xml", "vision.bin"]))

    write_folder(target, fill)
    return found


def _vectors(core: Any, model: Any, frames: Frames) -> Vectors:
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    parts = [compiled({"frames": frames[at : at + 4]})[0] for at in range(0, len(frames), 4)]
    return np.concatenate(parts)
