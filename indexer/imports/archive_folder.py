"""The folder that archives may be imported from over HTTP: what lies in it, and that no path leads out of it.

A path is given from the folder on, with slashes. It names no hidden file, nothing above the folder, and goes through no
link: on Linux and macOS each step is opened from the one before, so that nobody can put a link in its place meanwhile.
"""

from __future__ import annotations

import heapq
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import TellPerson

PAGE_ENTRIES = 1000
MOST_PAGES = 100  # the names of so many are in memory at once


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder. `byte_count` of a folder is 0; `changed_ms`: Unix milliseconds."""

    name: str
    is_folder: bool
    byte_count: int
    changed_ms: int


class ArchiveFolder:
    """Its methods block: call them in a thread."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def listed(self, path: str, page: int = 1) -> tuple[list[Entry], bool]:
        """Page `page`, from 1, of what lies at `path`, folders first, by name; and whether there is another page.

        Links, hidden files and what is neither file nor folder are left out. Raises TellPerson where there is no such
        folder.
        """
        parts = _parts(path)
        start, end = (page - 1) * PAGE_ENTRIES, page * PAGE_ENTRIES
        with _refusing(path), self._opened(parts) as folder, os.scandir(folder) as entries:
            first = heapq.nsmallest(
                end + 1, filter(_is_listed, entries), key=lambda entry: (not _is_folder(entry), entry.name)
            )
            found = [shown for entry in first[start:end] if (shown := _entry(entry)) is not None]
        return found, len(first) > end

    def location(self, path: str) -> Path:
        """Where the file or folder `path` is. Raises TellPerson where there is none, or only by a link."""
        parts = _parts(path)
        if not parts:
            raise TellPerson("archive-not-in-folder", path=path)
        with _refusing(path), self._opened(parts[:-1]) as folder:
            if isinstance(folder, int):
                found = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
            else:
                found = os.lstat(_without_links(folder, parts[-1:]))
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
                raise TellPerson("archive-not-in-folder", path=path)
        return Path(os.path.realpath(self.root)).joinpath(*parts)

    @contextmanager
    def _opened(self, parts: tuple[str, ...]) -> Iterator[int | str]:
        """The folder, as a handle; its path on Windows, which cannot open a folder. Raises OSError."""
        if sys.platform != "win32":
            handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
            try:
                for part in parts:
                    inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
                    os.close(handle)
                    handle = inner
                yield handle
            finally:
                os.close(handle)
        else:
            yield _without_links(os.path.realpath(self.root), parts)


def is_plain_name(name: str) -> bool:
    """Whether this can be the name of a file in the folder: not hidden, one line, no path."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= 200 and name.isprintable() and name[0] != "." and not set('/\\:*?"<>|') & set(name)


def _parts(path: str) -> tuple[str, ...]:
    """Raises TellPerson for a path that is absolute, climbs, or names something hidden."""
    parts = tuple(path.split("/")) if path else ()
    separators = "\0" if os.sep == "/" else "\0\\:"
    if any(not part or part[0] == "." or any(sign in part for sign in separators) for part in parts):
        raise TellPerson("archive-not-in-folder", path=path)
    return parts


def _without_links(folder: str, parts: tuple[str, ...]) -> str:
    """The path of `parts` in this folder, of which no part is a link or a junction of Windows. Raises OSError."""
    path = os.path.join(folder, *parts)  # noqa: PTH118 -- the folder is a str here
    if os.path.realpath(path) != path:
        raise OSError("a link")
    return path


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a name that no file system can have
        raise TellPerson("archive-not-in-folder", path=path) from error


def _is_listed(entry: os.DirEntry[str]) -> bool:
    try:
        entry.name.encode()
        if (
            sys.platform == "win32"
            and entry.stat(follow_symlinks=False).st_reparse_tag == stat.IO_REPARSE_TAG_MOUNT_POINT
        ):
            return False  # a junction, which counts as a folder
        return entry.name[0] != "." and (_is_folder(entry) or entry.is_file(follow_symlinks=False))
    except (UnicodeEncodeError, OSError):  # a name that JSON cannot have; gone meanwhile
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _entry(entry: os.DirEntry[str]) -> Entry | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:  # gone meanwhile
        return None
    is_folder = _is_folder(entry)
    return Entry(entry.name, is_folder, 0 if is_folder else found.st_size, found.st_mtime_ns // 1_000_000)
