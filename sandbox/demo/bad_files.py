"""Files that look like pictures and cannot be read as pictures, as a year of uploads brings them."""

import io
import zlib
from typing import Final

from PIL import Image

from sandbox.world import File

HUGE_PX: Final = 50_000
"""Side of the picture that its header claims."""


def bad_files(good: Image.Image) -> list[tuple[str, File]]:
    """Pairs (what its poster writes, the file). Some files are made from one good picture."""
    png, jpeg = _encoded(good, "PNG"), _encoded(good, "JPEG")
    files: list[tuple[str, str, bytes]] = [
        ("the card was full", "IMG_4410.jpg", jpeg[: len(jpeg) // 2]),
        ("my disk is dying", "holiday.png", _scratched(png)),
        ("forgot to attach it properly", "empty.png", b""),
        ("poster for the party, print size", "poster_final_FINAL.png", huge_png(HUGE_PX, HUGE_PX)),
        ("notes from Thursday", "whiteboard.png", b"1. buy paint\n2. return the ladder\n3. ask Ruth about the hall\n"),
        ("the site gave me this", "download.jpg", b"<!doctype html><title>404</title><h1>Not found</h1>"),
        ("wrong ending, right picture", "actually_a_jpeg.png", jpeg),
        ("minutes as pdf", "minutes.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n"),
        ("sounds like the old boiler", "boiler.mp3", b"ID3\x04\x00\x00\x00\x00\x00\x00" + bytes(400)),
    ]
    return [(text, File.of(name, data)) for text, name, data in files]


def huge_png(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header claims width × height pixels."""
    header = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\x00\x00\x00"
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def _encoded(image: Image.Image, kind: str) -> bytes:
    held = io.BytesIO()
    image.save(held, kind)
    return held.getvalue()


def _scratched(png: bytes) -> bytes:
    """A PNG with a run of wrong bytes in the middle of its pixels."""
    middle = len(png) // 2
    return png[:middle] + bytes(64) + png[middle + 64 :]
