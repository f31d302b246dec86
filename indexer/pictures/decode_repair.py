"""Repairs files whose pixels are complete, but which have another part that is broken or too large for Pillow."""

from __future__ import annotations

import struct
import zlib

from indexer.errors import Reason, Rejected

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Chunks of a PNG that decide how its pixels look. All others (texts, XMP, times, data of draw.io and Photoshop) are not
# used here, and Pillow refuses pictures whose texts unpack to more than a megabyte.
_KEPT = frozenset((b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"eXIf", b"sRGB", b"gAMA"))
_CRITICAL = frozenset((b"IHDR", b"PLTE", b"IDAT", b"IEND"))
MAX_PROFILE = 4 * 1024**2  # bytes of a colour profile, unpacked; a printer's has half of that
_MAX_CHUNKS = 100_000

JPEG_END = b"\xff\xd9"
# Bytes that an entropy decoder reads as more picture data. They are seldom zero and never 0xFF, so that any missing
# block looks different with them and without them.
_MORE = bytes(1 + (at * 73 + 41) % 253 for at in range(64))


def without_extras(data: bytes) -> bytes:
    """A PNG without chunks that do not change how it looks, and without damaged ones (EXIF, a colour profile).

    Damaged pixels are kept, so that the decoder finds them. Raises Rejected for a file of too many chunks.
    """
    kept: list[bytes] = []
    at = len(_SIGNATURE)
    whole = True
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(data):
            kept.append(data[at:])
            break
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if kind in _CRITICAL or (kind in _KEPT and _is_sound(data, at, kind, end)):
            kept.append(data[at:end])
        else:
            whole = False
        at = end
        if kind == b"IEND":
            break
    else:
        raise Rejected(Reason.TOO_MANY_PARTS, f"over {_MAX_CHUNKS} chunks")
    return data if whole else _SIGNATURE + b"".join(kept)


def _is_sound(data: bytes, at: int, kind: bytes, end: int) -> bool:
    if kind in (b"fcTL", b"fdAT", b"acTL"):  # pixels: the decoder must find their damage
        return True
    if end > len(data) or zlib.crc32(data[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
        return False
    return kind != b"iCCP" or _profile_fits(data[at + 8 : end - 4])


def _profile_fits(chunk: bytes) -> bool:
    """Whether a colour profile (name, 0, method, zlib stream) unpacks to no more than MAX_PROFILE."""
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(chunk[chunk.index(b"\x00") + 2 :], MAX_PROFILE)
    except (ValueError, zlib.error):
        return False
    return unpacking.eof


def ends_early(data: bytes) -> bool:
    """Whether a JPEG has no end marker; cameras append a little after it."""
    return JPEG_END not in data[-4096:]


def with_end(data: bytes) -> tuple[bytes, bytes]:
    """Two versions of a JPEG that lacks its end marker: with the marker added, and with more data before the marker.

    If all pixels are present, no decoder reads these data, and both versions show the same picture.
    """
    data = data.removesuffix(b"\xff")
    return data + JPEG_END, data + _MORE + JPEG_END
