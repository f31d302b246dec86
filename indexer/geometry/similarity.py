"""Turning, scaling and shifting in the plane. Pure."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Similarity:
    """z → factor · z + shift. A point is x + iy in pixels; (0, 0) is the upper left corner of a picture, not the centre
    of its first pixel, so that a point of a resized picture is the point times the scale.
    """

    factor: complex
    shift: complex

    @property
    def scale(self) -> float:
        return abs(self.factor)

    @property
    def degrees(self) -> float:
        """How far it turns clockwise, as a picture's y runs down: −180 to 180."""
        return math.degrees(cmath.phase(self.factor))

    def inverse(self) -> Similarity:
        """Raises ZeroDivisionError where everything falls on one point."""
        return Similarity(1 / self.factor, -self.shift / self.factor)

    def scaled(self, source: float, target: float) -> Similarity:
        """The same map between the two pictures resized by these factors."""
        return Similarity(self.factor * target / source, self.shift * target)
