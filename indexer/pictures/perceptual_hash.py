"""A 64-bit perceptual hash: the hashes of similar pictures differ in few bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

# A picture becomes SIDE × SIDE greys. Only low frequencies count, because recompression and resizing change high ones.
SIDE = 32
# Waves 1 to 8 across times 1 to 8 down (DCT-II). Waves in only one direction are left out: all skies and all bars share
# them. So unrelated pictures differ more: among 800 drawn scenes the nearest wrong neighbour is 12 bits away, but 8
# with the usual upper left corner (docs/adr/0005-decode-in-processes.md).
_K = np.arange(1, 9)[:, None]
_BASIS = np.cos(np.pi * _K * (2 * np.arange(SIDE)[None, :] + 1) / (2 * SIDE))


def perceptual_hash(greys: npt.NDArray[np.uint8]) -> int:
    """The hash of [SIDE, SIDE] greys as an unsigned 64-bit integer.

    A bit is set if its wave is stronger than the median wave. So 32 bits are set; a flat picture has the hash 0.
    """
    waves = (_BASIS @ greys.astype(np.float64) @ _BASIS.T).ravel()
    if np.abs(waves).max() < 1.0:  # less than a grey level over the whole picture: only rounding errors differ
        return 0
    median = np.sort(waves)[31:33].mean()  # np.median would import numpy.ma, which a locked-down worker cannot
    packed: bytes = np.packbits(waves > median).tobytes()
    return int.from_bytes(packed, "big")


def distance(one: int, other: int) -> int:
    """How many of the 64 bits differ."""
    return (one ^ other).bit_count()
