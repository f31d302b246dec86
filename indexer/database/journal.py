"""A small file beside the database for records that must survive a busy database and a kill of the process.

    {"add": 7, "what": {…}}     a line a record, on the disk when `flush` returns
    {"done": 7}                 the record was carried out
    \\0\\0\\0…                     room that was reserved; the records end at the first such byte

The room is reserved when the file is opened, so that a deletion can be written down on a full disk. When every record
is done, the file is filled with zeros again. An incomplete line after a kill is ignored: `flush` had not returned for
it. Records have only ids, never texts of members.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from indexer.database.connections import to_the_end
from indexer.platforms import files

log = logging.getLogger(__name__)

FILE_NAME = "removals.journal"
RESERVED_BYTES = 256 * 1024  # some 5,000 records of one message each
SECTOR = 4096  # a disk writes this number of bytes either completely or not at all


class Journal:
    """The open file. Belongs to one event loop and one process: the one that holds the folder's writer lock."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file and reads what is not done. Blocks. Raises OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | files.BINARY, 0o600)
        try:
            self.pending: dict[int, Mapping[str, Any]] = {}
            self._end = self._read()
            self._next = max(self.pending, default=0) + 1
            self._waiting: list[bytes] = []
            self._queued = self._written = 0  # lines, since the file was opened
            self._turn = asyncio.Lock()
            if hasattr(os, "posix_fallocate"):
                with suppress(OSError):  # no room, or not supported by the file system: the file grows when needed
                    os.posix_fallocate(self._file, 0, RESERVED_BYTES)
            os.fsync(self._file)
            files.sync_folder(path.parent)
        except BaseException:
            os.close(self._file)
            raise

    def close(self) -> None:
        """Closes the file. Blocks."""
        os.close(self._file)

    def add(self, what: Mapping[str, Any]) -> int:
        """Queues a record; `flush` puts it on the disk. Returns its number."""
        number, self._next = self._next, self._next + 1
        self.pending[number] = what
        self._queue({"add": number, "what": what})
        return number

    def done(self, number: int) -> None:
        """Queues the note that the record was carried out. After `flush` a later start does not find it any more."""
        if self.pending.pop(number, None) is not None:
            self._queue({"done": number})

    async def flush(self) -> None:
        """Waits until all lines that are queued now are on the disk. Tasks that wait together share write and fsync.

        If the file cannot be written, that is logged, and the lines stay queued for the next time.
        """
        mine = self._queued
        async with self._turn:
            if self._written >= mine:
                return
            lines, self._waiting, upto = self._waiting, [], self._queued
            write = self._append if self.pending else self._clear
            try:
                await to_the_end(asyncio.to_thread(write, b"".join(lines)))
            except OSError as error:
                log.error("the journal of deletions cannot be written (%s): a kill now would lose them", error)
                self._waiting = lines + self._waiting
            else:
                self._written = upto

    def _queue(self, line: Mapping[str, Any]) -> None:
        self._waiting.append(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._queued += 1

    def _append(self, data: bytes) -> None:
        files.write_at(self._file, data, self._end)
        os.fsync(self._file)
        self._end += len(data)

    def _clear(self, data: bytes) -> None:
        """Fills the file with zeros, because every record is done. `data` are the queued bytes; they are not needed.

        The first sector is written first: after a power cut the file then has no records.
        """
        for start, length in ((0, SECTOR), (SECTOR, self._end - SECTOR)):
            if length > 0:
                files.write_at(self._file, b"\0" * length, start)
                os.fsync(self._file)
        if os.fstat(self._file).st_size > RESERVED_BYTES:
            os.ftruncate(self._file, RESERVED_BYTES)
        self._end = 0

    def _read(self) -> int:
        """Fills `pending`; returns where the next line is to be written."""
        content = files.read_at(self._file, os.fstat(self._file).st_size, 0)
        self.pending, end = _parse(content)
        # The rest of an incomplete line must not be read after a shorter line that replaces its beginning.
        torn = content[end:].rstrip(b"\0")
        if torn:
            files.write_at(self._file, b"\0" * len(torn), end)
        return end


def pending(path: Path) -> list[Mapping[str, Any]]:
    """The records of the file that are not done, oldest first, beside the process that has it open. Blocks.

    Raises OSError; a file that is not there has none.
    """
    try:
        return list(_parse(path.read_bytes())[0].values())
    except FileNotFoundError:
        return []


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Makes a new file with these records, none of them done, and syncs it. Blocks. Raises OSError."""
    lines = (
        json.dumps({"add": number, "what": dict(what)}, separators=(",", ":")).encode() + b"\n"
        for number, what in enumerate(records, 1)
    )
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | files.BINARY, 0o600)
    try:
        files.write_at(handle, b"".join(lines), 0)
        os.fsync(handle)
    finally:
        os.close(handle)


def _parse(content: bytes) -> tuple[dict[int, Mapping[str, Any]], int]:
    """What is not done, by number, and where the last whole line ends."""
    records: dict[int, Mapping[str, Any]] = {}
    end = 0
    for line in content.split(b"\0", 1)[0].splitlines(keepends=True):
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not line.endswith(b"\n"):
            break
        if "add" in record:
            records[record["add"]] = record["what"]
        else:
            records.pop(record["done"], None)
        end += len(line)
    return records, end
