"""What a file is, told by its first bytes: real files of every kind that members take for a picture."""

from __future__ import annotations

import struct
from contextlib import suppress
from io import BytesIO

import pytest
from PIL import Image

from indexer.errors import Reason, Rejected
from indexer.pictures.extras import HEIC, installed
from indexer.pictures.file_type import FORMATS, picture_format
from tests.worlds.picture_files import KINDS, encoded, scene

SMALL = scene(64, 48)


def told(data: bytes) -> tuple[Reason, str]:
    with pytest.raises(Rejected) as caught:
        picture_format(data)
    return caught.value.reason, caught.value.file_format


def iso(major: bytes, *compatible: bytes) -> bytes:
    body = major + b"\x00\x00\x00\x00" + b"".join(compatible)
    return struct.pack(">I", 8 + len(body)) + b"ftyp" + body + b"\x00" * 64


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_format_that_is_opened_is_recognised(kind: str) -> None:
    found = picture_format(KINDS[kind])
    assert found.lower() == kind.split()[0]
    assert found in FORMATS


PICTURES = {
    "SVG": [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<?xml version='1.0'?>\n<svg/>"],
    "Photoshop": [b"8BPS\x00\x01" + b"\x00" * 40],
    "HEIF": [iso(b"mif1", b"mif1", b"miaf")],
    "JPEG XL": [b"\xff\x0a" + b"\x00" * 40],
    "ICO": [encoded(SMALL, "ICO")],
    "JPEG 2000": [encoded(SMALL, "JPEG2000"), encoded(SMALL, "JPEG2000", no_jp2=True)],
    "EPS": [encoded(SMALL, "EPS")],
    "QOI": [b"qoif" + b"\x00" * 40],
    "PCX": [encoded(SMALL, "PCX"), encoded(SMALL.quantize(16), "PCX")],
    "TGA": [
        encoded(SMALL, "TGA"),
        encoded(SMALL, "TGA")[:-26],  # as its first version was written: without a signature at the end
        encoded(SMALL.convert("L"), "TGA", compression="tga_rle"),
        encoded(SMALL.quantize(16), "TGA"),
    ],
    "Netpbm (PPM, PGM, PBM)": [
        encoded(SMALL, "PPM"),
        encoded(SMALL.convert("L"), "PPM"),
        encoded(SMALL.convert("1"), "PPM"),
        b"P3\n# by hand\n1 1\n255\n0 0 0\n",
    ],
}


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_a_picture_format_that_is_not_opened_is_named(name: str) -> None:
    for data in PICTURES[name]:
        assert told(data) == (Reason.UNSUPPORTED, name), data[:24]


VIDEOS = {
    "MP4": [iso(b"isom", b"isom", b"avc1", b"mp41"), iso(b"mp42", b"mp42"), iso(b"M4V ", b"M4V ")],
    "QuickTime": [iso(b"qt  ", b"qt  "), b"\x00\x00\x10\x00moov" + b"\x00" * 40],
    "WebM": [b"\x1a\x45\xdf\xa3" + b"\x00" * 40],
    "AVI": [b"RIFF\x00\x10\x00\x00AVI LIST" + b"\x00" * 40],
}


@pytest.mark.parametrize("name", sorted(VIDEOS))
def test_a_video_is_told_as_one(name: str) -> None:
    for data in VIDEOS[name]:
        assert told(data) == (Reason.VIDEO, name)


def test_a_document_is_told_as_one() -> None:
    paper = BytesIO()
    SMALL.save(paper, "PDF")
    assert told(paper.getvalue()) == (Reason.DOCUMENT, "PDF")


def test_an_avif_is_one_whatever_its_first_brand() -> None:
    real = encoded(SMALL, "AVIF")
    for major in (b"avif", b"mif1", b"msf1"):
        assert picture_format(real[:8] + major + real[12:]) == "AVIF"
    with Image.open(BytesIO(real[:8] + b"mif1" + real[12:])) as image:
        assert image.format == "AVIF"


@pytest.mark.parametrize(
    "data",
    [b"hello", b"\x00" * 500, b"MZ" + bytes(500), b"PK\x03\x04" + bytes(60), b"ID3\x04" + bytes(60), iso(b"M4A ")],
)
def test_anything_else_is_no_picture(data: bytes) -> None:
    assert told(data) == (Reason.NOT_A_PICTURE, "")


@pytest.mark.parametrize(
    "data", [iso(b"heic", b"mif1", b"heic"), iso(b"mif1", b"mif1", b"heic"), iso(b"msf1", b"msf1", b"hevc")]
)
def test_heic_is_opened_or_says_what_is_missing(data: bytes) -> None:
    if installed(HEIC):
        assert picture_format(data) == "HEIC"
    else:
        assert told(data) == (Reason.NEEDS_HEIC, "HEIC")


def test_nothing_is_empty() -> None:
    assert told(b"") == (Reason.EMPTY, "")


@pytest.mark.parametrize("length", range(1, 40))
def test_no_beginning_is_too_short_to_look_at(length: int) -> None:
    for files in (PICTURES, VIDEOS):
        for data in (content for found in files.values() for content in found):
            with suppress(Rejected):
                assert picture_format(data[:length]) in (*FORMATS, "HEIC")
