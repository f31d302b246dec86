"""Every picture file below a folder, one after the other: what is in memory is the names of one folder at a time."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from indexer.picture_links import PICTURE_SUFFIXES, RAW_SUFFIXES

_SUFFIXES: Final = tuple(suffix.encode() for suffix in sorted(PICTURE_SUFFIXES | RAW_SUFFIXES))
_HIDDEN: Final = (b".", b"@")  # of a name's first character: hidden files, and the previews that network disks make
_SEPARATOR: Final = os.fsencode(os.sep)
_NOT_ALLOWED: Final = (errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A picture file, by its names as the disk has them. `folder` is below the root, empty for the root itself."""

    folder: bytes
    name: bytes
    byte_count: int
    changed_ns: int

    @property
    def mark(self) -> int:
        """64 bits that tell this file, at this size and time of change, from every other one of the collection."""
        told = b"\0".join((self.folder, self.name, b"%d" % self.byte_count, b"%d" % self.changed_ns))
        return int.from_bytes(hashlib.sha256(told).digest()[:8], "big")


Unreadable = Callable[[bytes, OSError], None]  # a path below the root, and why


def walk(root: bytes, unreadable: Unreadable) -> Iterator[FoundFile]:
    """Folder by folder, names in order; symbolic links are not followed, so there are no loops. Hidden ones are left
    out. `unreadable` is told of what cannot be listed or looked at.
    """
    folders = [b""]
    while folders:
        folder = folders.pop()
        path = below(root, folder)
        try:
            with os.scandir(path) as entries:
                names = sorted(entry.name for entry in entries if not entry.name.startswith(_HIDDEN))
        except OSError as error:
            unreadable(folder, error)
            continue
        inner: list[bytes] = []
        for name in names:
            try:
                status = os.lstat(below(path, name))
            except (FileNotFoundError, NotADirectoryError):
                continue  # it has gone meanwhile
            except OSError as error:
                if error.errno in _NOT_ALLOWED:  # and so it is with all the others
                    unreadable(folder, error)
                    break
                unreadable(below(folder, name), error)
                continue
            if stat.S_ISDIR(status.st_mode):
                inner.append(below(folder, name))
            elif stat.S_ISREG(status.st_mode) and name.lower().endswith(_SUFFIXES):
                yield FoundFile(folder, name, status.st_size, status.st_mtime_ns)
        folders += reversed(inner)


def below(folder: bytes, name: bytes) -> bytes:
    """The path of a name in a folder; either may be empty."""
    return folder + _SEPARATOR + name if folder and name else folder or name


def shown(path: bytes) -> str:
    """A name of the disk for people and for SQLite: bytes that are no UTF-8 as \\\\xff."""
    return path.decode("utf-8", "backslashreplace")
