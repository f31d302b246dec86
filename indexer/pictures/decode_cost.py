"""What opening a file will cost, found before its pixels are decoded; whatever costs too much is rejected."""

from __future__ import annotations

import re
import struct

from indexer.errors import Reason, Rejected

# libjpeg-turbo goes over every block of a picture once a scan, however few bytes the scan has: 0.5 ns a pixel. Encoders
# write 1 to 12 scans. So many pixels are a second's work.
_MAX_SCAN_PIXELS = 2_000_000_000
_MAX_SCANS = 100
_MAX_SEGMENTS = 10_000  # of a JPEG, before and between scans; a camera's has some 20
_MAX_FRAMES = 10_000  # of an animation: 8 minutes at 20 a second; looking at so many takes half a second
_MAX_CHUNKS = 100_000  # of a PNG or a WebP: at the customary 8 KB each, 800 MB

# In entropy-coded data a 0xFF byte is followed by 0 or a restart marker; anything else is the next segment.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_SCAN, _END = 0xDA, 0xD9


def check_jpeg(data: bytes, pixels: int) -> int:
    """The number of scans. Raises Rejected where a JPEG of so many pixels has more than are opened."""
    scans = jpeg_scans(data)
    if scans > _MAX_SCANS or scans * pixels > _MAX_SCAN_PIXELS:
        raise Rejected(Reason.TOO_MANY_PARTS, f"{scans} scans or more of {pixels} pixels")
    return scans


def jpeg_scans(data: bytes) -> int:
    """The scans of a JPEG up to its end marker; counting stops beyond _MAX_SCANS.

    Raises Rejected where there are more segments than any writer makes.
    """
    at, scans = 2, 0
    for _ in range(_MAX_SEGMENTS):
        while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] == b"\xff":  # fill bytes
            at += 1
        if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] == _END:
            return scans
        kind = data[at + 1]
        if kind in _STANDALONE:
            at += 2
            continue
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
        if kind == _SCAN:
            scans += 1
            following = _MARKER.search(data, at)
            if following is None or scans > _MAX_SCANS:
                return scans
            at = following.start()
    raise Rejected(Reason.TOO_MANY_PARTS, f"over {_MAX_SEGMENTS} segments")


def check_frames(data: bytes, file_format: str) -> None:
    """Raises Rejected where an animation has more frames than are opened."""
    counted = {"GIF": _gif_frames, "PNG": _png_frames, "WEBP": _webp_frames}.get(file_format)
    if counted is not None and counted(data) > _MAX_FRAMES:
        raise Rejected(Reason.TOO_MANY_PARTS, f"over {_MAX_FRAMES} frames")


def _png_frames(data: bytes) -> int:
    """What the animation's own header says, which stands before the pixels."""
    at = data.find(b"acTL", 8, 4096)
    return int(struct.unpack_from(">I", data, at + 4)[0]) if 0 < at <= len(data) - 8 else 1


def _webp_frames(data: bytes) -> int:
    at, frames = 12, 0
    for _ in range(_MAX_CHUNKS):
        if at + 8 > len(data) or frames > _MAX_FRAMES:
            return frames
        frames += data[at : at + 4] == b"ANMF"
        size = int(struct.unpack_from("<I", data, at + 4)[0])
        at += 8 + size + size % 2
    raise Rejected(Reason.TOO_MANY_PARTS, f"over {_MAX_CHUNKS} chunks")


def _gif_frames(data: bytes) -> int:
    """Image blocks up to the end, or up to where the file is no GIF any more; the decoder complains about that."""

    def table(flags: int) -> int:
        return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

    if len(data) < 13:
        return 0
    at, frames = 13 + table(data[10]), 0
    while at + 10 < len(data) and frames <= _MAX_FRAMES:
        if data[at] == 0x2C:
            frames += 1
            at += 11 + table(data[at + 9])  # its header and the size of its codes
        elif data[at] == 0x21:
            at += 2
        else:
            return frames
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return frames
