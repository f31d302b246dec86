"""What a file becomes: pixels of the shape that a model expects, and vectors.

A *picture* is content (its bytes, known by their SHA-256). It has as many places as it was posted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]  # [H, W, 3], RGB
Vectors = npt.NDArray[np.float32]  # [n, d] or [d], rows of unit length
Features = npt.NDArray[np.float16]  # [n, k] or [k]: what a second model made of pictures
Scores = npt.NDArray[np.float32]  # [n]

THUMBNAIL_SIDE = 256  # pixels of a thumbnail's longer side: Discord shows one with 85, the console with up to 256


class ResizeMode(StrEnum):
    """How a picture is fitted into the model's square input (open_clip's names)."""

    SHORTEST = "shortest"  # shortest side to size, centre crop
    SQUASH = "squash"  # both sides to size, aspect lost
    LONGEST = "longest"  # longest side to size, padded


@dataclass(frozen=True, slots=True)
class PixelSpec:
    """The square uint8 RGB input that a model expects, before normalisation."""

    size: int
    resize_mode: ResizeMode = ResizeMode.SHORTEST
    interpolation: str = "bicubic"  # or "bilinear"
    fill: int = 0  # padding value for LONGEST, 0–255


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Identifies a model. Only embeddings of equal specs may be compared.

    `fingerprint` differs between weights that share a name. It is a hash of config and weights' identity, in lower-case
    hex.
    """

    name: str
    pretrained: str
    dimension: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame of an animation: when it is shown (milliseconds from the start), and its perceptual hash (64 bits)."""

    at_ms: int
    perceptual_hash: int


@dataclass(frozen=True, slots=True)
class EmbeddedFrame:
    """A frame of an animation with its vector ([d] float32, unit length)."""

    moment: Moment
    vector: Vectors


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """What the decode workers return for a file's bytes.

    `frames` holds one representative frame as [size, size, 3] uint8. Where several of an animation are asked for, those
    that look different follow it, in order of time, and `moments` says of each when it is shown; else that is empty.
    `perceptual_hash` is 64 bits of the whole picture. `colours` are samples of it (indexer/records/colours.py), empty
    where nobody took them. `thumbnail` is the whole picture, upright, as [height, width, 3] with at most THUMBNAIL_SIDE
    pixels on its longer side; None where none was asked for.
    """

    sha256: bytes
    frames: tuple[Pixels, ...]
    width: int
    height: int
    format: str
    frame_count: int
    byte_count: int
    perceptual_hash: int
    colours: bytes = b""
    thumbnail: Pixels | None = None
    moments: tuple[Moment, ...] = ()

    @property
    def animated(self) -> bool:
        return self.frame_count > 1


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """What a file became on another machine: a picture without pixels, the vectors of its frames ([n, d], unit length),
    and its thumbnail as WebP, empty where none was asked for."""

    picture: DecodedPicture
    vectors: Vectors
    small_copy: bytes
