"""A small file beside the database for what must not be lost while the database is busy, or the process is killed.

    {"add": 7, "what": {…}}     a line a record, on the disk when `flush` returns
    {"done": 7}                 the record was carried out
    \\0\\0\\0…                     room that was reserved; the records end at the first such byte

The room is reserved when the file is opened, so that a full disk does not keep a deletion from being written down. When
every record is done, the file is zeros again. A line that a kill tore apart was never promised to anybody: it is left
out. Records hold ids only, never what a member wrote.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from indexer.database.connections import to_the_end
from indexer.platforms import files

log = logging.getLogger(__name__)

FILE_NAME = "removals.journal"
RESERVED_BYTES = 256 * 1024  # some 5,000 records of one message each
SECTOR = 4096  # bytes that a disk writes whole or not at all


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
                with suppress(OSError):  # no room now, or no such thing on this file system: it grows as it is written
                    os.posix_fallocate(self._file, 0, RESERVED_BYTES)
            os.fsync(self._file)
            files.sync_folder(path.parent)
        except BaseException:
            os.close(self._file)
            raise

    def close(self) -> None:
        """Blocks."""
        os.close(self._file)

    def add(self, what: Mapping[str, Any]) -> int:
        """Queues a record; `flush` puts it on the disk. Returns its number."""
        number, self._next = self._next, self._next + 1
        self.pending[number] = what
        self._queue({"add": number, "what": what})
        return number

    def done(self, number: int) -> None:
        """Queues that the record was carried out: after `flush` no later start finds it."""
        if self.pending.pop(number, None) is not None:
            self._queue({"done": number})

    async def flush(self) -> None:
        """Waits until all that is queued now is on the disk: one write and one fsync for all who wait together.

        Where the file cannot be written, that is logged, and the lines stay queued for the next time.
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
        """Everything is done: zeros from the beginning. `data` is what would have been written; nobody needs it.

        The first sector goes first: a power cut then leaves a file that ends before it begins.
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
        end = 0
        for line in content.split(b"\0", 1)[0].splitlines(keepends=True):
            try:
                record = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n"):
                break
            if "add" in record:
                self.pending[record["add"]] = record["what"]
            else:
                self.pending.pop(record["done"], None)
            end += len(line)
        # What a torn line left behind must not be read after a shorter one that takes its place.
        torn = content[end:].rstrip(b"\0")
        if torn:
            files.write_at(self._file, b"\0" * len(torn), end)
        return end
