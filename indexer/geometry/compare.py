"""Two pictures in; whether one is a copy of the other, and what was done to it, out. Pure, and deterministic.

Rough placements of one picture over the other are found by their edges (placement.py), the best of them are moved until
they fit (alignment.py). Then every block of the part that both show must agree (agreement.py), and so must their
colours, where both have any (colours.py). Two pictures of the same things fail there: something has moved. A change of
what is taken for a copy needs another RULE (indexer/records/copies.py). Blocks for 5 to 50 ms a pair on a slow core.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.geometry.agreement import Agreement, agreement, tells
from indexer.geometry.alignment import Apart, aligned
from indexer.geometry.colours import colours_agree, shades
from indexer.geometry.greys import Greys, at_most, greys_of
from indexer.geometry.placement import CROP_SCALES, SCALES, SIDE, TURNED_SCALES, Placement, placements, whole_edges
from indexer.geometry.similarity import Similarity
from indexer.geometry.surroundings import bars_around
from indexer.records.copies import Copy
from indexer.records.pictures import Pixels

# The longer side of the pictures, in pixels: a small copy's. More shows nothing more; below the second nothing is told.
LARGEST_SIDE = 256
_LEAST_SIDE = 32
# Two pictures whose widths to their heights differ by less may each show all of the other.
_SAME_SHAPE = 0.04
# The share of edges that agree where both show all of the other, without moving anything: of 15 pictures turned by 5°
# 0.61 or more, of 45 pairs of others 0.45 at most.
_WHOLE_EDGES = 0.3
# Placements that are tried, roughly and then finely, and the sizes and steps at which each is moved.
_PLACEMENTS, _FINE = 3, 2
_ROUGH_STEPS, _FINE_STEPS = 8, 6
_ROUGH_BLOCKS_SIDE, _FINE_SIDE = 80, 128
# Details times the share of blocks that agree: below it a placement is not worth the finer steps.
_WORTH_TRYING = 0.35
# What a copy must reach (docs/adr/0040-copies-by-their-pixels.md says what copies and other pictures do reach).
_LEAST_DETAILS, _MOST_DIFFERENT, _LEAST_GREYS = 0.90, 0.05, 0.93
# Where both show the same extent nothing is lost to the fit: a JPEG of quality 30 has 0.98. Two screenshots of one app
# with other words have 0.92: their lines lie on each other.
_LEAST_DETAILS_WHOLE = 0.96
# One of two copies lies inside the other, but for this share of its size. Where one thing on a plain ground has moved,
# all blocks agree, and each picture shows a strip that the other does not: 14 of 100 look-alikes pass without this
# rule, 1 or 2 with it.
_LARGEST_OUT = 0.015
# A turn by less than this, in degrees, is the rounding of the map.
_STRAIGHT = 1.0
# A crop to more than this share of the area is the rounding, too.
_WHOLE = 0.97


def shows_something(picture: Pixels) -> bool:
    """Whether a picture ([height, width, 3]) is neither too small nor too plain to be told from another."""
    greys = _small(picture)
    return min(greys.shape) >= _LEAST_SIDE and any(
        tells(at_most(greys, side)[0]) for side in (_ROUGH_BLOCKS_SIDE, _FINE_SIDE)
    )


def copy_of(left: Pixels, right: Pixels) -> Copy | None:
    """What makes the two one picture; None where they are not, or where too little can be seen to tell.

    Both are [height, width, 3]. Which of them comes first makes no difference.
    """
    # Placing the smaller one over the larger finds crops and bars; what it cannot find is a crop that was made larger.
    smaller, larger = sorted(
        (_Picture(left, _small(left)), _Picture(right, _small(right))),
        key=lambda picture: (
            picture.greys.size,
            picture.greys.shape,
            picture.greys.tobytes(),
            picture.pixels.tobytes(),
        ),
    )
    if min(*smaller.greys.shape, *larger.greys.shape) < _LEAST_SIDE:
        return None
    pair, turned_round = _Pair(smaller, larger), _Pair(larger, smaller)
    return (
        pair.first(pair.whole())
        or pair.first(pair.placed(SCALES, TURNED_SCALES))
        or turned_round.first(turned_round.placed(CROP_SCALES, ()))
    )


@dataclass(frozen=True, slots=True)
class _Picture:
    pixels: Pixels
    greys: Greys


@dataclass(frozen=True, slots=True)
class _Pair:
    """A picture (`question`), and one that it is laid over."""

    question: _Picture
    candidate: _Picture

    def whole(self) -> Iterator[Placement]:
        """Each shows all of the other, as it is or mirrored: most copies. Nothing needs to be searched."""
        question, candidate = self.question.greys, self.candidate.greys
        (height, width), (other_height, other_width) = candidate.shape, question.shape
        if abs(width * other_height / (height * other_width) - 1) > _SAME_SHAPE:
            return
        onto = Similarity(complex(other_width / width), 0j)
        if whole_edges(question, candidate) >= _WHOLE_EDGES:
            yield Placement(1.0, False, 0, onto)
            # Of 60 pictures turned by 5° the finer steps alone do not find 2: the turn is too far for them.
            yield from self._rough([Placement(1.0, False, 0, onto)])
        if whole_edges(question, candidate[:, ::-1]) >= _WHOLE_EDGES:
            yield from self._rough([Placement(1.0, True, 0, onto)])

    def placed(self, scales: Sequence[float], turned_scales: Sequence[float]) -> Iterator[Placement]:
        """The placements that a search at these scales finds, the best first."""
        rough = placements(self.question.greys, self.candidate.greys, scales, turned_scales, _PLACEMENTS)
        found = self._rough(rough)
        yield from sorted(found, key=lambda placement: -placement.score)[:_FINE]

    def first(self, placements: Iterable[Placement]) -> Copy | None:
        """What was done to the copy, by the first placement that shows that it is one."""
        for placement in placements:
            fit = self._fitted(placement, _FINE_SIDE, _FINE_STEPS, _FINE_SIDE)
            if fit is not None and _is_copy(*fit) and self._colours_agree(placement, fit[0]):
                return _described(placement, *fit, *self._sides(placement))
        return None

    def _rough(self, placements: Iterable[Placement]) -> list[Placement]:
        """Those that are worth the finer steps, moved; their score is how well they agree then."""
        moved = []
        for placement in placements:
            fit = self._fitted(placement, SIDE, _ROUGH_STEPS, _ROUGH_BLOCKS_SIDE)
            if fit is not None and (score := fit[1].details * (1 - fit[1].different)) >= _WORTH_TRYING:
                moved.append(Placement(score, placement.mirrored, placement.quarters, fit[0]))
        return moved

    def _fitted(
        self, placement: Placement, side: float, steps: int, blocks_side: float
    ) -> tuple[Similarity, Agreement] | None:
        own, other = self._sides(placement)
        try:
            better = aligned(own, other, placement.onto, side, steps)
            found = agreement(own, other, better, blocks_side)
        except Apart:
            return None
        return None if found is None else (better, found)

    def _colours_agree(self, placement: Placement, onto: Similarity) -> bool:
        own, other = (shades(picture.pixels, LARGEST_SIDE) for picture in (self.candidate, self.question))
        try:
            return colours_agree([_sides(placement, *plane) for plane in zip(own, other, strict=True)], onto)
        except Apart:
            return False

    def _sides(self, placement: Placement) -> tuple[Greys, Greys]:
        return _sides(placement, self.candidate.greys, self.question.greys)


def _sides(placement: Placement, candidate: Greys, question: Greys) -> tuple[Greys, Greys]:
    """The candidate and the question as the placement takes them: mirrored, turned by quarters."""
    return candidate[:, ::-1] if placement.mirrored else candidate, np.rot90(question, placement.quarters)


def _small(pixels: Pixels) -> Greys:
    return at_most(greys_of(pixels), LARGEST_SIDE)[0]


def _is_copy(onto: Similarity, found: Agreement) -> bool:
    whole = max(found.question_out, found.candidate_out) <= _LARGEST_OUT and abs(onto.degrees) < _STRAIGHT
    return (
        found.telling > 0
        and found.details >= (_LEAST_DETAILS_WHOLE if whole else _LEAST_DETAILS)
        and found.different <= _MOST_DIFFERENT
        and found.greys >= _LEAST_GREYS
        and min(found.question_out, found.candidate_out) <= _LARGEST_OUT
    )


def _described(placement: Placement, onto: Similarity, found: Agreement, candidate: Greys, question: Greys) -> Copy:
    candidate_inside = found.candidate_out <= found.question_out
    inner, outer = (candidate, question) if candidate_inside else (question, candidate)
    mapped = onto if candidate_inside else onto.inverse()
    bars = bars_around(inner, outer, mapped)
    share = min(inner.size * mapped.scale**2 / outer.size, 1.0)
    turned = abs(onto.degrees + 90 * placement.quarters) % 360
    turned = min(turned, 360 - turned)
    sideways = bool(bars & {"left", "right"})
    return Copy(
        correlation=round(min(found.details, 1.0), 4),
        share=1.0 if bars or share >= _WHOLE else round(share, 2),
        mirrored=placement.mirrored,
        turned=round(turned) if turned >= _STRAIGHT else 0,
        framed=sideways,
        captioned=bool(bars) and not sideways,
    )
