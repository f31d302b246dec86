"""Where an export's files lie: a folder on the disk, or a .zip file. Nothing outside of it is ever opened.

A name in an export was written by another machine, perhaps by a stranger: it may climb out with `..`, be absolute, or
lead through a symbolic link. Files are found by parts below one root, and are opened only where they truly are in it.
"""

from __future__ import annotations

import os
import stat
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Protocol

from indexer.archives.expansion import Bounded, Refused
from indexer.sentence import Sentence

Unreadable = Callable[[str, OSError], None]  # a folder, and why
Parts = tuple[str, ...]  # names of folders and of a file, below a root

# A .zip file's list of members is held in memory, some 600 bytes each.
MOST_MEMBERS: Final = 300_000


class Folder(Protocol):
    """What media and documents are looked up in."""

    def label(self, parts: Parts) -> str:
        """The file as a person finds it."""
        ...

    def parts_of(self, label: str) -> Parts | None:
        """The file of a label or absolute path; None where it lies elsewhere."""
        ...

    def has(self, parts: Parts) -> bool:
        """Whether there is a file. Raises Refused where there is one that must not be opened."""
        ...

    def open(self, parts: Parts) -> BinaryIO | Bounded:
        """Raises Refused, OSError."""
        ...

    def size(self, parts: Parts) -> int:
        """In bytes; without the compression of a .zip file. Raises OSError."""
        ...


class DiskFolder:
    """A folder on the disk. Symbolic links are followed only where they end inside of it."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))

    def label(self, parts: Parts) -> str:
        return str(self.root.joinpath(*parts))

    def has(self, parts: Parts) -> bool:
        try:
            return stat.S_ISREG(self._inside(parts).stat().st_mode)
        except (OSError, ValueError):  # not there; a name with a NUL, or too long for the disk
            return False

    def open(self, parts: Parts) -> BinaryIO:
        return self._inside(parts).open("rb")

    def size(self, parts: Parts) -> int:
        return self._inside(parts).stat().st_size

    def files(self, unreadable: Unreadable) -> Iterator[Parts]:
        """Regular files: whoever opens a pipe waits for its other end. `unreadable` is told of each folder that cannot
        be listed; the others are read on.
        """
        walked = os.walk(self.root, onerror=lambda error: unreadable(str(error.filename), error))
        for folder, folders, names in walked:  # does not follow links to folders
            folders.sort()
            base = Path(folder).relative_to(self.root).parts
            for name in sorted(names):
                if _is_regular(Path(folder, name)):
                    yield (*base, name)

    def parts_of(self, label: str) -> Parts | None:
        try:
            return Path(os.path.realpath(label)).relative_to(self.root).parts
        except (ValueError, OSError):
            return None

    def _inside(self, parts: Parts) -> Path:
        """The file itself. Raises Refused where a link leads out, OSError where there is none."""
        path = Path(os.path.realpath(self.root.joinpath(*parts), strict=True))
        if not path.is_relative_to(self.root):
            raise Refused(Sentence("archive-link-out"))
        return path


class ZipFolder:
    """A .zip file, read in place: nothing of it is written to the disk. It stays open until the folder is dropped."""

    def __init__(self, path: Path) -> None:
        """Raises OSError, zipfile.BadZipFile, Refused."""
        self.path = path
        self._zip = zipfile.ZipFile(path)
        members = self._zip.infolist()
        if len(members) > MOST_MEMBERS:
            self._zip.close()
            raise Refused(Sentence("archive-many-members", {"members": len(members), "most": MOST_MEMBERS}))
        self._members: dict[Parts, zipfile.ZipInfo] = {}
        self.climbing: list[str] = []  # names of members that lead out of the file: never opened
        for member in members:
            name = member.filename.replace("\\", "/")
            if member.is_dir():
                continue
            if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
                self.climbing.append(member.filename)
                continue
            self._members[_parts(name)] = member

    def label(self, parts: Parts) -> str:
        return f"{self.path}/{'/'.join(parts)}"

    def parts_of(self, label: str) -> Parts | None:
        inside = label.removeprefix(f"{self.path}/")
        return None if inside == label else tuple(inside.split("/"))

    def has(self, parts: Parts) -> bool:
        return _normal(parts) in self._members

    def open(self, parts: Parts) -> Bounded:
        member = self._members[_normal(parts)]
        if member.flag_bits & 1:
            raise Refused(Sentence("archive-encrypted"))
        return Bounded(self._zip.open(member), member.compress_size)

    def size(self, parts: Parts) -> int:
        return self._members[_normal(parts)].file_size

    def files(self) -> Iterator[Parts]:
        return iter(sorted(self._members))


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # it has gone meanwhile
        return False


def _parts(name: str) -> Parts:
    return _normal(tuple(part for part in PurePosixPath(name).parts if part != "."))


def _normal(parts: Parts) -> Parts:
    """macOS stores decomposed letters where an export names composed ones."""
    return tuple(unicodedata.normalize("NFC", part) for part in parts)
