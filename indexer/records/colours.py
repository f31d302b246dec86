"""The colours of a picture in 32 bytes, and which bytes are near a colour.

Colours are compared in OKLab (Björn Ottosson, 2020): equal distances there look about equally large to people, which
they do not in RGB. The space is cut into cells of 0.1 × 0.08 × 0.08; 180 of them hold colours that a screen can show. A
picture's colours are SAMPLES bytes, one for every 1/SAMPLES of its pixels, each the number of a cell. So a share of a
picture is a number of bytes, and `bytes.translate` counts them in 0.3 µs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Rgb = tuple[int, int, int]  # each 0–255, sRGB

SAMPLES: Final = 32
# A picture shows a colour where so many of its samples are near it: 3 of 32, about a tenth of its pixels.
SHOWN: Final = 3
# A cell whose centre is no further away than this counts as the colour. A step that people just notice is 0.02; between
# red and orange are 0.2.
NEAR: Final = 0.12

_CELL: Final = np.array([0.1, 0.08, 0.08])  # lightness, green–red, blue–yellow
_SIDES: Final = (11, 8, 8)  # cells in each direction; lightness from 0 on, the others from −4 × 0.08 on
_LOWEST: Final = np.array([0, -4, -4])
# Which of these cells hold a colour, one bit each. Their order is their number in the database, so they are written
# down here: rounding may differ from machine to machine.
_HELD: Final = int(
    "707000000000003878787860000C3C7C7C787860003C7C7C7C7C7000007E7E7E7E7E7000003C3E3F3F3C2"
    "00000003C3E3F3800000000383C3E3800000000003C3C3000000000000018000000000000000000000000",
    16,
)
_STEPS: Final = 32  # of each of red, green and blue in the table of `_cell_of_step`
_BETWEEN: Final = b"\xff"  # divides the colours of a filter; no cell has this number

# The matrices of OKLab, from linear sRGB.
_TO_CONES: Final = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB: Final = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour that is asked for: its name or #rrggbb, and the cells that count as it, ascending."""

    name: str
    cells: bytes

    def share(self, colours: bytes) -> float:
        """Which share of a picture with these samples has this colour, 0–1."""
        return _count(colours, self.cells) / SAMPLES


def wanted(colours: Iterable[Colour]) -> bytes:
    """The colours of a filter as `shows` takes them."""
    return _BETWEEN.join(colour.cells for colour in colours)


def shows(colours: bytes, wanted: bytes) -> bool:
    """Whether a picture with these samples shows all of the wanted colours. SQLite calls it for each picture."""
    return all(_count(colours, cells) >= SHOWN for cells in _parts(wanted))


def showing(colours: bytes, wanted: Iterable[Colour]) -> npt.NDArray[np.bool_]:
    """[n] which of n pictures show all of the wanted colours; `colours` are the samples of one after the other."""
    found = np.ones(len(colours) // SAMPLES, np.bool_)
    for colour in wanted:
        counted = bytes(number in colour.cells for number in range(256))
        matches = np.frombuffer(colours.translate(counted), np.uint8).reshape(-1, SAMPLES)
        found &= matches.sum(axis=1, dtype=np.uint8) >= SHOWN
    return found


def _count(colours: bytes, cells: bytes) -> int:
    return len(colours) - len(colours.translate(None, cells))


@lru_cache(maxsize=64)
def _parts(wanted: bytes) -> tuple[bytes, ...]:
    return tuple(wanted.split(_BETWEEN))


def oklab(rgb: npt.ArrayLike) -> Floats:
    """[…, 3] sRGB of 0–255 → lightness 0–1, green–red and blue–yellow."""
    coded = np.asarray(rgb, np.float64) / 255
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    lab: Floats = np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T
    return lab


def distance(first: Rgb, second: Rgb) -> float:
    """How different two colours look, 0 to 1: black and white."""
    return float(np.linalg.norm(oklab(first) - oklab(second)))


def samples(pixels: npt.NDArray[np.uint8]) -> bytes:
    """The SAMPLES samples of a picture, ascending. `pixels` is [n, 3] sRGB, n ≥ 1.

    Each cell gets the whole number below its share; what is left goes to those that lost most by that.
    """
    shares = np.bincount(_cell_of(pixels), minlength=len(_centres())) * (SAMPLES / len(pixels))
    counts = shares.astype(np.int64)
    left = SAMPLES - int(counts.sum())
    counts[np.argsort(counts - shares, kind="stable")[:left]] += 1
    return b"".join(bytes([cell]) * count for cell, count in enumerate(counts.tolist()) if count)


def are_samples(colours: bytes) -> bool:
    """Whether `samples` may have made it."""
    return len(colours) == SAMPLES and max(colours) < len(_centres())


def near(rgb: Rgb) -> bytes:
    """The cells that count as this colour: its own, and those whose centre is at most NEAR away."""
    close = np.linalg.norm(_centres() - oklab(rgb), axis=1) <= NEAR
    close[_cell_of(np.array([rgb], np.uint8))] = True
    return bytes(np.flatnonzero(close).tolist())


def nearest_of(colours: npt.ArrayLike) -> list[bytes]:
    """For each of these colours ([n, 3] sRGB) the cells that are nearer to it than to the others."""
    nearest = _distances(_centres(), oklab(colours)).argmin(axis=1)
    return [bytes(np.flatnonzero(nearest == at).tolist()) for at in range(len(np.asarray(colours)))]


def _distances(first: Floats, second: Floats) -> Floats:
    """[n, m] of [n, 3] and [m, 3]."""
    distances: Floats = np.linalg.norm(first[:, None, :] - second[None, :, :], axis=2)
    return distances


def _cell_of(pixels: npt.NDArray[np.uint8]) -> Numbers:
    """[n] the cell of each pixel."""
    steps = (pixels >> 3).astype(np.int64)
    cells: Numbers = _cell_of_step()[(steps[:, 0] * _STEPS + steps[:, 1]) * _STEPS + steps[:, 2]]
    return cells


@cache
def _lattice() -> Floats:
    """[704, 3] the centres of all cells, in OKLab, also of those that hold no colour."""
    steps = np.stack(np.unravel_index(np.arange(int(np.prod(_SIDES))), _SIDES), axis=1)
    lattice: Floats = (steps + _LOWEST) * _CELL
    return lattice


@cache
def _centres() -> Floats:
    """[180, 3] those of the cells that hold a colour, by their numbers."""
    return _lattice()[[bool(_HELD >> at & 1) for at in range(len(_lattice()))]]


@cache
def _cell_of_step() -> Numbers:
    """[_STEPS³] the cell of each colour, by the upper five bits of its parts: so a picture costs no cube root."""
    steps = np.arange(_STEPS) * 8 + 4
    lab = oklab(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3))
    at = np.clip(np.round(lab / _CELL).astype(np.int64) - _LOWEST, 0, np.array(_SIDES) - 1)
    # A cell that holds no colour has the number of the nearest one that does.
    numbers = _distances(_lattice(), _centres()).argmin(axis=1)
    cells: Numbers = numbers[(at[:, 0] * _SIDES[1] + at[:, 1]) * _SIDES[2] + at[:, 2]]
    return cells
