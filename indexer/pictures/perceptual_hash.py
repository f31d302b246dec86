"""A 64-bit perceptual hash: alike pictures have hashes few bits apart."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# A picture is looked at as SIDE × SIDE greys. Only its coarse waves count: recompression and resizing change fine ones.
SIDE = 32
# Waves 1 to 8 across times 1 to 8 down (DCT-II). Leaving out those that run in one direction only, which a sky or a
# bar shares with every other sky and bar, tells unrelated pictures further apart: among 800 drawn scenes the nearest
# wrong neighbour is 12 bits away, 8 with the customary upper left corner (docs/adr/0005-decode-in-processes.md).
_K = np.arange(1, 9)[:, None]
_BASIS = np.cos(np.pi * _K * (2 * np.arange(SIDE)[None, :] + 1) / (2 * SIDE))


def perceptual_hash(greys: npt.NDArray[np.uint8]) -> int:
    """The hash of [SIDE, SIDE] greys as an unsigned 64-bit integer.

    Bit by bit: is this wave stronger than the median wave? So 32 bits are set, but for a flat picture, whose hash is 0.
    """
    waves = (_BASIS @ greys.astype(np.float64) @ _BASIS.T).ravel()
    if np.abs(waves).max() < 1.0:  # less than a grey level over the whole picture: only rounding would decide
        return 0
    median = np.sort(waves)[31:33].mean()  # np.median would import numpy.ma, which a locked-down worker cannot
    packed: bytes = np.packbits(waves > median).tobytes()
    return int.from_bytes(packed, "big")


def distance(one: int, other: int) -> int:
    """How many of the 64 bits differ."""
    return (one ^ other).bit_count()
