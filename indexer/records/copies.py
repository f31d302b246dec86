"""What was done to a picture before it was posted again, as comparing the pixels shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from indexer.records.ids import PictureId

# The version of the rule by which indexer/geometry tells copies. Raise it when other pairs are taken for copies: what
# was told of pairs by an earlier rule is then found out anew.
RULE = 2


@dataclass(frozen=True, slots=True)
class Copy:
    """Two pictures are one: how well they agree, and how they differ. Which of them was there first is not known.

    `correlation` is that of their details where they lie over each other, up to 1. `share` is the part of the larger
    one's area that the smaller one shows; 1: all of it. `turned` is in degrees, 0 to 180. `framed` and `captioned`: one
    of them stands inside the other, with bars around it, or with bars only above or below.
    """

    correlation: float
    share: float = 1.0
    mirrored: bool = False
    turned: int = 0
    framed: bool = False
    captioned: bool = False


Pair: TypeAlias = tuple[PictureId, PictureId]  # the smaller id first
# What comparing pairs of pictures gave: what was done to the copy, or None where they are two pictures. A pair that is
# not here was not compared.
Verdicts: TypeAlias = Mapping[Pair, Copy | None]


def pair_of(left: PictureId, right: PictureId) -> Pair:
    """The key of two pictures, whichever is named first."""
    return (left, right) if left < right else (right, left)
