"""Tells camera raw files from other TIFF files, by what their directories say. Pure; nothing of a file is trusted."""

from __future__ import annotations

import struct
from collections.abc import Iterator

RAW_FORMATS = ("DNG", "CR2", "NEF", "ARW")

_MOST_ENTRIES = 512  # of a directory
_MOST_INNER = 8  # directories that the first one names
_PHOTOMETRIC, _MAKE, _INNER, _DNG_VERSION = 262, 271, 330, 50_706
_MOSAIC = 32_803  # TIFF/EP: each pixel has one colour
_MAKERS = {b"NIKON": "NEF", b"SONY": "ARW"}


def raw_format(data: bytes) -> str | None:
    """The member of RAW_FORMATS that a TIFF file is; None where it is an ordinary one, or broken."""
    if data[8:10] == b"CR" and data[10:11] == b"\x02":
        return "CR2"
    order = "<" if data.startswith(b"II") else ">"
    try:
        first = dict(_entries(data, order, _number(data, order, 4)))
        if _DNG_VERSION in first:
            return "DNG"
        maker = _bytes(data, order, first.get(_MAKE))
        name = next((name for start, name in _MAKERS.items() if maker.upper().startswith(start)), None)
        if name is None:
            return None
        inner = [dict(_entries(data, order, offset)) for offset in _offsets(data, order, first.get(_INNER))]
    except (struct.error, IndexError):
        return None
    return name if any(_short(order, found.get(_PHOTOMETRIC)) == _MOSAIC for found in (first, *inner)) else None


def _entries(data: bytes, order: str, offset: int) -> Iterator[tuple[int, bytes]]:
    """Tag and entry (12 bytes) of a directory."""
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    for at in range(min(count, _MOST_ENTRIES)):
        entry = data[offset + 2 + 12 * at : offset + 14 + 12 * at]
        if len(entry) < 12:
            return
        yield struct.unpack_from(f"{order}H", entry)[0], entry


def _number(data: bytes, order: str, at: int) -> int:
    return int(struct.unpack_from(f"{order}I", data, at)[0])


def _short(order: str, entry: bytes | None) -> int:
    return 0 if entry is None else int(struct.unpack_from(f"{order}H", entry, 8)[0])


def _bytes(data: bytes, order: str, entry: bytes | None) -> bytes:
    if entry is None:
        return b""
    count = min(_number(entry, order, 4), 64)
    at = _number(entry, order, 8)
    return entry[8 : 8 + count] if count <= 4 else data[at : at + count]


def _offsets(data: bytes, order: str, entry: bytes | None) -> list[int]:
    if entry is None:
        return []
    count, at = min(_number(entry, order, 4), _MOST_INNER), _number(entry, order, 8)
    return [at] if count == 1 else [_number(data, order, at + 4 * each) for each in range(count)]
