"""What was done to a picture before it was posted again, as comparing the pixels shows it."""

from __future__ import annotations

from dataclasses import dataclass


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
