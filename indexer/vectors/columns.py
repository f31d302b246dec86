"""What one scan covers: unique vectors, and the places that show them, as numpy columns.

A *block* is a sealed segment or a snapshot of the memtable. Row i of `primary` is the place that owns vector i. Further
places of the same picture are in `extra`, and `owner` has the vector row of each. Further vectors of the same picture
are in `frames`. A *part* is a block together with the places that have been deleted from it since.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[Any]  # one of numpy's integer types; columns are as narrow as their values allow
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]

FLOAT16 = np.dtype("<f2")


class Codebook(Protocol):
    """Channel or author ids ↔ the small codes that columns hold."""

    def __len__(self) -> int: ...

    def codes(self, ids: Iterable[int]) -> Ints:
        """The codes of those of `ids` that occur in the block, ascending."""
        ...

    def ids(self, codes: Ints) -> Ints:
        """[n] int64, the ids of `codes`."""
        ...


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of equal length, one entry a place. `channel` and `author` hold codes."""

    message: Ints
    place: Ints
    channel: Ints
    author: Ints
    flags: Ints

    def __len__(self) -> int:
        return len(self.message)

    def slice(self, start: int, stop: int) -> Rows:
        return Rows(
            self.message[start:stop],
            self.place[start:stop],
            self.channel[start:stop],
            self.author[start:stop],
            self.flags[start:stop],
        )

    def take(self, at: Ints) -> Rows:
        return Rows(self.message[at], self.place[at], self.channel[at], self.author[at], self.flags[at])


@dataclass(frozen=True, slots=True)
class Codes:
    """One byte a dimension, for a first pass: v ≈ centre + step · (byte − 128).

    `residual` is the largest distance of a vector from its code. `reach` is the largest length of (byte − 128). These
    two bound the error of a score for any vectors (Cauchy–Schwarz).
    """

    bytes: Bytes  # [n, d]
    centre: Floats  # [d]
    step: Floats  # [d]
    residual: float
    reach: float


class VectorRows(Protocol):
    """Vectors of pictures, to be scanned."""

    @property
    def dimension(self) -> int: ...
    @property
    def vectors(self) -> Bytes:
        """[n, 2·dimension], float16 rows as bytes: the offset in a mapped file is odd, and bytes need no alignment."""
        ...

    @property
    def codes(self) -> Codes | None: ...
    @property
    def pictures(self) -> Ints:
        """[n] the picture of each vector."""
        ...


@dataclass(frozen=True, slots=True)
class Frames:
    """Further vectors of a block's pictures: other frames of animations. `owner` has the picture's row in the block,
    ascending.
    """

    dimension: int
    vectors: Bytes
    codes: Codes | None
    pictures: Ints
    owner: Ints

    def __len__(self) -> int:
        return len(self.owner)


class Block(VectorRows, Protocol):
    """Vectors and places. Never changes once made; safe to read from any thread."""

    @property
    def frames(self) -> Frames | None:
        """None where no picture of the block has further frames."""
        ...

    @property
    def primary(self) -> Rows: ...
    @property
    def extra(self) -> Rows: ...
    @property
    def owner(self) -> Ints: ...
    @property
    def channels(self) -> Codebook: ...
    @property
    def authors(self) -> Codebook: ...
    @property
    def starts(self) -> Ints | None:
        """[channels + 1] the first primary row of each channel. None where rows are not sorted so (by channel)."""
        ...

    def vector_rows(self, pictures: Ints) -> Ints:
        """[n] the vector row of each picture id, −1 where the block does not hold it."""
        ...

    def place_rows(self, places: Ints) -> Ints:
        """[n] the place row (extras follow the primaries) of each place id, −1 where the block does not hold it."""
        ...

    def extras_of(self, rows: Ints) -> tuple[Ints, Ints]:
        """The rows of `extra` that show one of the vectors `rows`, and each one's position in `rows`."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A block and which of its places still live (None: all of them)."""

    block: Block
    alive: Bools | None = None
    extra_alive: Bools | None = None

    def without(self, place_rows: Ints) -> Part:
        """The same part with these place rows deleted. Negative rows are ignored."""
        rows = place_rows[place_rows >= 0]
        if not len(rows):
            return self
        count = len(self.block.pictures)
        alive, extra_alive = self.alive, self.extra_alive
        if len(first := rows[rows < count]):
            alive = np.ones(count, np.bool_) if alive is None else alive.copy()
            alive[first] = False
        if len(more := rows[rows >= count]):
            extra_alive = np.ones(len(self.block.owner), np.bool_) if extra_alive is None else extra_alive.copy()
            extra_alive[more - count] = False
        return Part(self.block, alive, extra_alive)


def as_vectors(rows: Bytes) -> Floats:
    """[n, d] float32 of [n, 2·d] float16 bytes."""
    return np.ascontiguousarray(rows).view(FLOAT16).astype(np.float32)


def score(rows: Bytes, query: Floats) -> Floats:
    """[n] float32, the final score. Every path ranks by this function, so equal rows have scores with equal bits.

    `rows` is [n, 2·d] float16 bytes. Products and sums are float32. numpy adds them pairwise along each row, and the
    order is the same for any number of rows (in a matrix product it is not).
    """
    products = as_vectors(rows)
    products *= query
    result: Floats = np.add.reduce(products, axis=1)
    return result


def slack(dimension: int, length: float) -> float:
    """The largest error of a float32 dot product of unit rows with a query of this length, in any order of summing.

    Higham's bound: n·u·Σ|q·v| with u = 2⁻²⁴ and Σ|q·v| ≤ |q|. A margin allows for rows a little longer than 1.
    """
    return (dimension + 64) * 2.0**-24 * length * 1.01
