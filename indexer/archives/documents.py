"""The documents of an export: which files below a path are read, and how each is opened."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from indexer.archives.expansion import Bounded, Refused
from indexer.archives.folders import DiskFolder, Folder, Parts, ZipFolder
from indexer.archives.media import Media
from indexer.sentence import Sentence

_JSON: Final = (".json", ".json.gz")
_MEDIA_FOLDER: Final = "_Files"  # of saved media: a sticker's animation in it is JSON, too
MOST_PROBLEMS: Final = 200  # that are kept word by word; the others are counted

# What opening or reading a file of any kind may raise. zipfile raises NotImplementedError for a compression that it
# does not know, and RuntimeError for an encrypted member.
UNREADABLE: Final = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be read: the file, where in it (a byte of the document, None: all of it), and why."""

    label: str
    offset: int | None
    reason: Sentence


@dataclass(slots=True)
class Problems:
    """The first MOST_PROBLEMS, and how many there were."""

    kept: list[Problem] = field(default_factory=list)
    count: int = 0

    def add(self, label: str, offset: int | None, reason: Sentence) -> None:
        self.count += 1
        if len(self.kept) < MOST_PROBLEMS:
            self.kept.append(Problem(label, offset, reason))


@dataclass(frozen=True, slots=True)
class Document:
    """One exported file. `folders`: where its media may lie, its own first. `byte_count`: its size when it was found,
    without compression of a .zip file.
    """

    folders: tuple[Folder, ...]
    parts: Parts
    byte_count: int

    @property
    def label(self) -> str:
        return self.folders[0].label(self.parts)

    @property
    def media(self) -> Media:
        return Media(self.folders, self.parts)

    @property
    def compressed(self) -> bool:
        """Whether it cannot be read from the middle."""
        return not isinstance(self.folders[0], DiskFolder) or self.parts[-1].lower().endswith(".gz")

    def open(self) -> BinaryIO | Bounded:
        """Raises Refused and UNREADABLE."""
        stream = self.folders[0].open(self.parts)
        if not self.parts[-1].lower().endswith(".gz"):
            return stream
        return Bounded(gzip.GzipFile(fileobj=stream), self.byte_count, stream)  # type: ignore[arg-type]  # gzip only reads


@dataclass(slots=True)
class Found:
    """What lies below a path. `version` changes with any document: a name, a size or a time."""

    documents: list[Document]
    problems: Problems
    version: str


def find(location: Path, media_folders: Sequence[Path] = ()) -> Found:
    """The documents below `location` (a .json, .json.gz or .zip file, or a folder of them), parts in their order.

    `media_folders` are further folders in which saved media may lie.
    """
    problems = Problems()
    others = tuple(DiskFolder(folder) for folder in media_folders)
    digest = hashlib.sha256()
    documents: list[Document] = []
    files: set[Path] = set()
    for folder, parts in _candidates(location, problems):
        try:
            documents.append(Document((folder, *others), parts, folder.size(parts)))
        except OSError as error:  # it is gone by now
            problems.add(folder.label(parts), None, _unreadable(error))
        else:
            files.add(folder.path if isinstance(folder, ZipFolder) else Path(documents[-1].label))
    documents.sort(key=lambda document: _natural(document.label))
    for path in sorted(files):
        with suppress(OSError):  # what goes now is told when it is opened
            status = path.stat()
            digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return Found(documents, problems, digest.hexdigest()[:32])


def _candidates(location: Path, problems: Problems) -> Iterator[tuple[Folder, Parts]]:
    try:
        is_folder, is_file = location.is_dir(), location.is_file()
    except OSError as error:
        problems.add(str(location), None, _unreadable(error))
        return
    if is_folder:
        folder = DiskFolder(location)
        for parts in folder.files(lambda path, error: problems.add(path, None, _unreadable(error))):
            if any(part.endswith(_MEDIA_FOLDER) for part in parts[:-1]):
                continue
            name = parts[-1].lower()
            if name.endswith(_JSON):
                yield folder, parts
            elif name.endswith(".zip"):
                yield from _zipped(folder.root.joinpath(*parts), problems)
    elif not is_file:
        problems.add(str(location), None, Sentence("archive-missing"))
    elif location.name.lower().endswith(_JSON):
        file = Path(os.path.realpath(location))  # the user names it, so a link to it may lead anywhere
        yield DiskFolder(file.parent), (file.name,)
    else:
        yield from _zipped(location, problems)


def _zipped(path: Path, problems: Problems) -> Iterator[tuple[Folder, Parts]]:
    try:
        folder = ZipFolder(path)
    except Refused as error:
        problems.add(str(path), None, error.sentence)
        return
    except UNREADABLE as error:
        problems.add(str(path), None, _unreadable(error))
        return
    for name in folder.climbing:
        problems.add(f"{path}/{name}", None, Sentence("archive-climbs"))
    for parts in folder.files():
        if parts[-1].lower().endswith(_JSON) and not any(part.endswith(_MEDIA_FOLDER) for part in parts[:-1]):
            yield folder, parts


def _unreadable(error: Exception) -> Sentence:
    return Sentence("archive-unreadable", {"error": str(error)})


def _natural(label: str) -> list[tuple[int, str]]:
    """So that part 10 comes after part 9."""
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in re.split(r"(\d+)", label)]
