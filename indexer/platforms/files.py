"""Files by their handle: bytes at an offset, bytes that survive a power cut, files that are deleted while in use."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

# Without this flag Windows translates line ends.
if sys.platform == "win32":
    BINARY = os.O_BINARY
else:
    BINARY = 0

_seeking = threading.Lock()  # a handle has one position for all threads


def read_at(handle: int, length: int, offset: int) -> bytes:
    """At most `length` bytes from `offset` on; fewer at the end of the file. Blocks. Raises OSError."""
    if sys.platform == "win32":
        return read_by_seeking(handle, length, offset)
    else:  # noqa: RET505 -- mypy follows a platform check only with its else
        return os.pread(handle, length, offset)


def write_at(handle: int, data: bytes, offset: int) -> int:
    """Writes at `offset`; returns how many bytes were written. Blocks. Raises OSError."""
    if sys.platform == "win32":
        return write_by_seeking(handle, data, offset)
    else:  # noqa: RET505 -- mypy follows a platform check only with its else
        return os.pwrite(handle, data, offset)


def read_by_seeking(handle: int, length: int, offset: int) -> bytes:
    """`read_at` for Windows, which has no pread."""
    with _seeking:
        os.lseek(handle, offset, os.SEEK_SET)
        return os.read(handle, length)


def write_by_seeking(handle: int, data: bytes, offset: int) -> int:
    """`write_at` for Windows, which has no pwrite."""
    with _seeking:
        os.lseek(handle, offset, os.SEEK_SET)
        return os.write(handle, data)


def sync_file(path: Path) -> None:
    """Returns when the file's bytes are on the disk. Blocks. Raises OSError."""
    handle = os.open(path, os.O_RDWR | BINARY)  # Windows cannot sync a read-only handle
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Returns when new and renamed files of `folder` are on the disk. Blocks. Raises OSError.

    Windows cannot open a folder. There, NTFS's own journal protects names, and a power cut may undo the newest rename.
    """
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def replace_file(path: Path, data: bytes) -> None:
    """Writes a small file in one step: whoever reads it meanwhile finds all of the old bytes or all of the new ones.

    Two processes may write the same file at once. A power cut may undo it. Blocks. Raises OSError; then nothing has
    changed.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def delete(path: Path) -> bool:
    """Deletes the file if it exists. False where Windows keeps it because a process has it open or mapped.

    Raises OSError for any other reason.
    """
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        if sys.platform == "win32":
            return False
        raise
    return True
