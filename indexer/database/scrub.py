"""Overwrites with zeros what deleted rows left inside the pages of the database file, a few pages at a time.

secure_delete zeroes the cells that SQLite frees. But when SQLite moves rows between pages, old copies of rows stay in
the gap of a b-tree page, between its cell pointers and its cells. SQLite never reads a gap. So its bytes may be
overwritten in the file while nobody else writes the page (see `Database.scrub`).

The layout of a page (https://www.sqlite.org/fileformat2.html#b_tree_pages), big-endian:

    0   flag: 2 and 5 interior, 10 and 13 leaf; on page 1 all of this comes after the file's header of 100 bytes
    3   number of cells (2 bytes)
    5   where the cells begin (2 bytes; 0: 65,536)
    8   leaf: cell pointers, 2 bytes each; interior: 4 more bytes, then the pointers

Every other page (overflow, free list) begins with a page number, so its first byte is 0 in a file of fewer than
MOST_PAGES pages. The file must not have pointer maps (auto_vacuum = NONE).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.platforms import files

MOST_PAGES = 1 << 25  # 137 GB of 4 KiB pages: above that a page number may begin with a 2
_HEADER = 100
_WAL_HEADER, _FRAME = 32, 24  # https://www.sqlite.org/fileformat2.html#walformat
_LEAF, _INTERIOR = (10, 13), (2, 5)


def find(handle: int, page_size: int, first: int, count: int) -> list[int]:
    """Which of the pages `first` … `first + count - 1` have a gap that is not all zeros. The first one is 1. Blocks."""
    data = files.read_at(handle, count * page_size, (first - 1) * page_size)
    pages = np.frombuffer(data, np.uint8, len(data) // page_size * page_size).reshape(-1, page_size)
    found: list[int] = []
    if first == 1 and len(pages):
        begin, end = _gaps(pages[:1, _HEADER:])
        if pages[0, _HEADER + begin[0] : end[0]].any():
            found.append(1)
        first, pages = 2, pages[1:]
    begin, end = _gaps(pages)
    columns = np.arange(page_size)
    dirty = ((columns >= begin[:, None]) & (columns < end[:, None]) & (pages != 0)).any(axis=1)
    return found + [first + int(at) for at in np.flatnonzero(dirty)]


def clean(handle: int, page_size: int, numbers: Iterable[int]) -> None:
    """Overwrites the gaps of these pages, as they are in the file now, with zeros. Blocks."""
    for number in numbers:
        offset = (number - 1) * page_size
        page = np.frombuffer(files.read_at(handle, page_size, offset), np.uint8)
        header = _HEADER if number == 1 else 0
        begin, end = (int(bound[0]) for bound in _gaps(page[None, header:]))
        if header + begin < end <= page_size:
            files.write_at(handle, bytes(end - header - begin), offset + header + begin)


def logged(wal: Path, page_size: int) -> set[int]:
    """The pages in the write-ahead log, also those that were moved into the file already. Blocks."""
    try:
        data = wal.read_bytes()
    except FileNotFoundError:
        return set()
    if len(data) < _WAL_HEADER:
        return set()
    frames = np.frombuffer(data, np.uint8)[_WAL_HEADER:]
    frames = frames[: len(frames) // (_FRAME + page_size) * (_FRAME + page_size)].reshape(-1, _FRAME + page_size)
    # Frames with other salts were written before the last restart of the log.
    ours = (frames[:, 8:16] == np.frombuffer(data[16:24], np.uint8)).all(axis=1)
    return set(np.ascontiguousarray(frames[ours, :4]).view(">u4").ravel().tolist())


def _gaps(pages: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[n, page] bytes, from the header of each page on → the start of its gap (counted from the header) and its end
    (counted from the start of the page). Both are 0 where the page is no b-tree page.
    """
    wide = pages[:, :8].astype(np.int64)
    leaf = np.isin(wide[:, 0], _LEAF)
    tree = leaf | np.isin(wide[:, 0], _INTERIOR)
    begin = np.where(leaf, 8, 12) + 2 * (wide[:, 3] << 8 | wide[:, 4])
    end = wide[:, 5] << 8 | wide[:, 6]
    end[end == 0] = 65_536
    return np.where(tree, begin, 0), np.where(tree, end, 0)
