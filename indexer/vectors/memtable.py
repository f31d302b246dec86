"""The memtable: the places that no segment holds yet, in memory. It grows in place. A snapshot of it is a block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.vectors.columns import Bools, Bytes, Codes, Frames, Ints, Part, Rows
from indexer.vectors.segment_writer import Listing, Long


class GrowingIds:
    """A codebook in order of first appearance. Codes are only appended, so an old snapshot can still use it."""

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
        """[n] the codes of `ids`. An unknown id gets a new code."""
        distinct, inverse = np.unique(ids, return_inverse=True)
        for number in distinct.tolist():
            if number not in self._codes:
                self._ids.append(number)
                self._codes[number] = len(self._ids) - 1
        codes: Ints = np.array([self._codes[number] for number in distinct.tolist()], np.int32)[inverse]
        return codes


class _Column:
    """An array that grows by doubling. A view that was returned earlier does not change."""

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
class FrameListing:
    """Further frames of pictures: `picture` ascending, and [n, 2·dimension] float16 bytes."""

    picture: Long
    vectors: Bytes

    def by_picture(self) -> dict[int, Bytes]:
        if not len(self.picture):
            return {}
        pictures, firsts = np.unique(self.picture, return_index=True)
        return dict(zip(pictures.tolist(), np.split(self.vectors, firsts[1:]), strict=True))


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The memtable as it was at one moment (see Block)."""

    dimension: int
    vectors: Bytes
    pictures: Ints
    primary: Rows
    extra: Rows
    owner: Ints
    channels: GrowingIds
    authors: GrowingIds
    row_of_picture: dict[int, int]
    frames: Frames | None = None
    codes: Codes | None = None
    starts: Ints | None = None

    def vector_rows(self, pictures: Ints) -> Ints:
        rows = np.array([self.row_of_picture.get(picture, -1) for picture in pictures.tolist()], np.int64)
        # The memtable has grown since: those have another row now, and the row of that time is looked for.
        for position in np.flatnonzero(rows >= len(self.pictures)):
            older_rows = np.flatnonzero(self.pictures == pictures[position])
            rows[position] = older_rows[-1] if len(older_rows) else -1
        return rows

    def place_rows(self, places: Ints) -> Ints:
        place_ids = np.concatenate([self.primary.place, self.extra.place])
        order = np.argsort(place_ids)
        positions = np.searchsorted(place_ids, places, sorter=order)
        positions[positions == len(place_ids)] = 0
        rows = order[positions] if len(place_ids) else np.full(len(places), -1, np.int64)
        if len(place_ids):
            rows[place_ids[rows] != places] = -1
        return rows

    def extras_of(self, rows: Ints) -> tuple[Ints, Ints]:
        if not len(self.owner):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        order = np.argsort(rows)
        positions = np.searchsorted(rows, self.owner, sorter=order)
        positions[positions == len(rows)] = 0
        nearest = order[positions]
        extra_rows = np.flatnonzero(rows[nearest] == self.owner)
        return extra_rows, nearest[extra_rows]


class Memtable:
    """Places that the log added since the last publication. One thread writes. Any thread may read snapshots.

    The vector and the frames of a row never change. A new vector for an old picture, and other frames, make a new row;
    the places of the old row were removed before.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._vectors = _Column(np.uint8, 2 * dimension)
        self._pictures = _Column(np.int64)
        self._primary, self._extra = _Places(), _Places()
        self._owner = _Column(np.int64)
        self._frame_vectors = _Column(np.uint8, 2 * dimension)
        self._frame_owner = _Column(np.int64)
        self._channels, self._authors = GrowingIds(), GrowingIds()
        self._row_of_picture: dict[int, int] = {}
        self._at: dict[int, tuple[bool, int]] = {}  # place id → (is extra, row)
        self._alive = _Column(np.bool_)
        self._extra_alive = _Column(np.bool_)

    def __len__(self) -> int:
        return len(self._at)

    @property
    def rows(self) -> int:
        """The number of vectors, deleted ones included: they decide how much memory the memtable needs."""
        return len(self._pictures.view()) + len(self._frame_owner.view())

    def remove(self, places: Iterable[int]) -> None:
        """Deletes places. Ids that it does not hold are ignored."""
        deleted_rows: tuple[list[int], list[int]] = ([], [])
        for place in places:
            if (location := self._at.pop(place, None)) is not None:
                deleted_rows[location[0]].append(location[1])
        for name, rows in zip(("_alive", "_extra_alive"), deleted_rows, strict=True):
            if rows:
                column = _Column(np.bool_)
                column.extend(getattr(self, name).view())
                column.view()[rows] = False
                setattr(self, name, column)

    def add(self, listing: Listing, vectors: Bytes, frames: FrameListing | None = None) -> None:
        """Adds places that it does not hold yet, with their `vectors`, [n, 2·dimension] float16 bytes.

        `frames` are all further frames of their pictures.
        """
        first: list[int] = []
        extra_owners: list[tuple[int, int]] = []
        count = len(self._pictures.view())
        further = {} if frames is None else frames.by_picture()
        for position, picture in enumerate(listing.picture.tolist()):
            row = self._row_of_picture.get(picture)
            if row is not None and (row >= count or self._same(row, vectors[position], further.get(picture))):
                extra_owners.append((position, row))
            else:
                self._row_of_picture[picture] = count + len(first)
                first.append(position)
        columns = (
            listing.message,
            listing.place,
            self._channels.add(listing.channel),
            self._authors.add(listing.author),
            listing.flags,
        )
        places = listing.place.tolist()
        start = len(self._owner.view())
        self._at.update((places[position], (False, count + number)) for number, position in enumerate(first))
        self._at.update((places[position], (True, start + number)) for number, (position, _) in enumerate(extra_owners))
        chosen = np.array(first, np.int64)
        for row, picture in enumerate(listing.picture[chosen].tolist() if further else (), start=count):
            if picture in further:
                self._frame_vectors.extend(further[picture])
                self._frame_owner.extend(np.full(len(further[picture]), row))
        self._vectors.extend(vectors if len(first) == len(places) else vectors[chosen])
        self._pictures.extend(listing.picture[chosen])
        self._primary.extend(*(column[chosen] for column in columns))
        self._alive.extend(np.ones(len(first), np.bool_))
        if extra_owners:
            extra_positions = np.array([position for position, _ in extra_owners], np.int64)
            self._owner.extend(np.array([row for _, row in extra_owners], np.int64))
            self._extra.extend(*(column[extra_positions] for column in columns))
            self._extra_alive.extend(np.ones(len(extra_positions), np.bool_))

    def _same(self, row: int, vector: Bytes, further: Bytes | None) -> bool:
        """Whether the row has this vector and these frames."""
        if not (self._vectors.view()[row] == vector).all():
            return False
        first, last = np.searchsorted(self._frame_owner.view(), (row, row + 1))
        held = self._frame_vectors.view()[first:last]
        return len(held) == 0 if further is None else np.array_equal(held, further)

    def part(self) -> Part:
        """A snapshot. Later changes of the memtable do not change it."""
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
            self._frames(),
        )
        return Part(block, _or_none(self._alive.view()), _or_none(self._extra_alive.view()))

    def _frames(self) -> Frames | None:
        owner = self._frame_owner.view()
        if not len(owner):
            return None
        return Frames(self._dimension, self._frame_vectors.view(), None, self._pictures.view()[owner], owner)


def _or_none(alive: Bools) -> Bools | None:
    return None if alive.all() else alive
