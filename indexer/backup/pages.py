"""Reads a database file page by page without SQLite, which refuses a tree as soon as one of its pages is damaged.

The layout is https://www.sqlite.org/fileformat2.html. A page of a table's tree is a leaf (flag 13: rows) or an interior
page (flag 5: child pages with the highest row id below each). Pages of an index, and of a table WITHOUT ROWID, have the
flags 10 and 2 and hold records. What is newer in the write-ahead log is read from there. Nothing is written.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer.platforms.files import BINARY, read_at

MAGIC = b"SQLite format 3\0"
TABLE_LEAF, TABLE_INTERIOR, INDEX_LEAF, INDEX_INTERIOR = 13, 5, 10, 2
LOWEST, HIGHEST = -(2**63), 2**63 - 1
_USUAL_PAGE = 4096
_WAL_HEADER, _FRAME = 32, 24
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

Row = tuple[int, list[Any]]
Gap = tuple[int, int]  # the lowest and the highest row id that may be lost


class Broken(Exception):
    """These bytes are not what their place says."""


DAMAGE = (Broken, IndexError, struct.error)  # what reading damaged bytes raises
EVERYTHING: Gap = (LOWEST, HIGHEST)


@dataclass(slots=True)
class Tree:
    """A table's pages. `leaves`: (page, lowest row id, highest row id) that may be in it. `gaps`: where rows may be
    missing; `rows` adds those that it meets.
    """

    leaves: list[tuple[int, int, int]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


class Pages:
    """The pages of one database file. Blocks. Belongs to one thread."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._file = os.open(path, os.O_RDONLY | BINARY)
        head = self._bytes(0, 100)
        self.headed = head.startswith(MAGIC)
        size = struct.unpack(">H", head[16:18])[0] if self.headed else _USUAL_PAGE
        self.size = 65_536 if size == 1 else size
        if self.size < 512 or self.size & (self.size - 1):
            self.headed, self.size = False, _USUAL_PAGE
        self._usable = self.size - (head[20] if self.headed else 0)
        self._wal: dict[int, bytes] = _committed(path.with_name(f"{path.name}-wal"), self.size)
        self.count = max(os.fstat(self._file).st_size // self.size, *self._wal, 0)
        self.unreadable = 0  # pages that the disk did not give

    def close(self) -> None:
        os.close(self._file)

    def read(self, number: int) -> bytes:
        """The page; zeros where the disk does not give it. Raises Broken where there is no such page."""
        if not 0 < number <= self.count:
            raise Broken(f"page {number}")
        return self._wal.get(number) or self._bytes((number - 1) * self.size, self.size)

    def flag(self, number: int) -> int:
        return self.read(number)[100 if number == 1 else 0]

    def children(self, number: int) -> list[tuple[int, int]]:
        """Of an interior page of a table: (child page, highest row id below it), ascending. Raises Broken."""
        page, start = self.read(number), 100 if number == 1 else 0
        found = []
        for at in self._cells(page, start, 12):
            key, _ = _varint(page, at + 4)
            found.append((int.from_bytes(page[at : at + 4]), _signed(key)))
        keys = [key for _, key in found]
        if keys != sorted(set(keys)):
            raise Broken(f"page {number}: its keys are in no order")
        return [*found, (int.from_bytes(page[start + 8 : start + 12]), HIGHEST)]

    def rows(self, number: int) -> tuple[list[Row], bool]:
        """The rows of a table's leaf, and whether all of them could be read. Raises Broken."""
        page = self.read(number)
        rows: list[Row] = []
        whole = True
        for at in self._cells(page, 100 if number == 1 else 0, 8):
            try:
                length, at = _varint(page, at)
                key, at = _varint(page, at)
                rows.append((_signed(key), _record(self._payload(page, at, length, self._usable - 35))))
            except DAMAGE:
                whole = False
        return rows, whole

    def records(self, number: int) -> tuple[list[list[Any]], list[int]]:
        """The records of a page of an index, and its child pages. Raises Broken."""
        page, start = self.read(number), 100 if number == 1 else 0
        interior = page[start] == INDEX_INTERIOR
        most = (self._usable - 12) * 64 // 255 - 23
        records, below = [], []
        for at in self._cells(page, start, 12 if interior else 8):
            if interior:
                below.append(int.from_bytes(page[at : at + 4]))
            length, at = _varint(page, at + 4 if interior else at)
            records.append(_record(self._payload(page, at, length, most)))
        if interior:
            below.append(int.from_bytes(page[start + 8 : start + 12]))
        return records, below

    def _cells(self, page: bytes, start: int, header: int) -> Iterator[int]:
        (count,) = struct.unpack_from(">H", page, start + 3)
        first = start + header
        if first + 2 * count > len(page):
            raise Broken("more cells than fit")
        for (at,) in struct.iter_unpack(">H", page[first : first + 2 * count]):
            if not first + 2 * count <= at < len(page):
                raise Broken("a cell outside of its page")
            yield at

    def _payload(self, page: bytes, at: int, length: int, most: int) -> bytes:
        """`length` bytes that begin at `at` and go on in overflow pages where they are more than `most`."""
        if length <= most:
            if at + length > len(page):
                raise Broken("a cell reaches over its page's end")
            return page[at : at + length]
        least = (self._usable - 12) * 32 // 255 - 23
        local = least + (length - least) % (self._usable - 4)
        local = local if local <= most else least
        if at + local + 4 > len(page) or length > self.count * self.size:
            raise Broken("a cell reaches over its page's end")
        parts = [page[at : at + local]]
        left, following = length - local, int.from_bytes(page[at + local : at + local + 4])
        while left > 0:
            overflow = self.read(following)
            parts.append(overflow[4 : 4 + min(left, self._usable - 4)])
            left -= len(parts[-1])
            following = int.from_bytes(overflow[:4])
        return b"".join(parts)

    def _bytes(self, offset: int, length: int) -> bytes:
        try:
            data = read_at(self._file, length, offset)
        except OSError:
            self.unreadable += 1
            data = b""
        return data.ljust(length, b"\0")


def walk(pages: Pages, root: int, claimed: set[int]) -> Tree:
    """The tree of a table as far as it can be followed; adds its pages to `claimed`."""
    tree = Tree()
    left = [(root, LOWEST, HIGHEST)]
    while left:
        number, low, high = left.pop()
        try:
            flag = pages.flag(number)
            if number in claimed or flag not in (TABLE_LEAF, TABLE_INTERIOR):
                raise Broken(f"page {number} is no page of this table")
            children = pages.children(number) if flag == TABLE_INTERIOR else []
        except DAMAGE:
            tree.gaps.append((low, high))
            continue
        claimed.add(number)
        if flag == TABLE_LEAF:
            tree.leaves.append((number, low, high))
        for child, key in children:
            left.append((child, low, min(key, high)))
            low = min(key, HIGHEST - 1) + 1
    return tree


def rows(pages: Pages, tree: Tree) -> Iterator[Row]:
    """The rows of the leaves. Where a leaf is damaged, its range is added to the gaps."""
    for number, low, high in tree.leaves:
        try:
            found, whole = pages.rows(number)
        except DAMAGE:
            found, whole = [], False
        fitting = [row for row in found if low <= row[0] <= high]
        yield from fitting
        if not whole or len(fitting) < len(found):
            tree.gaps.append((low, high))


def records(pages: Pages, root: int, gaps: list[Gap]) -> Iterator[list[Any]]:
    """The records of an index's tree. What is damaged adds a gap without bounds: its keys are unknown."""
    seen, left = set[int](), [root]
    while left:
        number = left.pop()
        try:
            if number in seen or pages.flag(number) not in (INDEX_LEAF, INDEX_INTERIOR):
                raise Broken(f"page {number} is no page of this index")
            seen.add(number)
            found, below = pages.records(number)
        except DAMAGE:
            gaps.append(EVERYTHING)
            continue
        yield from found
        left += below


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number, and where it ends."""
    value = 0
    for count in range(8):
        byte = data[at + count]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + count + 1
    return value << 8 | data[at + 8], at + 9


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _record(payload: bytes) -> list[Any]:
    """The values of one record. Raises Broken."""
    end, at = _varint(payload, 0)
    body, values = end, list[Any]()
    if end > len(payload):
        raise Broken("a record's header is longer than the record")
    while at < end:
        kind, at = _varint(payload, at)
        length = _INTEGER_BYTES.get(kind, 8 if kind == 7 else (kind - 12) // 2 if kind >= 12 else 0)
        data = payload[body : body + length]
        if len(data) < length or kind in (10, 11):
            raise Broken("a value reaches over its record's end")
        body += length
        values.append(_value(kind, data))
    return values


def _value(kind: int, data: bytes) -> Any:
    if kind >= 12:
        if kind % 2 == 0:
            return data
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise Broken("a text is not UTF-8") from error
    if kind == 7:
        return struct.unpack(">d", data)[0]
    if kind in _INTEGER_BYTES:
        return int.from_bytes(data, signed=True)
    return {0: None, 8: 0, 9: 1}[kind]


def _committed(wal: Path, page_size: int) -> dict[int, bytes]:
    """The newest committed version of each page in the write-ahead log, as far as its checksums are right."""
    try:
        data = wal.read_bytes()
    except OSError:
        return {}
    if len(data) < _WAL_HEADER or data[:3] != b"\x37\x7f\x06" or int.from_bytes(data[8:12]) != page_size:
        return {}
    order = ">" if data[3] & 1 else "<"
    sums = _checksum(data[:24], order, (0, 0))
    newer: dict[int, bytes] = {}
    uncommitted: dict[int, bytes] = {}
    if sums != struct.unpack(">2I", data[24:32]):
        return {}
    for at in range(_WAL_HEADER, len(data) - _FRAME - page_size + 1, _FRAME + page_size):
        number, committed, *_ = struct.unpack_from(">6I", data, at)
        page = data[at + _FRAME : at + _FRAME + page_size]
        sums = _checksum(page, order, _checksum(data[at : at + 8], order, sums))
        if data[at + 8 : at + 16] != data[16:24] or sums != struct.unpack_from(">2I", data, at + 16):
            break
        uncommitted[number] = page
        if committed:
            newer.update(uncommitted)
            uncommitted.clear()
    return newer


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for at in range(0, len(words), 2):
        first = first + words[at] + second & 0xFFFFFFFF
        second = second + words[at + 1] + first & 0xFFFFFFFF
    return first, second
