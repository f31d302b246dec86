"""The tail: what no segment holds yet, in memory. Grows in place; a snapshot of it is a block like any other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.vectors.columns import Bools, Bytes, Codes, Ints, Part, Rows
from indexer.vectors.segment_writer import Listing


class GrowingIds:
    """A codebook in order of first appearance. Only ever appended to, so a snapshot may go on using it."""

    def __init__(self) -> None:
        self._codes: dict[int, int] = {}
        self._ids: list[int] = []

    def __len__(self) -> int:
        return len(self._ids)

    def codes(self, ids: Iterable[int]) -> Ints:
        known = self._codes
        return np.array(sorted(known[number] for number in ids if number in known), np.int64)

    def ids(self, codes: Ints) -> Ints:
        return np.array([self._ids[code] for code in codes.tolist()], np.int64)

    def add(self, ids: Ints) -> Ints:
        """[n] the codes of `ids`, new ones for those that are new."""
        distinct, inverse = np.unique(ids, return_inverse=True)
        for number in distinct.tolist():
            if number not in self._codes:
                self._ids.append(number)
                self._codes[number] = len(self._ids) - 1
        codes: Ints = np.array([self._codes[number] for number in distinct.tolist()], np.int32)[inverse]
        return codes


class _Column:
    """An array that grows by doubling; what was handed out stays as it is."""

    def __init__(self, kind: npt.DTypeLike, width: int | None = None) -> None:
        shape = (64,) if width is None else (64, width)
        self._array: npt.NDArray[Any] = np.empty(shape, kind)
        self._count = 0

    def extend(self, values: npt.NDArray[Any]) -> None:
        end = self._count + len(values)
        if end > len(self._array):
            grown = np.empty((max(end, 2 * len(self._array)), *self._array.shape[1:]), self._array.dtype)
            grown[: self._count] = self._array[: self._count]
            self._array = grown
        self._array[self._count : end] = values
        self._count = end

    def view(self) -> npt.NDArray[Any]:
        return self._array[: self._count]


class _Places:
    def __init__(self) -> None:
        self.columns = [_Column(kind) for kind in (np.int64, np.int64, np.int32, np.int32, np.int32)]

    def extend(self, *columns: npt.NDArray[Any]) -> None:
        for column, values in zip(self.columns, columns, strict=True):
            column.extend(values)

    def rows(self) -> Rows:
        return Rows(*(column.view() for column in self.columns))


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The tail as it was at one moment (see Block)."""

    dimension: int
    vectors: Bytes
    pictures: Ints
    primary: Rows
    extra: Rows
    owner: Ints
    channels: GrowingIds
    authors: GrowingIds
    row_of_picture: dict[int, int]
    codes: Codes | None = None
    starts: Ints | None = None

    def vector_rows(self, pictures: Ints) -> Ints:
        rows = np.array([self.row_of_picture.get(picture, -1) for picture in pictures.tolist()], np.int64)
        for at in np.flatnonzero(rows >= len(self.pictures)):  # the tail has grown since: which row was it then?
            held = np.flatnonzero(self.pictures == pictures[at])
            rows[at] = held[-1] if len(held) else -1
        return rows

    def place_rows(self, places: Ints) -> Ints:
        every = np.concatenate([self.primary.place, self.extra.place])
        order = np.argsort(every)
        at = np.searchsorted(every, places, sorter=order)
        at[at == len(every)] = 0
        rows = order[at] if len(every) else np.full(len(places), -1, np.int64)
        if len(every):
            rows[every[rows] != places] = -1
        return rows

    def extras_of(self, rows: Ints) -> tuple[Ints, Ints]:
        if not len(self.owner):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        order = np.argsort(rows)
        at = np.searchsorted(rows, self.owner, sorter=order)
        at[at == len(rows)] = 0
        which = order[at]
        held = np.flatnonzero(rows[which] == self.owner)
        return held, which[held]


class Memtable:
    """Places that the log added since the last publication. One writer; snapshots may be read from any thread.

    A picture's vector never changes under its row: a new vector for an old picture makes a new row, and the places of
    the old row have been removed by then.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._vectors = _Column(np.uint8, 2 * dimension)
        self._pictures = _Column(np.int64)
        self._primary, self._extra = _Places(), _Places()
        self._owner = _Column(np.int64)
        self._channels, self._authors = GrowingIds(), GrowingIds()
        self._row_of_picture: dict[int, int] = {}
        self._at: dict[int, tuple[bool, int]] = {}  # place id → (is extra, row)
        self._alive = _Column(np.bool_)
        self._extra_alive = _Column(np.bool_)

    def __len__(self) -> int:
        return len(self._at)

    @property
    def rows(self) -> int:
        """Vector rows held, dead ones too: what the tail costs in memory."""
        return len(self._pictures.view())

    def remove(self, places: Iterable[int]) -> None:
        """Deletes places; those it does not hold are passed over."""
        dead: tuple[list[int], list[int]] = ([], [])
        for place in places:
            if (held := self._at.pop(place, None)) is not None:
                dead[held[0]].append(held[1])
        for name, rows in zip(("_alive", "_extra_alive"), dead, strict=True):
            if rows:
                fresh = _Column(np.bool_)
                fresh.extend(getattr(self, name).view())
                fresh.view()[rows] = False
                setattr(self, name, fresh)

    def add(self, listing: Listing, vectors: Bytes) -> None:
        """Adds places that it does not hold, `vectors` [n, 2·dimension] float16 bytes beside them."""
        first: list[int] = []
        owned: list[tuple[int, int]] = []
        count = self.rows
        for at, picture in enumerate(listing.picture.tolist()):
            row = self._row_of_picture.get(picture)
            if row is not None and self._same(row, at, first, vectors):
                owned.append((at, row))
            else:
                self._row_of_picture[picture] = count + len(first)
                first.append(at)
        columns = (
            listing.message,
            listing.place,
            self._channels.add(listing.channel),
            self._authors.add(listing.author),
            listing.flags,
        )
        places = listing.place.tolist()
        start = len(self._owner.view())
        self._at.update((places[at], (False, count + number)) for number, at in enumerate(first))
        self._at.update((places[at], (True, start + number)) for number, (at, _) in enumerate(owned))
        chosen = np.array(first, np.int64)
        self._vectors.extend(vectors if len(first) == len(places) else vectors[chosen])
        self._pictures.extend(listing.picture[chosen])
        self._primary.extend(*(column[chosen] for column in columns))
        self._alive.extend(np.ones(len(first), np.bool_))
        if owned:
            more = np.array([at for at, _ in owned], np.int64)
            self._owner.extend(np.array([row for _, row in owned], np.int64))
            self._extra.extend(*(column[more] for column in columns))
            self._extra_alive.extend(np.ones(len(more), np.bool_))

    def _same(self, row: int, at: int, first: list[int], vectors: Bytes) -> bool:
        count = self.rows
        held = self._vectors.view()[row] if row < count else vectors[first[row - count]]
        return bool((held == vectors[at]).all())

    def part(self) -> Part:
        """A snapshot: later changes to the tail do not show in it."""
        block = _Snapshot(
            self._dimension,
            self._vectors.view(),
            self._pictures.view(),
            self._primary.rows(),
            self._extra.rows(),
            self._owner.view(),
            self._channels,
            self._authors,
            self._row_of_picture,
        )
        return Part(block, _or_none(self._alive.view()), _or_none(self._extra_alive.view()))


def _or_none(alive: Bools) -> Bools | None:
    return None if alive.all() else alive
