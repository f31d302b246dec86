"""Where one picture may lie over another: the best of many scales, all shifts, mirrored, turned by quarters. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.fft import fft2, ifft2  # numpy itself would import it late, when a worker can open no file any more

from indexer.geometry.greys import Field, Greys, at_most, edges, resized, smoothed
from indexer.geometry.similarity import Similarity

# The longer side of the candidate, in pixels, where all placements are tried.
SIDE = 56
# Fourier transforms of this size: the largest question (below) beside the candidate, without running into itself.
_SPAN = 96
# The question's longer side over the candidate's: 0.4 where it is a crop to 40 %, 1.45 where the candidate stands in
# it with a caption above and below. In steps of 9 %: the alignment finds what lies between.
_SCALES = tuple(0.40 * 1.09**step for step in range(16))
# Turned by a quarter or half, a copy is rarely cropped too.
_TURNED_SCALES = (0.93, 1.0, 1.07)
# The question is first made this small: most scales are far below it.
_FIRST_SIDE = 128
# With less than this much edge in the part that overlaps, there is nothing to place.
_LEAST_EDGES = 20.0


@dataclass(frozen=True, slots=True)
class Placement:
    """`score` is the share of the edges that agree (about 0 to 1). The question was turned counter-clockwise by
    `quarters` of a full turn, the candidate `mirrored`; `onto` maps the candidate's points to the question's.
    """

    score: float
    mirrored: bool
    quarters: int
    onto: Similarity


@dataclass(frozen=True, slots=True)
class _Shape:
    quarters: int
    width: int
    height: int
    full: float  # the question's own width over `width`
    energy: float


class Question:
    """What is computed once for all candidates."""

    def __init__(self, greys: Greys) -> None:
        shapes: list[_Shape] = []
        fields: list[Field] = []
        for quarters in range(4):
            whole = np.rot90(greys, quarters)
            small, _ = at_most(whole, _FIRST_SIDE)
            for scale in _TURNED_SCALES if quarters else _SCALES:
                factor = scale * SIDE / max(small.shape)
                height, width = (max(round(side * factor), 8) for side in small.shape)
                field = edges(smoothed(resized(small, width, height)))
                energy = float((np.abs(field) ** 2).sum())
                shapes.append(_Shape(quarters, width, height, whole.shape[1] / width, energy))
                fields.append(_padded(field))
        self._shapes = shapes
        self._waves: npt.NDArray[np.complex64] = np.conj(fft2(np.stack(fields)))

    def placements(self, candidate: Greys, count: int) -> list[Placement]:
        """The best `count`, best first, each of another scale, turn or mirroring."""
        small, _ = at_most(candidate, SIDE)
        reduced = small.shape[1] / candidate.shape[1]
        found = []
        for mirrored in (False, True):
            field = edges(smoothed(small[:, ::-1] if mirrored else small))
            energy = float((np.abs(field) ** 2).sum())
            shapes = [shape for shape in self._shapes if not (mirrored and shape.quarters)]
            agreeing = ifft2(self._waves[: len(shapes)] * fft2(_padded(field))).real
            flat = agreeing.reshape(len(shapes), -1)
            for shape, at, sum_ in zip(shapes, flat.argmax(axis=1).tolist(), flat.max(axis=1).tolist(), strict=True):
                down, across = (shift - _SPAN if shift > _SPAN // 2 + 8 else shift for shift in divmod(at, _SPAN))
                score = sum_ / max(min(shape.energy, energy), _LEAST_EDGES)
                onto = Similarity(complex(reduced * shape.full), -complex(across, down) * shape.full)
                found.append(Placement(score, mirrored, shape.quarters, onto))
        return sorted(found, key=lambda placement: -placement.score)[:count]


def _padded(field: Field) -> Field:
    padded = np.zeros((_SPAN, _SPAN), np.complex64)
    padded[: field.shape[0], : field.shape[1]] = field
    return padded
