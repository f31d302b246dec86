"""Exif, as CIPA DC-008 describes it, from the bytes of a file. Pure; nothing of a file is trusted.

Pillow is not used: it parses what strangers made, and this runs outside of the locked-down readers. Every length and
offset is held against a bound, and a file that says nonsense says nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import BinaryIO, Final

from indexer.records.exif import Exif, Position

_MAKE, _MODEL, _ORIENTATION, _EXIF, _GPS = 0x010F, 0x0110, 0x0112, 0x8769, 0x8825
_TAKEN, _OFFSET, _LENS = 0x9003, 0x9011, 0xA434
_NORTH_SOUTH, _LATITUDE, _EAST_WEST, _LONGITUDE = 1, 2, 3, 4
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8, 13: 4}  # bytes of one value of each type
_MOST_ENTRIES: Final = 512  # of a directory; cameras write some 60
_MOST_VALUE_BYTES: Final = 4096
_MOST_NAME: Final = 100  # characters of a camera's or lens's name
# Segments, chunks, boxes of a file that are looked at. 48 megapixels in tiles of 512 are 192 items before the Exif.
_MOST_PARTS: Final = 1_000
_MOST_BLOCK: Final = 1 << 20  # bytes of Exif, or of an ISO file's list of items
_NOTHING: Final = Exif()


class Tiff:
    """A TIFF structure that begins at `start` of an open file: what Exif is, and what most raw files are."""

    def __init__(self, file: BinaryIO, start: int = 0) -> None:
        """Raises ValueError where there is none."""
        self._file, self._start = file, start
        head = self.read(0, 8)
        if head[:4] == b"II\x2a\x00":
            self._order = "<"
        elif head[:4] == b"MM\x00\x2a":
            self._order = ">"
        else:
            raise ValueError("no TIFF structure")
        self.first = self._number("I", head[4:8])

    def read(self, offset: int, count: int) -> bytes:
        """Raises ValueError where the file has not so many."""
        self._file.seek(self._start + offset)
        data = self._file.read(count)
        if len(data) < count:
            raise ValueError(f"{count} bytes at {offset}: the file ends before")
        return data

    def directory(self, offset: int) -> dict[int, tuple[int, bytes]]:
        """Its values, as type and bytes, by tag; values that are longer than any that is wanted are left out."""
        count = self._number("H", self.read(offset, 2))
        found: dict[int, tuple[int, bytes]] = {}
        for at in range(min(count, _MOST_ENTRIES)):
            entry = self.read(offset + 2 + 12 * at, 12)
            tag, kind, values = struct.unpack(f"{self._order}HHI", entry[:8])
            size = _SIZES.get(kind, 0) * values
            if not 0 < size <= _MOST_VALUE_BYTES:
                continue
            try:
                value = entry[8 : 8 + size] if size <= 4 else self.read(self._number("I", entry[8:12]), size)
            except ValueError:
                continue
            found.setdefault(tag, (kind, value))
        return found

    def numbers(self, found: dict[int, tuple[int, bytes]], tag: int) -> list[int]:
        """Whole numbers of a tag; none where it has another type."""
        kind, value = found.get(tag, (0, b""))
        form = {1: "B", 3: "H", 4: "I", 13: "I"}.get(kind)
        return [] if form is None else [int(number) for (number,) in struct.iter_unpack(self._order + form, value)]

    def fractions(self, found: dict[int, tuple[int, bytes]], tag: int) -> list[float]:
        kind, value = found.get(tag, (0, b""))
        if kind != 5:
            return []
        return [above / below if below else 0.0 for above, below in struct.iter_unpack(f"{self._order}II", value)]

    def _number(self, form: str, data: bytes) -> int:
        return int(struct.unpack(self._order + form, data)[0])


def text(found: dict[int, tuple[int, bytes]], tag: int) -> str:
    """A text of a directory, up to its first NUL, without the blanks that some cameras fill it with."""
    kind, value = found.get(tag, (0, b""))
    plain = value.partition(b"\0")[0].decode("utf-8", "replace") if kind in (2, 7) else ""
    return " ".join(plain.split())[:_MOST_NAME]


def read_exif(file: BinaryIO) -> Exif:
    """What an open picture file says; an empty Exif where it says nothing, or nothing that can be read. Raises OSError.

    A time without an offset is local time of this machine.
    """
    try:
        start = _exif_start(file)
        return _NOTHING if start is None else _exif_of(Tiff(file, start))
    except (ValueError, IndexError, struct.error, OverflowError):
        return _NOTHING


def _exif_of(tiff: Tiff) -> Exif:
    first = tiff.directory(tiff.first)
    exif = _directory_at(tiff, first, _EXIF)
    orientation = tiff.numbers(first, _ORIENTATION)[:1] or [1]
    return Exif(
        taken_ms=_taken_ms(text(exif, _TAKEN), text(exif, _OFFSET)),
        camera=_camera(text(first, _MAKE), text(first, _MODEL)),
        lens=text(exif, _LENS),
        position=_position(tiff, _directory_at(tiff, first, _GPS)),
        orientation=orientation[0] if 1 <= orientation[0] <= 8 else 1,
    )


def _directory_at(tiff: Tiff, found: dict[int, tuple[int, bytes]], tag: int) -> dict[int, tuple[int, bytes]]:
    try:
        return tiff.directory(tiff.numbers(found, tag)[0])
    except (ValueError, IndexError, struct.error):
        return {}


def _camera(make: str, model: str) -> str:
    """Most models begin with their maker's name."""
    maker = make.split(" ")[0]
    return model if model.lower().startswith(maker.lower()) else f"{make} {model}".strip()


def _taken_ms(taken: str, offset: str) -> int | None:
    try:
        moment = datetime.strptime(taken[:19], "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 -- the next lines say which zone
        if len(offset) == 6 and offset[0] in "+-" and offset[3] == ":":
            east = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
            moment = moment.replace(tzinfo=timezone(-east if offset[0] == "-" else east))
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError, OSError):  # cameras whose clock was never set write zeros
        return None


def _position(tiff: Tiff, gps: dict[int, tuple[int, bytes]]) -> Position | None:
    latitude = _degrees(tiff.fractions(gps, _LATITUDE), text(gps, _NORTH_SOUTH) == "S")
    longitude = _degrees(tiff.fractions(gps, _LONGITUDE), text(gps, _EAST_WEST) == "W")
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    if not latitude and not longitude:  # what devices write that do not know
        return None
    return Position(latitude, longitude)


def _degrees(parts: list[float], negative: bool) -> float | None:
    if len(parts) != 3:
        return None
    degrees = parts[0] + parts[1] / 60 + parts[2] / 3600
    return -degrees if negative else degrees


def _exif_start(file: BinaryIO) -> int | None:
    """Where the TIFF structure of a file's Exif begins; None where it has none. Raises ValueError, struct.error."""
    head = file.read(16)
    if head.startswith((b"II\x2a\x00", b"MM\x00\x2a")):
        return 0
    if head.startswith(b"\xff\xd8"):
        return _in_jpeg(file)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return next((at for kind, at, _ in _png_chunks(file) if kind == b"eXIf"), None)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        found = next(((at, size) for kind, at, size in _riff_chunks(file) if kind == b"EXIF"), None)
        return None if found is None else _after_name(file, found[0])
    return _in_boxes(file) if head[4:8] == b"ftyp" else None


def _in_jpeg(file: BinaryIO) -> int | None:
    at = 2
    for _ in range(_MOST_PARTS):
        file.seek(at)
        marker, kind, size = struct.unpack(">BBH", file.read(4))
        if marker != 0xFF or kind in (0xD9, 0xDA):  # the pixels begin
            return None
        if kind == 0xE1 and file.read(6) == b"Exif\0\0":
            return at + 10
        at += 2 + size
    return None


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    at = 8
    for _ in range(_MOST_PARTS):
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        yield kind, at + 8, size
        at += size + 12


def _riff_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    at = 12
    for _ in range(_MOST_PARTS):
        file.seek(at)
        kind, size = struct.unpack("<4sI", file.read(8))
        yield kind, at + 8, size
        at += 8 + size + size % 2


def _after_name(file: BinaryIO, at: int) -> int:
    """Some writers repeat the name of JPEG's segment before the structure."""
    file.seek(at)
    return at + 6 if file.read(6) == b"Exif\0\0" else at


def _in_boxes(file: BinaryIO) -> int | None:
    """In HEIC and AVIF (ISO/IEC 14496-12, 8.11): the item of type Exif, found through `iinf` and `iloc` of `meta`."""
    meta = _box(file, b"meta", 0, None)
    if meta is None or meta[1] > _MOST_BLOCK:
        return None
    inside, end = meta[0] + 4, meta[0] + meta[1]
    items, places = _box(file, b"iinf", inside, end), _box(file, b"iloc", inside, end)
    if items is None or places is None:
        return None
    number = _exif_item(_data(file, items))
    at = None if number is None else _place_of(_data(file, places), number)
    if at is None:
        return None
    file.seek(at)
    return int(at + 4 + struct.unpack(">I", file.read(4))[0])


def _data(file: BinaryIO, box: tuple[int, int]) -> bytes:
    """Raises ValueError where the box is larger than any that is wanted: memory is taken for what it claims to be."""
    if box[1] > _MOST_BLOCK:
        raise ValueError(f"a box of {box[1]} bytes")
    file.seek(box[0])
    return file.read(box[1])


def _box(file: BinaryIO, wanted: bytes, at: int, end: int | None) -> tuple[int, int] | None:
    """Where the inside of a box begins, and its bytes."""
    for _ in range(_MOST_PARTS):
        if end is not None and at + 8 > end:
            return None
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return None
        size, kind = struct.unpack(">I4s", head)
        begin = at + 8
        if size == 1:
            size, begin = struct.unpack(">Q", file.read(8))[0], at + 16
        if size < begin - at:
            return None
        if kind == wanted:
            return begin, at + size - begin
        at += size
    return None


def _exif_item(data: bytes) -> int | None:
    """The number of the item of type Exif in an `iinf` box."""
    wide = data[0] > 0
    at = 8 if wide else 6
    for _ in range(_MOST_PARTS):
        if at + 8 > len(data):
            return None
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"infe" and size >= 16 and data[at + 8] in (2, 3):
            long = data[at + 8] == 3
            number = struct.unpack_from(">I" if long else ">H", data, at + 12)[0]
            if data[at + (18 if long else 16) :][:4] == b"Exif":
                return int(number)
        at += max(size, 8)
    return None


def _place_of(data: bytes, wanted: int) -> int | None:
    """Where the first extent of an item lies in the file, from an `iloc` box; None where it lies elsewhere."""
    version, sizes = data[0], struct.unpack_from(">H", data, 4)[0]
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version in (1, 2) else 0
    long = version == 2
    count = struct.unpack_from(">I" if long else ">H", data, 6)[0]
    at = 10 if long else 8

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > len(data):
            raise ValueError("an item's place lies beyond its box")
        return int.from_bytes(data[at - size : at], "big")

    for _ in range(min(count, _MOST_BLOCK // 8)):
        item = number(4 if long else 2)
        method = number(2) & 15 if version in (1, 2) else 0
        number(2)
        base = number(base_size)
        extents = number(2)
        if item == wanted:
            number(index_size)
            return base + number(offset_size) if extents and method == 0 else None
        # Passed over as a whole: extents may have no bytes at all, and 65,535 of them would cost time all the same.
        at += extents * (index_size + offset_size + length_size)
    return None
