"""One sealed segment: a file that FAISS reads, and behind its last byte the row table. Mapped read-only, never changed.

    0          81 bytes      the header that faiss.write_index puts before a float16 scalar quantizer
    81         2·d·n bytes   float16 vectors, row after row: FAISS scans them, numpy gathers them, they lie here once
    …          d·n bytes     one byte a dimension, for the first pass of a wide scan
    …          columns       see block.py
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
from indexer.platforms.memory_map import map_for_reading, read_ahead
from indexer.vectors.columns import Bytes, Codes, Ints, Rows

MAGIC = b"AFTIMG\x00\x01"
SUFFIX = ".segment"
HEADER_BYTES = 81
CHECK_BYTES = 4 * 1024 * 1024  # a step of the background check: 0.6 ms of work between two looks at the clock


@dataclass(frozen=True, slots=True)
class Record:
    """A segment's row in SQLite. `places` includes the `vectors` primaries."""

    id: int
    name: str
    vectors: int
    places: int
    byte_count: int
    table_crc: int
    vectors_crc: int


class Damaged(Exception):
    """The file is not what its `record` says: missing, cut, of another format, or with bits flipped."""

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
        known, wanted = self._ids, np.fromiter(ids, np.int64)
        wanted.sort()
        at = known.searchsorted(wanted)
        if len(at) and at[-1] == len(known):
            inside = at < len(known)
            at, wanted = at[inside], wanted[inside]
        found: Ints = at[known[at] == wanted]
        return found

    def ids(self, codes: Ints) -> Ints:
        found: Ints = self._ids[codes]
        return found


class Segment:
    """A block in a mapped file. Opening checks sizes, header and row table; `verify` the rest.

    Lives as long as someone refers to it, also when the file has been unlinked meanwhile (Windows
    keeps it until then).
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
        count, dimension = self.record.vectors, self.dimension
        self.vectors: Bytes = self._data[HEADER_BYTES:vectors_end].reshape(count, 2 * dimension)
        self.codes: Codes | None = Codes(
            self._data[vectors_end : vectors_end + dimension * count].reshape(count, dimension),
            self._column("centre"),
            self._column("step"),
            self._meta["residual"],
            self._meta["reach"],
        )
        self.pictures: Ints = self._column("picture")
        places = Rows(*(self._column(name) for name in ("message", "place", "channel", "author", "flags")))
        self.primary = places.slice(0, count)
        self.extra = places.slice(count, len(places))
        self.owner: Ints = self._column("owner")
        self.channels = SortedIds(self._column("channel_ids"))
        self.authors = SortedIds(self._column("author_ids"))
        self.starts: Ints | None = self._column("starts")
        self._pictures_sorted, self._picture_order = self._column("pictures_sorted"), self._column("picture_order")
        self._places_sorted, self._place_order = self._column("places_sorted"), self._column("place_order")

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
        """Asks the kernel to read the file ahead: faults one by one would take seconds with a cold page cache.

        The codes first: a wide scan needs all of them, and of the vectors only a few.
        """
        codes = (HEADER_BYTES + 2 * self.dimension * self.record.vectors) // mmap.PAGESIZE * mmap.PAGESIZE
        read_ahead(self._map, codes, len(self._data) - codes)
        if codes:
            read_ahead(self._map, 0, codes)

    def verify(self, stopped: Callable[[], bool]) -> bool:
        """Whether vectors and codes are as they were written. Blocks without the GIL; True when `stopped` says so."""
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
    """For each of `wanted` its entry of `order` where `values` (ascending) has it, else −1."""
    rows = np.full(len(wanted), -1, np.int64)
    if not len(values):
        return rows
    fits = (wanted >= 0) & (wanted <= np.iinfo(values.dtype).max)
    keys = np.where(fits, wanted, 0).astype(values.dtype)
    at = values.searchsorted(keys)
    at[at == len(values)] = 0
    hit = fits & (values[at] == keys)
    rows[hit] = order[at[hit]]
    return rows
