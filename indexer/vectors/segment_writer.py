"""Writes places into one segment file. The memory is bounded for any number of vectors."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from indexer.vectors.columns import Bytes, Ints, as_vectors
from indexer.vectors.segment import HEADER_BYTES, MAGIC, Record, aligned, header

CHUNK_ROWS = 4096  # rows handled at once: 8 MB of float32 at 512 dimensions

Long = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Listing:
    """Places to write into a segment, in any order, as int64 columns of equal length."""

    place: Long
    picture: Long
    channel: Long
    author: Long
    message: Long
    flags: Long

    def __len__(self) -> int:
        return len(self.place)

    def take(self, at: Any) -> Listing:
        return Listing(
            self.place[at], self.picture[at], self.channel[at], self.author[at], self.message[at], self.flags[at]
        )

    @staticmethod
    def joined(listings: list[Listing]) -> Listing:
        if not listings:
            return Listing(*(np.empty(0, np.int64) for _ in range(6)))
        return Listing(
            *(
                np.concatenate([getattr(listing, name) for listing in listings])
                for name in ("place", "picture", "channel", "author", "message", "flags")
            )
        )


_NOTHING: Final = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Arranged:
    """`primary`: each picture's newest place, by channel, then message. `extra`: the others, by `owner`. `frame`: ids
    of the pictures' further frames, by `frame_owner`. Owners are rows of `primary`.
    """

    primary: Listing
    extra: Listing
    owner: Long
    frame: Long = field(default_factory=_NOTHING.copy)
    frame_owner: Long = field(default_factory=_NOTHING.copy)

    def slice(self, start: int, stop: int) -> Arranged:
        """The pictures start ≤ row < stop with all their places and frames."""
        first, last = np.searchsorted(self.owner, (start, stop))
        first_frame, last_frame = np.searchsorted(self.frame_owner, (start, stop))
        return Arranged(
            self.primary.take(slice(start, stop)),
            self.extra.take(slice(first, last)),
            self.owner[first:last] - start,
            self.frame[first_frame:last_frame],
            self.frame_owner[first_frame:last_frame] - start,
        )

    def with_frames(self, frame: Long, picture: Long) -> Arranged:
        """The same with these further frames, each with its picture, in their order."""
        by_picture = np.argsort(self.primary.picture)
        owner = by_picture[np.searchsorted(self.primary.picture, picture, sorter=by_picture)]
        order = np.argsort(owner, kind="stable")
        return replace(self, frame=frame[order], frame_owner=owner[order])

    def pieces(self, most_vectors: int) -> Iterator[Arranged]:
        """The same in slices of at most so many vectors. A picture and its frames are never parted."""
        ends = np.cumsum(1 + np.bincount(self.frame_owner, minlength=len(self.primary)))
        start = written = 0
        while start < len(self.primary):
            stop = max(int(np.searchsorted(ends, written + most_vectors, "right")), start + 1)
            yield self.slice(start, stop)
            start, written = stop, int(ends[stop - 1])


def arrange(listing: Listing) -> Arranged:
    """The places in the order that they have in a segment."""
    order = np.lexsort((-listing.place, -listing.message, listing.picture))
    pictures = listing.picture[order]
    newest = np.ones(len(order), np.bool_)
    newest[1:] = pictures[1:] != pictures[:-1]
    primary = listing.take(order[newest])
    extra = listing.take(order[~newest])
    by_channel = np.lexsort((primary.place, primary.message, primary.channel))
    row = np.empty(len(by_channel), np.int64)
    row[by_channel] = np.arange(len(by_channel))
    owner = row[np.cumsum(newest)[~newest] - 1]
    by_owner = np.argsort(owner, kind="stable")
    return Arranged(primary.take(by_channel), extra.take(by_owner), owner[by_owner])


def write(
    path: Path,
    arranged: Arranged,
    dimension: int,
    vectors_of: Callable[[Long], Bytes],
    check: Callable[[], None],
    frames_of: Callable[[Long], Bytes] | None = None,
) -> Record:
    """Writes `path` and syncs it to the disk. The Record has id 0 and the path's stem as name.

    `vectors_of` gives the [n, 2·dimension] float16 bytes of picture ids, `frames_of` those of frame ids (None: there
    are none). Each is called for one chunk after the other, in row order. `check` is called between chunks. It may
    raise to stop the work; then the caller must remove the file.
    """
    count = len(arranged.primary) + len(arranged.frame)
    chunks = _chunks(arranged.primary.picture, vectors_of)
    if frames_of is not None:
        chunks = chain(chunks, _chunks(arranged.frame, frames_of))
    with path.open("w+b") as file:
        head = header(count, dimension)
        file.write(head)
        low, high, crc = _write_vectors(file, chunks, dimension, check)
        centre: npt.NDArray[np.float32] = (high + low) * np.float32(0.5)
        step: npt.NDArray[np.float32] = np.maximum((high - low) / np.float32(254), np.float32(1e-12))
        residual, reach, crc = _write_codes(file, count, dimension, centre, step, crc, check)
        end = HEADER_BYTES + 3 * dimension * count
        start = aligned(end)
        file.write(bytes(start - end))
        crc = zlib.crc32(bytes(start - end), crc)
        table = _table(arranged, centre, step, {"residual": residual, "reach": reach}, start)
        file.write(table)
        file.flush()
        os.fsync(file.fileno())
    return Record(
        0,
        path.stem,
        count,
        len(arranged.primary) + len(arranged.extra),
        start + len(table),
        zlib.crc32(table, zlib.crc32(head)),
        crc,
    )


def _chunks(ids: Long, vectors_of: Callable[[Long], Bytes]) -> Iterator[Bytes]:
    for start in range(0, len(ids), CHUNK_ROWS):
        yield np.ascontiguousarray(vectors_of(ids[start : start + CHUNK_ROWS]))


def _write_vectors(
    file: BinaryIO, chunks: Iterable[Bytes], dimension: int, check: Callable[[], None]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], int]:
    """Returns the smallest and the largest value of each dimension, and the checksum."""
    low, high = np.full(dimension, np.inf, np.float32), np.full(dimension, -np.inf, np.float32)
    crc = 0
    for rows in chunks:
        check()
        values = as_vectors(rows)
        low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
        data = rows.data
        crc = zlib.crc32(data, crc)
        file.write(data)
    return low, high, crc


def _write_codes(
    file: BinaryIO,
    count: int,
    dimension: int,
    centre: npt.NDArray[np.float32],
    step: npt.NDArray[np.float32],
    crc: int,
    check: Callable[[], None],
) -> tuple[float, float, int]:
    """Reads the vectors back and appends their codes. Returns the largest residual, the longest code, the checksum."""
    residual = reach = 0.0
    for start in range(0, count, CHUNK_ROWS):
        check()
        rows = min(CHUNK_ROWS, count - start)
        file.seek(HEADER_BYTES + start * 2 * dimension)
        raw = np.frombuffer(file.read(rows * 2 * dimension), np.uint8).reshape(rows, 2 * dimension)
        values = as_vectors(raw)
        steps = np.clip(np.rint((values - centre) / step), -127, 127).astype(np.float32)
        residual = max(residual, float(np.linalg.norm(values - centre - steps * step, axis=1).max()))
        reach = max(reach, float(np.linalg.norm(steps, axis=1).max()))
        data = (steps + 128).astype(np.uint8).data
        file.seek(HEADER_BYTES + count * 2 * dimension + start * dimension)
        crc = zlib.crc32(data, crc)
        file.write(data)
    return residual * 1.001, reach * 1.001, crc  # a margin for the float32 rounding of the two lengths


def _table(
    arranged: Arranged,
    centre: npt.NDArray[np.float32],
    step: npt.NDArray[np.float32],
    facts: dict[str, float],
    start: int,
) -> bytes:
    """Everything that follows the codes. `start` is its offset in the file."""
    primary, extra = arranged.primary, arranged.extra
    channel_ids, channel = _coded(primary.channel, extra.channel)
    author_ids, author = _coded(primary.author, extra.author)
    count = len(primary)
    place = np.concatenate([primary.place, extra.place])
    by_picture, by_place = np.argsort(primary.picture), np.argsort(place)
    columns: dict[str, Any] = {
        "message": np.concatenate([primary.message, extra.message]),
        "place": _narrow(place),
        "channel": _narrow(channel, np.uint16),
        "author": _narrow(author, np.uint16),
        "flags": _narrow(np.concatenate([primary.flags, extra.flags])),
        "picture": _narrow(primary.picture),
        "owner": _narrow(arranged.owner),
        "pictures_sorted": _narrow(primary.picture[by_picture]),
        "picture_order": _narrow(by_picture),
        "places_sorted": _narrow(place[by_place]),
        "place_order": _narrow(by_place),
        "channel_ids": channel_ids,
        "author_ids": author_ids,
        "starts": np.searchsorted(channel[:count], np.arange(len(channel_ids) + 1)).astype(np.int64),
        "centre": centre.astype(np.float32),
        "step": step.astype(np.float32),
    }
    if len(arranged.frame):
        columns["frame_owner"] = _narrow(arranged.frame_owner)
    body = bytearray()
    index: dict[str, tuple[str, int, int]] = {}
    for name, column in columns.items():
        body.extend(bytes(-len(body) % 64))
        index[name] = (column.dtype.str, start + len(body), len(column))
        body.extend(np.ascontiguousarray(column).tobytes())
    meta = json.dumps({"columns": index, **facts}).encode()
    body.extend(meta)
    body.extend(struct.pack("<Q8s", len(meta), MAGIC))
    return bytes(body)


def _coded(primary: Long, extra: Long) -> tuple[Long, Long]:
    """(ids ascending, the position of each value among them)."""
    ids, codes = np.unique(np.concatenate([primary, extra]), return_inverse=True)
    return ids, codes.astype(np.int64)


def _narrow(values: Ints, smallest: type[np.unsignedinteger[Any]] = np.uint32) -> Ints:
    """`values` (none negative) as `smallest`, or as the next wider type that holds them, up to int64."""
    top = int(values.max()) if len(values) else 0
    for kind in (np.uint16, np.uint32):
        if np.dtype(kind).itemsize >= np.dtype(smallest).itemsize and top <= np.iinfo(kind).max:
            return values.astype(kind)
    return values.astype(np.int64)
