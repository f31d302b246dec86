"""What a file says of how and where it was taken. Kept of folders on this machine, never of Discord's pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

EARTH_KM = 6_371.0  # mean radius


@dataclass(frozen=True, slots=True)
class Position:
    """A place on the Earth. Latitude −90…90, longitude −180…180, degrees."""

    latitude: float
    longitude: float

    @property
    def vector(self) -> tuple[float, float, float]:
        """The point on a sphere of radius 1: distances need no case for the poles and for longitude 180."""
        north, east = math.radians(self.latitude), math.radians(self.longitude)
        return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


@dataclass(frozen=True, slots=True)
class Exif:
    """Of one file. `taken_ms`: when (Unix milliseconds). Empty or None where the file does not say it.

    `orientation` is Exif's own number, 1 (upright) to 8.
    """

    taken_ms: int | None = None
    camera: str = ""
    lens: str = ""
    position: Position | None = None
    orientation: int = 1

    @property
    def searchable(self) -> bool:
        return bool(self.camera or self.lens or self.position)


@dataclass(frozen=True, slots=True)
class Near:
    """At most `km` from this position."""

    position: Position
    km: float

    @property
    def chord(self) -> float:
        """The same distance as the crow digs: straight through a sphere of radius 1."""
        return 2 * math.sin(min(self.km / (2 * EARTH_KM), math.pi / 2))


@dataclass(frozen=True, slots=True)
class ExifFilter:
    """What files must say: a part of the camera's name, a part of the lens's, a place. Any of several of one kind."""

    cameras: tuple[str, ...] = ()
    lenses: tuple[str, ...] = ()
    near: tuple[Near, ...] = ()
