"""A rough placement → the one that fits best, to a fraction of a pixel. Pure.

Inverse compositional Gauss–Newton (Baker and Matthews, IJCV 2004) over a similarity, with the brightness fitted beside
it, and with robust weights: what covers a part of the picture does not pull the rest away.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.linalg import solve

from indexer.geometry.greys import Greys, at_most, slopes, smoothed
from indexer.geometry.similarity import Similarity

# Fewer common pixels than this say nothing.
LEAST_PIXELS = 200
# A pixel counts half when it is off by this share of the picture's contrast, and by LEAST_OFF levels besides.
_OFF, _LEAST_OFF = 0.3, 2.0
# The pictures' sizes to each other, beyond which no copy is looked for.
_LEAST_SCALE, _LARGEST_SCALE = 0.15, 8.0
_LARGEST_GAIN = 4.0
_ENOUGH = 0.01  # pixels by which a step moves the picture's corners


class Apart(Exception):
    """The pictures do not fit on each other there."""


class Levels:
    """A candidate and a question at sizes where a pixel shows the same extent of both. `onto`: candidate → question."""

    def __init__(self, candidate: Greys, question: Greys, onto: Similarity, side: float) -> None:
        """The candidate with at most `side` pixels, less where the question is coarser. Raises Apart."""
        if not _LEAST_SCALE < onto.scale < _LARGEST_SCALE:
            raise Apart
        small, own = at_most(candidate, min(side, max(candidate.shape) * onto.scale))
        other, its = at_most(question, max(question.shape) * own / onto.scale)
        self.candidate, self.question = smoothed(small), smoothed(other)
        self._factors = (own, its)
        self.onto = onto.scaled(own, its)

    def whole(self, onto: Similarity) -> Similarity:
        """A map between the two as they are here → between the pictures themselves."""
        own, its = self._factors
        return onto.scaled(1 / own, 1 / its)


def aligned(candidate: Greys, question: Greys, onto: Similarity, side: float, steps: int) -> Similarity:
    """A better map, found with the candidate's longer side at `side` pixels in at most `steps` steps. Raises Apart."""
    level = Levels(candidate, question, onto, side)
    onto = level.onto
    height, width = level.candidate.shape
    points, greys = centres(height, width), level.candidate.ravel()
    middle = complex(width / 2, height / 2)
    arm = points - middle
    across, down = (slope.ravel() for slope in slopes(level.candidate))
    moving = np.stack([across * arm.real + down * arm.imag, down * arm.real - across * arm.imag, across, down], axis=1)
    gain, bias = 1.0, 0.0
    for step in range(steps):
        seen, inside = sampled(level.question, onto.factor * points + onto.shift)
        if np.count_nonzero(inside) < LEAST_PIXELS:
            raise Apart
        own, other = greys[inside], seen[inside]
        if step == 0:
            gain = float(np.clip(other.std() / max(own.std(), 1e-3), 1 / _LARGEST_GAIN, _LARGEST_GAIN))
            bias = float(other.mean() - gain * own.mean())
        off = other - gain * own - bias
        allowed = _OFF * float(other.std()) + _LEAST_OFF
        weights = 1 / (1 + (off / allowed) ** 2)
        columns = np.concatenate([gain * moving[inside], own[:, None], np.ones((len(own), 1), np.float32)], axis=1)
        weighed = columns * weights[:, None]
        normal = (weighed.T @ columns).astype(np.float64)
        normal[np.diag_indices(6)] *= 1.0001  # where the picture has edges in one direction only
        normal[np.diag_indices(6)] += 1e-3
        change = solve(normal, (weighed.T @ off).astype(np.float64))
        turn, shift = complex(change[0], change[1]), complex(change[2], change[3])
        if abs(1 + turn) < _LEAST_SCALE:
            raise Apart
        factor = onto.factor / (1 + turn)
        onto = Similarity(factor, onto.factor * middle - factor * (middle + shift) + onto.shift)
        gain, bias = float(np.clip(gain + change[4], 1 / _LARGEST_GAIN, _LARGEST_GAIN)), bias + float(change[5])
        if abs(turn) * abs(middle) + abs(shift) < _ENOUGH:
            break
    return level.whole(onto)


def centres(height: int, width: int) -> npt.NDArray[np.complex64]:
    """[height · width]: the centre of each pixel, row by row."""
    across, down = np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5
    return (across[None, :] + 1j * down[:, None]).ravel().astype(np.complex64)


def sampled(greys: Greys, points: npt.NDArray[np.complex64]) -> tuple[Greys, npt.NDArray[np.bool_]]:
    """The greys at these points, interpolated, and which of the points lie inside the picture."""
    height, width = greys.shape
    across, down = points.real - np.float32(0.5), points.imag - np.float32(0.5)
    inside = (across >= 0) & (down >= 0) & (across < width - 1) & (down < height - 1)
    left = np.clip(np.floor(across), 0, width - 2).astype(np.int32)
    top = np.clip(np.floor(down), 0, height - 2).astype(np.int32)
    right_share, low_share = across - left, down - top
    at, flat = top * width + left, greys.ravel()
    above = flat[at] * (1 - right_share) + flat[at + 1] * right_share
    below = flat[at + width] * (1 - right_share) + flat[at + width + 1] * right_share
    return (above * (1 - low_share) + below * low_share).astype(np.float32), inside
