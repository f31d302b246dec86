"""What lies around the part that two pictures share: bars that somebody added, or more of the picture. Pure."""

from __future__ import annotations

import numpy as np

from indexer.geometry.greys import Greys
from indexer.geometry.similarity import Similarity

# A strip that is thinner than this part of the side is the rounding of a crop.
_THIN = 0.02
# A bar has few greys: these many, each 16 levels wide, make up this part of it. Text and buttons are the rest.
_GREYS, _WIDTH, _PART = 3, 16, 0.75
# Where a bar meets the picture the greys jump by more than this, along this part of the border.
_JUMP, _ALONG = 10.0, 0.3


def bars_around(inner: Greys, outer: Greys, onto: Similarity) -> frozenset[str]:
    """The sides ("left", "right", "above", "below") of `outer` on which `inner` has bars beside it.

    `onto` maps the points of `inner` to those of `outer`. Empty where one side shows more of the picture itself.
    """
    height, width = inner.shape
    corners = [onto.factor * complex(x, y) + onto.shift for x in (0, width) for y in (0, height)]
    left, right = min(corner.real for corner in corners), max(corner.real for corner in corners)
    top, bottom = min(corner.imag for corner in corners), max(corner.imag for corner in corners)
    rows = slice(max(round(top), 0), max(round(bottom), 1))
    columns = slice(max(round(left), 0), max(round(right), 1))
    # Each side as if it were the upper one: the picture with that side on top, and how many rows lie above the border.
    sides = {
        "above": (outer[:, columns], top),
        "below": (outer[::-1, columns], outer.shape[0] - bottom),
        "left": (outer[rows].T, left),
        "right": (outer[rows, ::-1].T, outer.shape[1] - right),
    }
    bars = set()
    for side, (turned, border) in sides.items():
        if border < max(_THIN * len(turned), 2):
            continue
        if not _is_bar(turned, round(border)):
            return frozenset()
        bars.add(side)
    return frozenset(bars)


def _is_bar(greys: Greys, border: int) -> bool:
    """Whether the rows above `border` are of few greys, and the picture begins there."""
    strip = greys[: max(border - 1, 1)]
    counts = np.sort(np.bincount((strip.ravel() / _WIDTH).astype(np.int64), minlength=16))
    inside = greys[min(border + 2, len(greys) - 1)]
    jumps = np.abs(inside - greys[max(border - 3, 0)]) > _JUMP
    return bool(counts[-_GREYS:].sum() >= _PART * strip.size and jumps.mean() >= _ALONG)
