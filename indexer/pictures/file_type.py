"""Finds the type of a file by its bytes, never by its name (pure; imported by the bot and by the decode workers)."""

from __future__ import annotations

import struct

from indexer.errors import Reason, Rejected
from indexer.pictures.extras import HEIC, RAW, VIDEO, Extra, installed
from indexer.pictures.raw_type import RAW_FORMATS, raw_format

# The formats that Pillow may open. A maintained C library or Pillow's own bounded code decodes each of them. EPS (runs
# Ghostscript), PSD, WMF, FITS and similar formats are not opened.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")
VIDEO_FORMATS = ("MP4", "QuickTime", "WebM")

_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # sizes of the known BMP headers; a text may begin with "BM" too
# Files that members may post as pictures, and what they are: offset, bytes there, reason, name.
_NAMED: tuple[tuple[int, bytes, Reason, str], ...] = (
    (0, b"\x00\x00\x01\x00", Reason.UNSUPPORTED, "ICO"),
    (0, b"8BPS", Reason.UNSUPPORTED, "Photoshop"),
    (0, b"gimp xcf ", Reason.UNSUPPORTED, "GIMP"),
    (0, b"\xff\x0a", Reason.UNSUPPORTED, "JPEG XL"),
    (0, b"\x00\x00\x00\x0cJXL ", Reason.UNSUPPORTED, "JPEG XL"),
    (0, b"\x00\x00\x00\x0cjP  ", Reason.UNSUPPORTED, "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", Reason.UNSUPPORTED, "JPEG 2000"),  # a codestream without the boxes around it (.j2k)
    (0, b"qoif", Reason.UNSUPPORTED, "QOI"),
    (0, b"DDS ", Reason.UNSUPPORTED, "DDS"),
    (0, b"icns", Reason.UNSUPPORTED, "ICNS"),
    (0, b"II\x2b\x00", Reason.UNSUPPORTED, "BigTIFF"),
    (0, b"MM\x00\x2b", Reason.UNSUPPORTED, "BigTIFF"),
    (0, b"%!PS", Reason.UNSUPPORTED, "EPS"),
    (0, b"v/1\x01", Reason.UNSUPPORTED, "OpenEXR"),
    (0, b"%PDF-", Reason.DOCUMENT, "PDF"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Reason.DOCUMENT, "Office"),
    (0, b"\x1a\x45\xdf\xa3", Reason.VIDEO, "WebM"),
    (0, b"FLV\x01", Reason.VIDEO, "FLV"),
    (0, b"\x00\x00\x01\xba", Reason.VIDEO, "MPEG"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Reason.VIDEO, "WMV"),
    (4, b"moov", Reason.VIDEO, "QuickTime"),
    (4, b"mdat", Reason.VIDEO, "QuickTime"),
    (8, b"AVI LIST", Reason.VIDEO, "AVI"),
)
# ISO media files (ISO/IEC 14496-12): a brand names the content. mif1 and msf1 only mean a HEIF picture; the compatible
# brands name its codec.
_AVIF = frozenset((b"avif", b"avis"))
_HEIC = frozenset((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"))
_HEIF = frozenset((b"mif1", b"mif2", b"msf1", b"miaf"))


def picture_format(data: bytes, *, videos: bool = False) -> str:
    """The member of FORMATS that the first bytes show, or one of RAW_FORMATS, or "HEIC". For every other file raises
    Rejected, which names its type, also where only the extra is missing that would open it.

    `videos`: also one of VIDEO_FORMATS, where the extra for them is installed.
    """
    if not data:
        raise Rejected(Reason.EMPTY)
    file_format = _known(data)
    if file_format in RAW_FORMATS:
        _require(RAW, Reason.NEEDS_RAW, file_format)
    if file_format == "HEIC":
        _require(HEIC, Reason.NEEDS_HEIC, file_format)
    if file_format is not None:
        return file_format
    reason, name = _other(data)
    if videos and name in VIDEO_FORMATS and installed(VIDEO):
        return name
    raise Rejected(reason, name, file_format=name)


def _require(extra: Extra, reason: Reason, file_format: str) -> None:
    if not installed(extra):
        raise Rejected(reason, f"{file_format}: pip install 'afterimage[{extra.name}]'", file_format=file_format)


def _known(data: bytes) -> str | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[4:8] == b"ftyp" and (brand := _iso_media(data)[1]) in ("AVIF", "HEIC"):
        return brand
    if data.startswith(b"BM") and len(data) > 18 and struct.unpack_from("<I", data, 14)[0] in _BMP_HEADERS:
        return "BMP"
    if data.startswith((b"II\x2a\x00", b"MM\x00\x2a")):
        return raw_format(data) or "TIFF"
    return None


def _other(data: bytes) -> tuple[Reason, str]:
    """The reason why a file is not opened, and the name of its format ("" where it is unknown)."""
    if data[4:8] == b"ftyp":
        return _iso_media(data)
    for offset, magic, reason, name in _NAMED:
        if data.startswith(magic, offset):
            return reason, name
    if _is_netpbm(data):
        return Reason.UNSUPPORTED, "Netpbm (PPM, PGM, PBM)"
    if _is_pcx(data):
        return Reason.UNSUPPORTED, "PCX"
    if _is_tga(data):
        return Reason.UNSUPPORTED, "TGA"
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"<svg") or (head.startswith(b"<?xml") and b"<svg" in head):
        return Reason.UNSUPPORTED, "SVG"
    return Reason.NOT_A_PICTURE, ""


def _iso_media(data: bytes) -> tuple[Reason, str]:
    """An ISO media file by its brands: (any reason, "AVIF") for the one that is opened."""
    end = min(int(struct.unpack_from(">I", data)[0]), len(data), 256)
    major, compatible = data[8:12], {data[at : at + 4] for at in range(16, end - 3, 4)}
    for brands in ({major}, compatible):
        if brands & _AVIF:
            return Reason.UNSUPPORTED, "AVIF"
        if brands & _HEIC:
            return Reason.UNSUPPORTED, "HEIC"
    if {major, *compatible} & _HEIF:
        return Reason.UNSUPPORTED, "HEIF"
    if major == b"crx ":
        return Reason.UNSUPPORTED, "Canon raw"
    if major in (b"M4A ", b"M4B ", b"f4a "):
        return Reason.NOT_A_PICTURE, ""
    return Reason.VIDEO, "QuickTime" if major == b"qt  " else "MP4"


def _is_netpbm(data: bytes) -> bool:
    """P1 to P7, PF or Pf, a blank, and a number or comment (P7: a word)."""
    if data[:2] in (b"P7", b"PF", b"Pf"):
        return data[2:3] == b"\n"
    return data[:1] == b"P" and data[1:2] in b"123456" and data[2:3] in b" \t\r\n" and data[3:4] in b"#0123456789 \n"


def _is_pcx(data: bytes) -> bool:
    """Byte by byte: maker, version, run-length encoding, bits a pixel; byte 64 is reserved and 0."""
    return (
        len(data) > 128
        and data[0] == 0x0A
        and data[1] in (0, 2, 3, 4, 5)
        and data[2] == 1
        and data[3] in (1, 2, 4, 8)
        and data[64] == 0
    )


def _is_tga(data: bytes) -> bool:
    """Tests the signature at the end. The first version has none, so every field of its header must be valid."""
    if data[-18:] == b"TRUEVISION-XFILE.\x00":
        return True
    if len(data) < 18:
        return False
    skipped, palette, kind, first, colours, entry, _, _, width, height, depth, _ = struct.unpack_from(
        "<BBBHHBHHHHBB", data
    )
    if kind not in (1, 2, 3, 9, 10, 11) or not width or not height or depth not in (8, 15, 16, 24, 32):
        return False
    if palette != (kind in (1, 9)) or (not palette and (first or colours or entry)):
        return False
    if kind >= 9:  # run-length encoded
        return True
    pixels: int = 18 + skipped + colours * ((entry + 7) // 8) + width * height * ((depth + 7) // 8)
    return len(data) >= pixels


def breaks_off(data: bytes, file_format: str) -> bool:
    """Whether the file ends earlier than its own structure says. It is used only after decoding has failed."""
    if file_format == "PNG":
        return b"IEND" not in data[-64:]
    if file_format == "JPEG":
        return b"\xff\xd9" not in data[-4096:]  # cameras append a little after the end marker
    if file_format == "WEBP":
        return len(data) < 12 or int(struct.unpack_from("<I", data, 4)[0]) + 8 > len(data)
    if file_format == "GIF":
        return b"\x3b" not in data[-8:]
    if file_format == "BMP":
        return int(struct.unpack_from("<I", data, 2)[0]) > len(data)
    if file_format in ("AVIF", "HEIC", "MP4", "QuickTime"):
        return _boxes_break_off(data)
    if file_format == "WebM":
        return False  # its parts may be of unknown length
    order = "<" if data.startswith(b"II") else ">"  # TIFF: its directory, which most writers put last, must lie inside
    return len(data) < 8 or int(struct.unpack_from(f"{order}I", data, 4)[0]) >= len(data)


def _boxes_break_off(data: bytes) -> bool:
    """Whether the chain of ISO media boxes (ISO/IEC 14496-12, 4.2) reaches beyond the end of the file."""
    offset = 0
    while offset + 8 <= len(data):
        size = int(struct.unpack_from(">I", data, offset)[0])
        if size == 1 and offset + 16 <= len(data):
            size = int(struct.unpack_from(">Q", data, offset + 8)[0])
        if size == 0:  # this box takes the rest
            return False
        if size < 8:
            return False  # an invalid box, not an early end
        offset += size
    return offset != len(data)
