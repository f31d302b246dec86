"""One sealed segment: a file that FAISS reads, with a row table after FAISS's data. Mapped read-only, never changed.

    0          81 bytes      the header that faiss.write_index puts before a float16 scalar quantizer
    81         2·d·n bytes   float16 vectors, row after row: FAISS scans them and numpy gathers them in this file once.
                             First those of the pictures, then those of their further frames
    …          d·n bytes     one byte a dimension, for the first pass of a wide scan
    …          columns       see columns.py
    …          JSON          where the columns are
    last 16    the JSON's length (8 bytes, little-endian), and MAGIC

Nothing here writes to a mapping: `add` on a mapped FAISS index aborts the process, `remove_ids` is a
segmentation fault.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexer.platforms.files import BINARY
from indexer.platforms.memory_map import give_back, map_for_reading, read_ahead
from indexer.vectors.columns import Bytes, Codes, Frames, Ints, Rows

MAGIC = b"AFTIMG\x00\x01"
SUFFIX = ".segment"
FOLDER_NAME = "segments"  # below the data folder; it has a folder for each guild and model
HEADER_BYTES = 81
CHECK_BYTES = 4 * 1024 * 1024  # one step of the background check: 0.6 ms of work before it looks at the clock again


@dataclass(frozen=True, slots=True)
class Record:
    """A segment's row in SQLite. `vectors` are those of pictures and of their further frames. `places` includes the
    primaries, one a picture.
    """

    id: int
    name: str
    vectors: int
    places: int
    byte_count: int
    table_crc: int
    vectors_crc: int


class Damaged(Exception):
    """The file does not match its `record`: it is missing, cut short, of another format, or has changed bytes."""

    def __init__(self, record: Record, message: str) -> None:
        super().__init__(message)
        self.record = record


def header(count: int, dimension: int) -> bytes:
    """FAISS's header of `count` float16 rows under inner product (index_write.cpp: IxSQ, then the quantizer)."""
    index = struct.pack("<4siqqqBi", b"IxSQ", dimension, count, 1 << 20, 1 << 20, 1, 0)
    quantizer = struct.pack("<iifQQQ", 4, 0, 0.0, dimension, 2 * dimension, 0)  # 4: QT_fp16
    return index + quantizer + struct.pack("<Q", count * 2 * dimension)


class SortedIds:
    """A codebook over an ascending column of ids: the code is the position."""

    def __init__(self, ids: Ints) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def codes(self, ids: Iterable[int]) -> Ints:
        own_ids, sorted_ids = self._ids, np.fromiter(ids, np.int64)
        sorted_ids.sort()
        positions = own_ids.searchsorted(sorted_ids)
        if len(positions) and positions[-1] == len(own_ids):
            inside = positions < len(own_ids)
            positions, sorted_ids = positions[inside], sorted_ids[inside]
        codes: Ints = positions[own_ids[positions] == sorted_ids]
        return codes

    def ids(self, codes: Ints) -> Ints:
        found: Ints = self._ids[codes]
        return found


class Segment:
    """A block in a mapped file. Opening it checks sizes, header and row table; `verify` checks the rest.

    It can be used as long as somebody refers to it, also after the file was unlinked (Windows keeps the file until
    then).
    """

    def __init__(self, path: Path, record: Record, dimension: int) -> None:
        """Raises Damaged."""
        self.record = record
        self.dimension = dimension
        self._map = _map(path, record)
        data = np.frombuffer(self._map, np.uint8)
        count = record.vectors
        length, magic = struct.unpack("<Q8s", data[-16:].tobytes())
        vectors_end = HEADER_BYTES + 2 * dimension * count
        self._table_start = aligned(vectors_end + dimension * count)
        meta_start = len(data) - 16 - length
        if magic != MAGIC or meta_start < self._table_start:
            raise Damaged(record, f"{path}: not a segment of this version")
        head = data[:HEADER_BYTES].tobytes()
        if head != header(count, dimension):
            raise Damaged(record, f"{path}: its header is not of {count} float16 vectors of {dimension} dimensions")
        if zlib.crc32(data[self._table_start :].data, zlib.crc32(head)) != record.table_crc:
            raise Damaged(record, f"{path}: the checksum of its row table is wrong")
        self._data = data
        self._meta: dict[str, Any] = json.loads(data[meta_start:-16].tobytes())
        self._bind(vectors_end)

    def _bind(self, vectors_end: int) -> None:
        total, dimension = self.record.vectors, self.dimension
        self.pictures: Ints = self._column("picture")
        count = len(self.pictures)
        vectors: Bytes = self._data[HEADER_BYTES:vectors_end].reshape(total, 2 * dimension)
        coded = self._data[vectors_end : vectors_end + dimension * total].reshape(total, dimension)
        self.vectors = vectors[:count]
        self.codes: Codes | None = self._codes(coded[:count])
        self.frames: Frames | None = None
        if total > count:
            owner = self._column("frame_owner")
            frame_codes = self._codes(coded[count:])
            self.frames = Frames(dimension, vectors[count:], frame_codes, self.pictures[owner], owner)
        places = Rows(*(self._column(name) for name in ("message", "place", "channel", "author", "flags")))
        self.primary = places.slice(0, count)
        self.extra = places.slice(count, len(places))
        self.owner: Ints = self._column("owner")
        self.channels = SortedIds(self._column("channel_ids"))
        self.authors = SortedIds(self._column("author_ids"))
        self.starts: Ints | None = self._column("starts")
        self._pictures_sorted, self._picture_order = self._column("pictures_sorted"), self._column("picture_order")
        self._places_sorted, self._place_order = self._column("places_sorted"), self._column("place_order")

    def _codes(self, coded: Bytes) -> Codes:
        meta = self._meta
        return Codes(coded, self._column("centre"), self._column("step"), meta["residual"], meta["reach"])

    def _column(self, name: str) -> Any:
        kind, offset, length = self._meta["columns"][name]
        return np.frombuffer(self._map, np.dtype(kind), length, offset)

    def vector_rows(self, pictures: Ints) -> Ints:
        return _find(self._pictures_sorted, self._picture_order, pictures)

    def place_rows(self, places: Ints) -> Ints:
        return _find(self._places_sorted, self._place_order, places)

    def extras_of(self, rows: Ints) -> tuple[Ints, Ints]:
        if not len(self.owner):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        keys = rows.astype(self.owner.dtype)
        first, last = np.searchsorted(self.owner, keys), np.searchsorted(self.owner, keys, "right")
        which = np.repeat(np.arange(len(rows)), last - first)
        offsets = np.arange(len(which)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
        return first[which] + offsets, which

    def prefetch(self) -> None:
        """Asks the kernel to read the file ahead: with a cold page cache, single page faults would take seconds.

        Codes come first: a wide scan needs all of them, and only a few of the vectors.
        """
        codes = (HEADER_BYTES + 2 * self.dimension * self.record.vectors) // mmap.PAGESIZE * mmap.PAGESIZE
        read_ahead(self._map, codes, len(self._data) - codes)
        if codes:
            read_ahead(self._map, 0, codes)

    def rest(self) -> None:
        """Gives the memory of what was read back to the system; the file stays mapped."""
        give_back(self._map)

    def verify(self, stopped: Callable[[], bool]) -> bool:
        """Whether vectors and codes are as they were written. Blocks without the GIL. True too where `stopped()` is."""
        crc = 0
        for start in range(HEADER_BYTES, self._table_start, CHECK_BYTES):
            if stopped():
                return True
            crc = zlib.crc32(self._data[start : min(start + CHECK_BYTES, self._table_start)].data, crc)
        return crc == self.record.vectors_crc


def _map(path: Path, record: Record) -> mmap.mmap:
    try:
        handle = os.open(path, os.O_RDONLY | BINARY)
        try:
            size = os.fstat(handle).st_size
            if size != record.byte_count or size < HEADER_BYTES + 16:
                raise Damaged(record, f"{path}: {size} bytes instead of {record.byte_count}")
            return map_for_reading(handle, size)
        finally:
            os.close(handle)
    except OSError as error:
        raise Damaged(record, f"{path}: {error.strerror}") from error


def aligned(offset: int) -> int:
    return (offset + 63) // 64 * 64


def _find(values: Ints, order: Ints, wanted: Ints) -> Ints:
    """For each of `wanted`: the entry of `order` at its position in `values` (ascending), or −1 where it is missing."""
    rows = np.full(len(wanted), -1, np.int64)
    if not len(values):
        return rows
    in_range = (wanted >= 0) & (wanted <= np.iinfo(values.dtype).max)
    keys = np.where(in_range, wanted, 0).astype(values.dtype)
    positions = values.searchsorted(keys)
    positions[positions == len(values)] = 0
    hit = in_range & (values[positions] == keys)
    rows[hit] = order[positions[hit]]
    return rows
