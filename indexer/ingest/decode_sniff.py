"""What a file is, told by its bytes and never by its name (pure; imported by the decode workers)."""

from __future__ import annotations

import struct

# What Pillow may be asked to open. Everything here is decoded by a maintained C library or by Pillow's own bounded
# code; EPS (runs Ghostscript), PSD, WMF, FITS and the like stay shut.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")

_AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes of the headers BMP has had; "BM" alone begins many a text
# Pictures all right, but none that we open: these earn "unsupported" instead of "not a picture".
_OTHER_PICTURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x00\x00\x01\x00", "ICO"),
    (0, b"8BPS", "PSD"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"qoif", "QOI"),
    (0, b"DDS ", "DDS"),
    (0, b"II\x2b\x00", "BigTIFF"),
    (0, b"MM\x00\x2b", "BigTIFF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftyphev", "HEIC"),
    (0, b"%!PS", "EPS"),
    (0, b"v/1\x01", "OpenEXR"),
)


def known_format(data: bytes) -> str | None:
    """The member of FORMATS that `data` begins like, or None."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[4:8] == b"ftyp" and data[8:12] in _AVIF_BRANDS:
        return "AVIF"
    if (
        data.startswith(b"BM")
        and len(data) > 18
        and struct.unpack_from("<I", data, 14)[0] in (12, 40, 52, 56, 64, 108, 124)
    ):
        return "BMP"
    if data.startswith((b"II\x2a\x00", b"MM\x00\x2a")):
        return "TIFF"
    return None


def other_picture(data: bytes) -> str | None:
    """The name of a picture format that is recognised but not opened, or None."""
    for offset, magic, name in _OTHER_PICTURES:
        if data.startswith(magic, offset):
            return name
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head):
        return "SVG"
    return None


def breaks_off(data: bytes, picture_format: str) -> bool:
    """Whether the file ends before its own structure says it should. Only asked once decoding has failed."""
    if picture_format == "PNG":
        return b"IEND" not in data[-64:]
    if picture_format == "JPEG":
        return b"\xff\xd9" not in data[-4096:]  # cameras append a little after the end marker
    if picture_format == "WEBP":
        return len(data) < 12 or int(struct.unpack_from("<I", data, 4)[0]) + 8 > len(data)
    if picture_format == "GIF":
        return b"\x3b" not in data[-8:]
    if picture_format == "BMP":
        return int(struct.unpack_from("<I", data, 2)[0]) > len(data)
    if picture_format == "AVIF":
        return _boxes_break_off(data)
    order = "<" if data.startswith(b"II") else ">"  # TIFF: its directory, which most writers put last, must lie inside
    return len(data) < 8 or int(struct.unpack_from(f"{order}I", data, 4)[0]) >= len(data)


def _boxes_break_off(data: bytes) -> bool:
    """Whether the chain of ISO media boxes (ISO/IEC 14496-12, 4.2) reaches beyond the end of the file."""
    at = 0
    while at + 8 <= len(data):
        size = int(struct.unpack_from(">I", data, at)[0])
        if size == 1 and at + 16 <= len(data):
            size = int(struct.unpack_from(">Q", data, at + 8)[0])
        if size == 0:  # this box takes the rest
            return False
        if size < 8:
            return False  # nonsense rather than an early end
        at += size
    return at != len(data)
