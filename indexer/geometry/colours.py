"""Whether two pictures that lie over each other also have the same colours. Pure.

Greys do not tell everything: to them dots and stripes of one brightness are a plain ground. Of 1,000 drawn pictures
that were never posted 7 were taken for copies by their greys: one thing on two grounds of equal brightness.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from indexer.geometry.agreement import overlap
from indexer.geometry.alignment import LEAST_PIXELS, Apart, Levels
from indexer.geometry.greys import Greys, at_most
from indexer.geometry.similarity import Similarity
from indexer.records.pictures import Pixels

# What two shades of a colour differ by, besides their brightness (Cb and Cr of ITU-R BT.601).
_BLUE = np.array([-0.168736, -0.331264, 0.5], np.float32)
_RED = np.array([0.5, -0.418688, -0.081312], np.float32)
# Copies have 0.97 or more, whatever was done to them; six of the seven pictures above have 0.88 or less.
_LEAST_ALIKE = 0.93
# A picture whose shades spread less than this, in levels, has no colours to compare: it may be a grey or a sepia copy.
_COLOURLESS = 6.0
_SIDE = 64


def shades(pixels: Pixels, side: float) -> tuple[Greys, Greys]:
    """The two planes of colour of [height, width, 3] RGB, in levels around 0, `side` pixels at most."""
    values = pixels.astype(np.float32)
    blue, red = (at_most(np.ascontiguousarray(values @ weights), side)[0] for weights in (_BLUE, _RED))
    return blue, red


def colours_agree(planes: Sequence[tuple[Greys, Greys]], onto: Similarity) -> bool:
    """True where one of the pictures has no colours. Raises Apart.

    `planes`: for blue and for red, that of the candidate and that of the question; `onto`: candidate → question. The
    shades are taken as complex numbers, so that a filter that turns or fades all colours alike changes nothing.
    """
    (own_blue, blue), (own_red, red) = (_shown_by_both(own, other, onto) for own, other in planes)
    own, other = own_blue + 1j * own_red, blue + 1j * red
    if len(own) < LEAST_PIXELS:
        raise Apart
    own, other = own - own.mean(), other - other.mean()
    spreads = float(np.sqrt((np.abs(own) ** 2).mean())), float(np.sqrt((np.abs(other) ** 2).mean()))
    if min(spreads) < _COLOURLESS:
        return True
    alike = abs(complex((own.conj() * other).mean())) / (spreads[0] * spreads[1])
    return alike >= _LEAST_ALIKE


def _shown_by_both(own: Greys, other: Greys, onto: Similarity) -> tuple[Greys, Greys]:
    """The values of one plane where both pictures lie: the candidate's, and the question's at the same places."""
    level = Levels(own, other, onto, _SIDE)
    seen, inside = overlap(level)
    return level.candidate.ravel()[inside], seen[inside]
