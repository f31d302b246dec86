"""How well two aligned pictures agree, block by block, and how they lie over each other. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.geometry.alignment import Levels, centres, sampled
from indexer.geometry.greys import Greys
from indexer.geometry.similarity import Similarity

BLOCK = 8  # pixels a side
# What compression and resizing leave of a difference, as a variance in squared grey levels.
_NOISE = 12.0
# A block whose correlation is below this shows something else.
_SAME_BLOCK = 0.6
# The border of either picture is left out, in parts of its longer side: a frame's line, or the corners that a turn by
# 5° fills with a colour.
_BORDER = 0.05
_LEAST_BLOCKS = 6
_LARGEST_GAIN = 10.0


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the blocks that both pictures show: how many, how many of these have something to see, the share of those that
    show something else, the correlation of all greys, and of the details within the blocks (−1 to 1).

    `question_out` and `candidate_out` say how far the middle of a side of one picture lies outside of the other, as a
    share of the other's size; 0 or less where it is inside.
    """

    blocks: int
    telling: int
    different: float
    greys: float
    details: float
    question_out: float
    candidate_out: float


def tells(greys: Greys) -> bool:
    """Whether any block has something to see."""
    blocks = _blocks(greys)
    return bool(len(blocks)) and bool(np.max(blocks.var(axis=1)) > 2 * _NOISE)


def agreement(candidate: Greys, question: Greys, onto: Similarity, side: float) -> Agreement | None:
    """None where too little of the pictures overlaps, or nothing can be seen there. Raises Apart."""
    level = Levels(candidate, question, onto, side)
    height, width = level.candidate.shape
    seen, inside = overlap(level)
    known = inside.reshape(height, width)
    if not known.any():
        return None
    rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    whole = _blocks(known[part]).all(axis=1)
    own, other = _blocks(level.candidate[part])[whole], _blocks(seen.reshape(height, width)[part])[whole]
    if len(own) < _LEAST_BLOCKS:
        return None
    gain = float(other.std()) / max(float(own.std()), 1e-3)
    if not 1 / _LARGEST_GAIN < gain < _LARGEST_GAIN:
        return None
    own, other = (own - own.mean()) * gain, other - other.mean()
    greys = _correlation(own, other)
    own, other = own - own.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    variances = (own**2).mean(axis=1), (other**2).mean(axis=1)
    alike = ((own * other).mean(axis=1) + _NOISE) / np.sqrt((variances[0] + _NOISE) * (variances[1] + _NOISE))
    telling = np.maximum(*variances) > 2 * _NOISE
    count = int(np.count_nonzero(telling))
    different = float((alike[telling] < _SAME_BLOCK).mean()) if count else 1.0
    outs = _outside(onto.inverse(), question, candidate), _outside(onto, candidate, question)
    return Agreement(len(own), count, different, greys, _correlation(own, other), *outs)


def overlap(level: Levels) -> tuple[Greys, npt.NDArray[np.bool_]]:
    """What the question shows at each pixel of the candidate, row by row, and which of these pixels lie in both."""
    points = centres(*level.candidate.shape)
    there = level.onto.factor * points + level.onto.shift
    seen, inside = sampled(level.question, there)
    inside &= _within(points, level.candidate) & _within(there, level.question)
    return seen, inside


def _blocks(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """[blocks, BLOCK · BLOCK] of [height, width]; what is left at the right and the bottom is dropped."""
    height, width = (side // BLOCK for side in values.shape)
    cut = values[: height * BLOCK, : width * BLOCK].reshape(height, BLOCK, width, BLOCK)
    return cut.swapaxes(1, 2).reshape(-1, BLOCK * BLOCK)


def _within(points: npt.NDArray[np.complex64], greys: Greys) -> npt.NDArray[np.bool_]:
    height, width = greys.shape
    border = _BORDER * max(height, width)
    across, down = points.real, points.imag
    inside: npt.NDArray[np.bool_] = (across >= border) & (across <= width - border)
    inside &= (down >= border) & (down <= height - border)
    return inside


def _correlation(own: Greys, other: Greys) -> float:
    return float((own * other).sum() / np.sqrt(float((own**2).sum()) * float((other**2).sum()) + 1e-6))


def _outside(onto: Similarity, inner: Greys, outer: Greys) -> float:
    """How far the middles of the sides of `inner`, mapped by `onto`, lie outside of `outer`, in parts of its size."""
    height, width = inner.shape
    farthest = -1.0
    for x, y in ((0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0)):
        point = onto.factor * complex(x * width, y * height) + onto.shift
        across, down = point.real / outer.shape[1], point.imag / outer.shape[0]
        farthest = max(farthest, -across, across - 1, -down, down - 1)
    return farthest
