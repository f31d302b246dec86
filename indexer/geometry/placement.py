"""Where one picture may lie over another: the best of many scales, all shifts, mirrored, turned by quarters. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.fft import irfft2, rfft2  # numpy itself would import it late, when a worker can open no file any more

from indexer.geometry.greys import Field, Greys, at_most, edges, resized, smoothed
from indexer.geometry.similarity import Similarity

# The longer side of the candidate, in pixels, where all placements are tried.
SIDE = 56
# The same where both show all of the other and nothing is moved: a turn by 5° moves little at this size.
_COARSE_SIDE = 28
# Fourier transforms of this size: the largest question (below) beside the candidate, without running into itself.
_SPAN = 96
# The question's longer side over the candidate's: 0.4 where it is a crop to 40 %, 1.45 where the candidate stands in
# it with a caption above and below. In steps of 9 %: the alignment finds what lies between.
SCALES = tuple(0.40 * 1.09**step for step in range(16))
# Those of a crop to 70 % of a side or less, of which the other picture is the whole.
CROP_SCALES = tuple(scale for scale in SCALES if scale < 0.72)
# Turned by a quarter or half, a copy is rarely cropped too.
TURNED_SCALES = (0.93, 1.0, 1.07)
# The question is first made this small: most scales are far below it.
_FIRST_SIDE = 128
# A placement on which fewer of the edges agree is not worth moving: of 56 crops and pictures with bars the right one
# has 0.74 or more, of pictures that were turned besides 0.4; of 42 pairs of others the best one has less in one of two.
_LEAST_SHARE = 0.4
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


def placements(
    question: Greys, candidate: Greys, scales: Sequence[float], turned_scales: Sequence[float], count: int
) -> list[Placement]:
    """The best `count`, best first, each of another scale, turn or mirroring; none where too few edges agree.

    The question is tried at `scales` as it is, and turned by quarters at `turned_scales`.
    """
    shapes, waves = _question(question, scales, turned_scales)
    small, _ = at_most(candidate, SIDE)
    reduced = small.shape[1] / candidate.shape[1]
    found = []
    for mirrored in (False, True):
        field = edges(smoothed(small[:, ::-1] if mirrored else small))
        energy = float((np.abs(field) ** 2).sum())
        tried = [shape for shape in shapes if not (mirrored and shape.quarters)]
        # Of two complex fields the agreement is that of their real parts and of their imaginary parts together: real
        # transforms, which cost half of complex ones.
        agreeing = irfft2((waves[: len(tried)] * rfft2(_parts(field))).sum(axis=1), s=(_SPAN, _SPAN))
        flat = agreeing.reshape(len(tried), -1)
        for shape, at, sum_ in zip(tried, flat.argmax(axis=1).tolist(), flat.max(axis=1).tolist(), strict=True):
            down, across = (shift - _SPAN if shift > _SPAN // 2 + 8 else shift for shift in divmod(at, _SPAN))
            if sum_ < _LEAST_SHARE * min(shape.energy, energy):
                continue
            score = sum_ / max(min(shape.energy, energy), _LEAST_EDGES)
            onto = Similarity(complex(reduced * shape.full), -complex(across, down) * shape.full)
            found.append(Placement(score, mirrored, shape.quarters, onto))
    return sorted(found, key=lambda placement: -placement.score)[:count]


def whole_edges(question: Greys, candidate: Greys) -> float:
    """The share of the edges that agree (about 0 to 1) where both show the same extent. Coarse: it takes 0.2 ms."""
    small, _ = at_most(candidate, _COARSE_SIDE)
    other = resized(at_most(question, 2 * _COARSE_SIDE)[0], small.shape[1], small.shape[0])
    fields = edges(smoothed(small)), edges(smoothed(other))
    energy = min(float((np.abs(field) ** 2).sum()) for field in fields)
    return float((fields[0] * fields[1].conj()).real.sum()) / max(energy, 1e-6)


def _question(
    greys: Greys, scales: Sequence[float], turned_scales: Sequence[float]
) -> tuple[list[_Shape], npt.NDArray[np.complex64]]:
    """The question's shapes, those that are not turned first, and the conjugate transforms of each one's edges."""
    shapes: list[_Shape] = []
    fields: list[npt.NDArray[np.float32]] = []
    for quarters in range(4):
        whole = np.rot90(greys, quarters)
        small, _ = at_most(whole, _FIRST_SIDE)
        for scale in turned_scales if quarters else scales:
            factor = scale * SIDE / max(small.shape)
            height, width = (max(round(side * factor), 8) for side in small.shape)
            field = edges(smoothed(resized(small, width, height)))
            energy = float((np.abs(field) ** 2).sum())
            shapes.append(_Shape(quarters, width, height, whole.shape[1] / width, energy))
            fields.append(_parts(field))
    return shapes, np.conj(rfft2(np.stack(fields)))


def _parts(field: Field) -> npt.NDArray[np.float32]:
    """[2, _SPAN, _SPAN]: the real and the imaginary part, with zeros around."""
    parts = np.zeros((2, _SPAN, _SPAN), np.float32)
    parts[0, : field.shape[0], : field.shape[1]] = field.real
    parts[1, : field.shape[0], : field.shape[1]] = field.imag
    return parts
