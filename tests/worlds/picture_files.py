"""Real picture files for the decode tests, drawn and encoded on demand."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from io import BytesIO
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw


def scene(width: int = 640, height: int = 480, seed: int = 0) -> Image.Image:
    """A picture whose top, bottom, left and right all differ: a soft background with shapes on it."""
    random = np.random.default_rng(seed)
    ground = Image.fromarray(random.integers(40, 216, (6, 8, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    draw = ImageDraw.Draw(ground)
    for _ in range(6):
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        reach = max(min(width, height) // 5, 1)
        draw.ellipse((x, y, x + reach, y + reach), fill=tuple(int(v) for v in random.integers(0, 256, 3)))
    draw.rectangle((0, 0, width // 4, height // 6), fill=(250, 20, 20))
    return ground


def encoded(image: Image.Image, picture_format: str, **options: Any) -> bytes:
    file = BytesIO()
    if picture_format == "PNG":
        options = {"compress_level": 1} | options  # the usual one takes five times as long, for the same pixels
    image.save(file, picture_format, **options)
    return file.getvalue()


def picture(seed: int, size: tuple[int, int] = (24, 20)) -> bytes:
    """A small PNG, a different one for each seed."""
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise), "PNG")


def moving(frames: list[Image.Image], picture_format: str, **options: Any) -> bytes:
    return encoded(frames[0], picture_format, save_all=True, append_images=frames[1:], duration=50, loop=0, **options)


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header claims so many pixels, and that contains none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, body) for kind, body in chunks)


@cache
def long_one() -> bytes:
    """A small file that takes a worker many seconds: 90 million pixels of a PNG that needs every filter. It takes a
    second to make."""
    side = 9_400
    row = b"\x04" + b"\x00" * (side * 3)
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


def jpeg_of_scans(repeats: int, side: int = 640) -> bytes:
    """A progressive JPEG whose last scan is repeated so many times:
    each repetition costs a pass over the whole picture.
    """
    data = encoded(scene(side, side), "JPEG", progressive=True, quality=30)
    at = data.rindex(b"\xff\xda")
    return data[:-2] + data[at:-2] * repeats + b"\xff\xd9"


def png_chunk(kind: bytes, body: bytes, *, sound: bool = True) -> bytes:
    """A chunk. If it is not `sound`, its checksum is wrong."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ (not sound))


def png_with(*chunks: bytes, image: Image.Image | None = None) -> bytes:
    """A PNG with these chunks after its header."""
    data = encoded(image or scene(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def _rgb() -> Image.Image:
    return scene()


def _grey() -> Image.Image:
    return scene().convert("L")


def _clear() -> Image.Image:
    clear = scene().convert("RGBA")
    clear.putalpha(_grey())
    return clear


_WAYS: Final[dict[str, Callable[[], bytes]]] = {
    "png": lambda: encoded(_rgb(), "PNG"),
    "png grey": lambda: encoded(_grey(), "PNG"),
    "png grey 16": lambda: encoded(Image.fromarray(np.asarray(_grey()).astype(np.uint16) << 8), "PNG"),
    "png clear": lambda: encoded(_clear(), "PNG"),
    "png palette": lambda: encoded(_rgb().quantize(64), "PNG"),
    "png bits": lambda: encoded(_rgb().convert("1"), "PNG"),
    "png grey clear": lambda: encoded(_clear().convert("LA"), "PNG"),
    "jpeg": lambda: encoded(_rgb(), "JPEG", quality=90),
    "jpeg progressive": lambda: encoded(_rgb(), "JPEG", quality=80, progressive=True),
    "jpeg grey": lambda: encoded(_grey(), "JPEG"),
    "jpeg cmyk": lambda: encoded(_rgb().convert("CMYK"), "JPEG"),
    "webp": lambda: encoded(_rgb(), "WEBP", quality=85),
    "webp lossless clear": lambda: encoded(_clear(), "WEBP", lossless=True),
    "gif": lambda: encoded(_rgb().quantize(128), "GIF"),
    "avif": lambda: encoded(_rgb(), "AVIF"),
    "bmp": lambda: encoded(_rgb(), "BMP"),
    "tiff": lambda: encoded(_rgb(), "TIFF"),
    "tiff lzw": lambda: encoded(_rgb(), "TIFF", compression="tiff_lzw"),
    "tiff float": lambda: encoded(Image.fromarray(np.asarray(_grey()).astype(np.float32) / 255), "TIFF"),
    "tiff 32 bit": lambda: encoded(_grey().convert("I"), "TIFF"),
    "tiff lab": lambda: encoded(Image.merge("LAB", (_grey(), _grey(), _grey())), "TIFF"),
}


class _Kinds(Mapping[str, bytes]):
    """One file of every format and of the unusual modes, by name. Each is made when it is first asked for: all of them
    together take a second, and most tests need one.
    """

    def __getitem__(self, kind: str) -> bytes:
        return _of_kind(kind)

    def __iter__(self) -> Iterator[str]:
        return iter(_WAYS)

    def __len__(self) -> int:
        return len(_WAYS)


@cache
def _of_kind(kind: str) -> bytes:
    return _WAYS[kind]()


KINDS: Final = _Kinds()
