"""Estimates the cost of opening a file before its pixels are decoded. A file that costs too much is rejected."""

from __future__ import annotations

import re
import struct

from indexer.errors import Reason, Rejected

# libjpeg-turbo visits every block of a picture once for each scan, even if the scan has few bytes: 0.5 ns a pixel.
# Encoders write 1 to 12 scans. This number of pixels takes one second.
_MAX_SCAN_PIXELS = 2_000_000_000
_MAX_SCANS = 100
_MAX_SEGMENTS = 10_000  # of a JPEG, before and between scans; a camera's has some 20
_MAX_FRAMES = 10_000  # of an animation: 8 minutes at 20 a second; counting them takes half a second
_MAX_CHUNKS = 100_000  # of a PNG or a WebP: at the customary 8 KB each, 800 MB

# In entropy-coded data a 0xFF byte is followed by 0 or a restart marker; anything else is the next segment.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))
_SCAN, _END = 0xDA, 0xD9


def check_jpeg(data: bytes, pixels: int) -> int:
    """The number of scans. Raises Rejected where a JPEG of this number of pixels has too many scans."""
    scans = jpeg_scans(data)
    if scans > _MAX_SCANS or scans * pixels > _MAX_SCAN_PIXELS:
        raise Rejected(Reason.TOO_MANY_PARTS, f"{scans} scans or more of {pixels} pixels")
    return scans


def jpeg_scans(data: bytes) -> int:
    """The number of scans of a JPEG up to its end marker. Counting stops above _MAX_SCANS.

    Raises Rejected where the file has more segments than any encoder writes.
    """
    offset, scans = 2, 0
    for _ in range(_MAX_SEGMENTS):
        while data[offset : offset + 1] == b"\xff" and data[offset + 1 : offset + 2] == b"\xff":  # fill bytes
            offset += 1
        if offset + 4 > len(data) or data[offset] != 0xFF or data[offset + 1] == _END:
            return scans
        kind = data[offset + 1]
        if kind in _STANDALONE:
            offset += 2
            continue
        offset += 2 + int(struct.unpack_from(">H", data, offset + 2)[0])
        if kind == _SCAN:
            scans += 1
            following = _MARKER.search(data, offset)
            if following is None or scans > _MAX_SCANS:
                return scans
            offset = following.start()
    raise Rejected(Reason.TOO_MANY_PARTS, f"over {_MAX_SEGMENTS} segments")


def check_frames(data: bytes, file_format: str) -> None:
    """Raises Rejected where an animation has too many frames."""
    counted = {"GIF": _gif_frames, "PNG": _png_frames, "WEBP": _webp_frames}.get(file_format)
    if counted is not None and counted(data) > _MAX_FRAMES:
        raise Rejected(Reason.TOO_MANY_PARTS, f"over {_MAX_FRAMES} frames")


def _png_frames(data: bytes) -> int:
    """The number of frames in the animation's header, which comes before the pixels."""
    offset = data.find(b"acTL", 8, 4096)
    return int(struct.unpack_from(">I", data, offset + 4)[0]) if 0 < offset <= len(data) - 8 else 1


def _webp_frames(data: bytes) -> int:
    offset, frames = 12, 0
    for _ in range(_MAX_CHUNKS):
        if offset + 8 > len(data) or frames > _MAX_FRAMES:
            return frames
        frames += data[offset : offset + 4] == b"ANMF"
        size = int(struct.unpack_from("<I", data, offset + 4)[0])
        offset += 8 + size + size % 2
    raise Rejected(Reason.TOO_MANY_PARTS, f"over {_MAX_CHUNKS} chunks")


def _gif_frames(data: bytes) -> int:
    """The number of image blocks, up to the end or to the first invalid byte (the decoder rejects such a file)."""

    def table(flags: int) -> int:
        return 3 << ((flags & 7) + 1) if flags & 0x80 else 0

    if len(data) < 13:
        return 0
    offset, frames = 13 + table(data[10]), 0
    while offset + 10 < len(data) and frames <= _MAX_FRAMES:
        if data[offset] == 0x2C:
            frames += 1
            offset += 11 + table(data[offset + 9])  # its header and the size of its codes
        elif data[offset] == 0x21:
            offset += 2
        else:
            return frames
        while offset < len(data) and data[offset]:
            offset += 1 + data[offset]
        offset += 1
    return frames
