"""Files mapped into memory for reading."""

from __future__ import annotations

import mmap
import sys


def map_for_reading(handle: int, length: int) -> mmap.mmap:
    """The first `length` bytes of the open file. Raises OSError.

    Windows deletes no file that is mapped: see `indexer.platforms.files.delete`.
    """
    return mmap.mmap(handle, length, access=mmap.ACCESS_READ)


def read_ahead(mapped: mmap.mmap, offset: int, length: int) -> None:
    """Asks the system to read a part into memory. `offset` is a multiple of mmap.PAGESIZE. Does nothing on Windows."""
    if sys.platform != "win32":
        mapped.madvise(mmap.MADV_WILLNEED, offset, length)


def give_back(mapped: mmap.mmap) -> None:
    """Takes the mapped pages out of this process. Does nothing on Windows.

    The system keeps them in its cache as long as it has room for them, and maps them again when they are read. A search
    may read meanwhile. `mapped` must be a file's mapping for reading: what was written would be lost.
    """
    if sys.platform != "win32":
        mapped.madvise(mmap.MADV_DONTNEED)
