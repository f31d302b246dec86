"""The documents of an archive: which files below a path are read, and how each is opened.

They are told apart by what is in them: a document of the exporter is JSON with a list of messages, a channel of
Discord's data package is a folder with `channel.json` and its messages, and a file of Discord History Tracker begins as
SQLite's do.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import re
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO, Final

from indexer.archives.data_package import ACCOUNT_FILE, CHANNEL_FILE, MESSAGE_FILES
from indexer.archives.expansion import Bounded, Refused
from indexer.archives.folders import DiskFolder, Folder, Parts, ZipFolder
from indexer.archives.media import Media
from indexer.archives.tracker_file import MAGIC, TrackerFile, TrackerMedia
from indexer.sentence import Sentence

_JSON: Final = (".json", ".json.gz")
_DATABASES: Final = (
    ".dht",
    ".sqlite",
    ".sqlite3",
    ".db",
)  # of files in folders; one that is named may be called anything
_MEDIA_FOLDER: Final = "_Files"  # of saved media: a sticker's animation in it is JSON, too
_DIGITS: Final = 20  # of a snowflake, the longest number in a name that means something
MOST_PROBLEMS: Final = 200  # that are kept word by word; the others are counted

# What opening or reading a file of any kind may raise. zipfile raises NotImplementedError for a compression that it
# does not know, RuntimeError for an encrypted member, and for a forged one ValueError (a name that is no UTF-8, a place
# before the file's beginning), struct.error or OverflowError.
UNREADABLE: Final = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    sqlite3.Error,
)


class Kind(Enum):
    """Who wrote a document."""

    EXPORTER = auto()
    PACKAGE = auto()
    TRACKER = auto()


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
    """One file. `folders`: where its media may lie, its own first. `byte_count`: its size when it was found, without
    compression of a .zip file. `changed_ms`: when it was written, as far as the disk knows.

    `account` of a data package is the file that says whose it is. `beside_package`: a data package has other JSON, too.
    """

    folders: tuple[Folder, ...]
    parts: Parts
    byte_count: int
    changed_ms: int = 0
    kind: Kind = Kind.EXPORTER
    account: Parts | None = None
    beside_package: bool = False

    @property
    def label(self) -> str:
        return self.folders[0].label(self.parts)

    @property
    def tracker(self) -> TrackerFile:
        """The open file of a document of this kind."""
        assert isinstance(self.folders[0], TrackerFile), "see Kind.TRACKER"
        return self.folders[0]

    @property
    def media(self) -> Media | TrackerMedia:
        if self.kind is Kind.TRACKER:
            return TrackerMedia(self.tracker)
        return Media(self.folders, self.parts)

    @property
    def spooled(self) -> bool:
        """Whether its messages cannot be read from the middle of it, as the exporter would have written them."""
        plain = self.kind is Kind.EXPORTER and isinstance(self.folders[0], DiskFolder)
        return not plain or self.parts[-1].lower().endswith(".gz")

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
    """The documents below `location` (one file or .zip, or a folder of them), parts in their order.

    `media_folders` are further folders in which saved media may lie.
    """
    problems = Problems()
    others = tuple(DiskFolder(folder) for folder in media_folders)
    digest = hashlib.sha256()
    documents: list[Document] = []
    accounts: dict[Folder, list[Parts]] = {}
    for folder, parts, kind in _candidates(location, problems):
        if kind is None:
            accounts.setdefault(folder, []).append(parts)
            continue
        try:
            status = _file_of(folder, parts).stat()
            size = status.st_size if kind is Kind.TRACKER else folder.size(parts)
            documents.append(Document((folder, *others), parts, size, status.st_mtime_ns // 1_000_000, kind))
        except OSError as error:  # it is gone by now
            problems.add(folder.label(parts), None, unreadable(error))
    documents = _in_packages(documents, accounts)
    documents.sort(key=lambda document: _natural(document.label))
    for path in sorted({_file_of(document.folders[0], document.parts) for document in documents}):
        with suppress(OSError):  # what goes now is told when it is opened
            status = path.stat()
            digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return Found(documents, problems, digest.hexdigest()[:32])


def _file_of(folder: Folder, parts: Parts) -> Path:
    """The file on the disk that a document is, or lies in."""
    return folder.path if isinstance(folder, ZipFolder | TrackerFile) else Path(folder.label(parts))


def _in_packages(documents: Sequence[Document], accounts: Mapping[Folder, Sequence[Parts]]) -> list[Document]:
    """The documents with what they share: a package's account, and that other JSON lies beside a package."""
    roots = {(document.folders[0], document.parts[:-3]) for document in documents if document.kind is Kind.PACKAGE}
    told: list[Document] = []
    for document in documents:
        folder, parts = document.folders[0], document.parts
        if document.kind is Kind.PACKAGE:
            account = next((file for file in accounts.get(folder, ()) if file[:-2] == parts[:-3]), None)
            told.append(replace(document, account=account))
        else:
            beside = any((folder, parts[:depth]) in roots for depth in range(len(parts)))
            told.append(replace(document, beside_package=beside))
    return told


_Candidate = tuple[Folder, Parts, Kind | None]  # None: a file that says whose data package it is


def _candidates(location: Path, problems: Problems) -> Iterator[_Candidate]:
    try:
        is_folder, is_file = location.is_dir(), location.is_file()
    except OSError as error:
        problems.add(str(location), None, unreadable(error))
        return
    if is_folder:
        folder = DiskFolder(location)
        for parts in folder.files(lambda path, error: problems.add(path, None, unreadable(error))):
            yield from _in_folder(folder, parts)
            name = parts[-1].lower()
            if any(part.endswith(_MEDIA_FOLDER) for part in parts[:-1]):
                continue
            if name.endswith(".zip"):
                yield from _zipped(folder.root.joinpath(*parts), problems)
            elif name.endswith(_DATABASES):
                yield from _tracked(folder.root.joinpath(*parts), problems, named=False)
    elif not is_file:
        problems.add(str(location), None, Sentence("archive-missing"))
    elif location.name.lower().endswith(_JSON):
        file = Path(os.path.realpath(location))  # the user names it, so a link to it may lead anywhere
        yield DiskFolder(file.parent), (file.name,), Kind.EXPORTER
    elif _begins_as_sqlite(location):
        yield from _tracked(location, problems, named=True)
    else:
        yield from _zipped(location, problems)


def _in_folder(folder: Folder, parts: Parts) -> Iterator[_Candidate]:
    """What one file of a folder or .zip file is."""
    if any(part.endswith(_MEDIA_FOLDER) for part in parts[:-1]):
        return
    name = parts[-1].lower()
    if name == CHANNEL_FILE:
        for messages in MESSAGE_FILES:
            if folder.has((*parts[:-1], messages)):
                yield folder, (*parts[:-1], messages), Kind.PACKAGE
                return
    if name in MESSAGE_FILES and folder.has((*parts[:-1], CHANNEL_FILE)):
        return
    if name == ACCOUNT_FILE:
        yield folder, parts, None
    elif name.endswith(_JSON):
        yield folder, parts, Kind.EXPORTER


def _begins_as_sqlite(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC
    return False


def _tracked(path: Path, problems: Problems, *, named: bool) -> Iterator[_Candidate]:
    """A file of Discord History Tracker. Other databases in a folder are nobody's concern."""
    if not _begins_as_sqlite(path):
        return
    try:
        yield TrackerFile(path), ("",), Kind.TRACKER
    except Refused as error:
        if named or error.sentence.key != "archive-no-tracker":
            problems.add(str(path), None, error.sentence)
    except UNREADABLE as error:
        problems.add(str(path), None, unreadable(error))


def _zipped(path: Path, problems: Problems) -> Iterator[_Candidate]:
    try:
        folder = ZipFolder(path)
    except Refused as error:
        problems.add(str(path), None, error.sentence)
        return
    except UNREADABLE as error:
        problems.add(str(path), None, unreadable(error))
        return
    for name in folder.climbing:
        problems.add(f"{path}/{name}", None, Sentence("archive-climbs"))
    for parts in folder.files():
        yield from _in_folder(folder, parts)


def unreadable(error: Exception) -> Sentence:
    """Without the file's path, which stands beside it and is not everybody's to read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Sentence("archive-unreadable", {"error": reason})


def _natural(label: str) -> list[tuple[int, str]]:
    """So that part 10 comes after part 9. A name in a .zip may have more digits than Python reads as a number."""
    return [
        (int(piece), "") if piece.isdecimal() and len(piece) <= _DIGITS else (-1, piece)
        for piece in re.split(r"(\d+)", label)
    ]
