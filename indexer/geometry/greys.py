"""A picture's greys at several sizes, and its edges. Pure."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.records.pictures import Pixels

Greys: TypeAlias = npt.NDArray[np.float32]  # [height, width], 0–255
Field: TypeAlias = npt.NDArray[np.complex64]  # [height, width]

# An edge counts fully from about this many grey levels a pixel; below it, it counts as its strength.
_SOFT_EDGE = 3.0


def greys_of(pixels: Pixels) -> Greys:
    """The brightness of [height, width, 3] RGB (ITU-R BT.601)."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.ascontiguousarray(pixels.astype(np.float32) @ weights)


def resized(greys: Greys, width: int, height: int) -> Greys:
    """Averaged where it becomes smaller, so that nothing aliases."""
    smaller = width < greys.shape[1]
    image = Image.fromarray(np.ascontiguousarray(greys))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR))


def at_most(greys: Greys, side: float) -> tuple[Greys, float]:
    """The picture with at most `side` pixels on its longer side, and its size there over its own size."""
    height, width = greys.shape
    factor = side / max(height, width)
    if factor >= 1:
        return greys, 1.0
    small = max(round(width * factor), 8)
    return resized(greys, small, max(round(height * factor), 8)), small / width


def smoothed(greys: Greys) -> Greys:
    """Weights 1, 2, 1 in both directions: takes away what resizing and compression change."""
    edged: Greys = np.empty((greys.shape[0] + 2, greys.shape[1] + 2), np.float32)  # np.pad takes ten times as long
    edged[1:-1, 1:-1] = greys
    edged[0, 1:-1], edged[-1, 1:-1] = greys[0], greys[-1]
    edged[:, 0], edged[:, -1] = edged[:, 1], edged[:, -2]
    down = (edged[:-2] + 2 * edged[1:-1] + edged[2:]) / 4
    return ((down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]) / 4).astype(np.float32)


def slopes(greys: Greys) -> tuple[Greys, Greys]:
    """How the greys rise across and down, in levels a pixel; 0 at the border."""
    across, down = np.zeros_like(greys), np.zeros_like(greys)
    across[:, 1:-1] = (greys[:, 2:] - greys[:, :-2]) / 2
    down[1:-1] = (greys[2:] - greys[:-2]) / 2
    return across, down


def edges(greys: Greys) -> Field:
    """At each pixel the direction of its edge as a complex number; its length is below 1, and near 0 where it is flat.

    The product of one such field and the conjugate of another is large where edges lie on edges that run the same way,
    whatever the contrast (orientation correlation: Fitch, Kadyrov, Christmas and Kittler, BMVC 2002).
    """
    across, down = slopes(greys)
    rising = across + 1j * down
    return (rising / (np.abs(rising) + _SOFT_EDGE)).astype(np.complex64)
