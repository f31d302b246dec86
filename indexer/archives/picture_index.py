"""The files of a collection as messages: found by one walk, compared with what is stored, and numbered by their times.

A file's message has the id that it was given when the file was first stored. A new file gets the next free id of the
second in which it was taken. Memory: some 50 bytes a file, and the names of one folder at a time.
"""

from __future__ import annotations

import hashlib
import os
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from indexer.archives.documents import Problems
from indexer.archives.exif import read_exif
from indexer.archives.picture_walk import FoundFile, below, shown, walk
from indexer.archives.rows import Rows, Spool
from indexer.archives.survey import Counts, Survey
from indexer.records.collections import Collection
from indexer.records.exif import Exif
from indexer.records.ids import ChannelId, collection_id, within_collection
from indexer.records.messages import Channel, ChannelKind, Guild
from indexer.sentence import Sentence

Told = Callable[[int], None]  # files found so far
_TOLD_EVERY: Final = 256  # files


class FileRecord(msgspec.Struct, array_like=True):
    """What the spool keeps of one file."""

    folder: bytes
    name: bytes
    byte_count: int
    changed_ns: int
    exif: Exif | None

    @property
    def mark(self) -> int:
        return FoundFile(self.folder, self.name, self.byte_count, self.changed_ns).mark


_records = msgspec.msgpack.Decoder(FileRecord)
_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class PictureIndex:
    """What a walk found. `fresh` counts files that are not stored, by folder.

    `vanished` [n] are the stored messages whose files were not found, and `unreadable` the paths below which that means
    nothing. `marks` are ascending; `at` says where in the spool the file of each stands (offset, length).
    """

    collection: Collection
    rows: dict[ChannelId, Rows]
    fresh: dict[ChannelId, int]
    vanished: npt.NDArray[np.int64]
    unreadable: list[str]
    marks: npt.NDArray[np.uint64]
    at: npt.NDArray[np.int64]
    spool: Spool
    survey: Survey
    problems: Problems
    version: str

    def record(self, offset: int, length: int) -> FileRecord:
        return _records.decode(self.spool.read(offset, length))

    def record_of(self, mark: int) -> FileRecord | None:
        found = int(np.searchsorted(self.marks, np.uint64(mark)))
        if found == len(self.marks) or int(self.marks[found]) != mark:
            return None
        offset, length = self.at[found].tolist()
        return self.record(offset, length)


def folder_channel(collection: Collection, folder: bytes) -> Channel:
    """A folder as a channel: named by its path below the collection's own folder."""
    hashed = int.from_bytes(hashlib.sha256(folder).digest()[:16], "big")
    name = shown(folder).replace(os.sep, "/") or collection.name
    return Channel(ChannelId(within_collection(collection.number, hashed)), collection.guild_id, ChannelKind.TEXT, name)


def build(root: Path, collection: Collection, spool_folder: Path, told: Told | None = None) -> PictureIndex:
    """Walks the folder once. New files are opened for their Exif. Blocks: call it in a thread."""
    return _Builder(root, collection, spool_folder, told).build()


class _Builder:
    def __init__(self, root: Path, collection: Collection, spool_folder: Path, told: Told | None) -> None:
        self.root = os.fsencode(root)
        self.collection = collection
        self.told = told
        self.spool = Spool(spool_folder)
        self.problems = Problems()
        self.unreadable: list[str] = []
        self.folders: list[Channel] = []
        self.marks: array[int] = array("Q")
        self.offsets: array[int] = array("q")
        self.lengths: array[int] = array("i")
        self.folder_of: array[int] = array("i")
        self.seconds: array[int] = array("q")  # of new files, Unix seconds; of others 0

    def build(self) -> PictureIndex:
        found: bytes | None = None
        for number, file in enumerate(walk(self.root, self._not_read), 1):
            if file.folder != found:
                found = file.folder
                self.folders.append(folder_channel(self.collection, file.folder))
            self._add(file)
            if self.told is not None and number % _TOLD_EVERY == 0:
                self.told(number)
        marks = np.frombuffer(self.marks, np.uint64) if self.marks else np.empty(0, np.uint64)
        stored = self.collection.positions(marks)
        ids = self._ids(stored)
        rows, fresh = self._rows(ids, stored < 0)
        seen = np.zeros(len(self.collection.messages), np.bool_)
        seen[stored[stored >= 0]] = True
        vanished = self.collection.messages[~seen]
        if not len(marks) and len(vanished):
            # A disk that is not mounted looks like this. Whoever means it leaves one picture there.
            self.problems.add(shown(self.root), None, Sentence("archive-folder-empty", {"count": len(vanished)}))
            vanished = vanished[:0]
        order = np.argsort(marks)
        at = np.stack([np.array(self.offsets, np.int64), np.array(self.lengths, np.int64)], axis=1)
        return PictureIndex(
            self.collection, rows, fresh, vanished, self.unreadable, marks[order], at[order], self.spool,
            self._survey(len(marks)), self.problems, _version(self.collection, marks),
        )  # fmt: skip

    def _add(self, file: FoundFile) -> None:
        mark = file.mark
        exif, second = None, 0
        if self.collection.positions(np.array([mark], np.uint64))[0] < 0:
            exif = self._exif(file)
            taken_ms = exif.taken_ms if exif.taken_ms is not None else file.changed_ns // 1_000_000
            second = min(taken_ms, time.time_ns() // 1_000_000) // 1000  # a camera's clock may be ahead
        data = _encode(FileRecord(file.folder, file.name, file.byte_count, file.changed_ns, exif))
        self.marks.append(mark)
        self.offsets.append(self.spool.add(data))
        self.lengths.append(len(data))
        self.folder_of.append(len(self.folders) - 1)
        self.seconds.append(second)

    def _exif(self, file: FoundFile) -> Exif:
        path = below(self.root, below(file.folder, file.name))
        try:
            with Path(os.fsdecode(path)).open("rb") as opened:
                return read_exif(opened)
        except OSError as error:
            self.problems.add(shown(path), None, _why(error))
            return Exif()

    def _not_read(self, folder: bytes, error: OSError) -> None:
        path = shown(below(self.root, folder))
        self.unreadable.append(path)
        self.problems.add(path, None, _why(error))

    def _ids(self, stored: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """[n] the message of each file, in the order of the walk."""
        ids = np.where(stored < 0, 0, self.collection.messages[stored] if len(self.collection.messages) else 0)
        new = np.flatnonzero(stored < 0)
        seconds = np.array(self.seconds, np.int64)[new]
        taken = np.sort(self.collection.messages)
        following = 0
        for at in np.argsort(seconds, kind="stable").tolist():
            following = max(following, collection_id(self.collection.number, int(seconds[at])))
            while _is_in(taken, following):
                following += 1
            ids[new[at]] = following
            following += 1
        return ids.astype(np.int64)

    def _rows(
        self, ids: npt.NDArray[np.int64], new: npt.NDArray[np.bool_]
    ) -> tuple[dict[ChannelId, Rows], dict[ChannelId, int]]:
        folder_of = np.array(self.folder_of, np.int32)
        order = np.lexsort((ids, folder_of))
        offsets, lengths = np.array(self.offsets, np.int64), np.array(self.lengths, np.int32)
        bounds = np.searchsorted(folder_of[order], np.arange(len(self.folders) + 1))
        rows, fresh = {}, {}
        for number, channel in enumerate(self.folders):
            mine = order[bounds[number] : bounds[number + 1]]
            rows[channel.id] = Rows(channel, ids[mine], np.zeros(len(mine), np.int32), offsets[mine], lengths[mine])
            fresh[channel.id] = int(np.count_nonzero(new[mine]))
        return rows, fresh

    def _survey(self, files: int) -> Survey:
        guild = Guild(self.collection.guild_id, self.collection.name)
        return Survey(
            {guild.id: guild},
            {channel.id: channel for channel in self.folders},
            {guild.id: Counts(messages=files, pictures=files, saved=files)},
            documents=1,
        )


def _is_in(ascending: npt.NDArray[np.int64], value: int) -> bool:
    at = int(np.searchsorted(ascending, value))
    return at < len(ascending) and int(ascending[at]) == value


def _version(collection: Collection, marks: npt.NDArray[Any]) -> str:
    """Changes with any file: a name, a size, a time."""
    digest = hashlib.sha256(np.sort(marks).tobytes())
    digest.update(collection.name.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def _why(error: OSError) -> Sentence:
    return Sentence("archive-unreadable", {"error": error.strerror or str(error)})
