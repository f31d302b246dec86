"""A 64-bit perceptual hash: alike pictures have hashes few bits apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# A picture is looked at as SIDE × SIDE greys; only its coarsest waves count, so recompression and resizing, which
# change fine waves, leave the hash alone.
SIDE = 32
_BITS = 64


def _cosines() -> npt.NDArray[np.float64]:
    """The DCT-II basis, [SIDE, SIDE]: row k is the k-th wave."""
    k = np.arange(SIDE)[:, None]
    x = np.arange(SIDE)[None, :]
    return np.cos(np.pi * k * (2 * x + 1) / (2 * SIDE))


_BASIS = _cosines()[:12]
# The 64 waves of lowest frequency after the constant one, which says only how bright the picture is.
_WAVES = sorted(((u, v) for u in range(12) for v in range(12) if u + v), key=lambda w: (w[0] ** 2 + w[1] ** 2, w))[
    :_BITS
]
_ROWS = np.array([u for u, _ in _WAVES])
_COLUMNS = np.array([v for _, v in _WAVES])


def perceptual_hash(greys: npt.NDArray[np.uint8]) -> int:
    """The hash of [SIDE, SIDE] greys as an unsigned 64-bit integer.

    Bit i says whether the i-th wave is stronger than the median wave: 32 bits are set unless the picture is flat,
    whose hash is 0.
    """
    waves = (_BASIS @ greys.astype(np.float64) @ _BASIS.T)[_ROWS, _COLUMNS]
    if np.abs(waves).max() < 1.0:  # less than a grey level over the whole picture: only rounding would decide
        return 0
    bits = waves > np.median(waves)
    packed: bytes = np.packbits(bits).tobytes()
    return int.from_bytes(packed, "big")


def distance(one: int, other: int) -> int:
    """How many of the 64 bits differ."""
    return (one ^ other).bit_count()
