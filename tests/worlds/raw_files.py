"""Camera raw files, written by hand: a sensor's mosaic as an uncompressed DNG, with a preview or without."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.worlds.picture_files import encoded

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SIGNED_RATIONAL = 1, 2, 3, 4, 5, 10
_FORMS = {_BYTE: "B", _SHORT: "H", _LONG: "I", _RATIONAL: "II", _SIGNED_RATIONAL: "ii"}
_WHITE = 65_535
# XYZ → the camera's own colours: those of sRGB's primaries under daylight, so that colours come out as they went in.
_COLOUR_MATRIX = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570)


@dataclass
class Directory:
    """A TIFF directory: values by tag, and data that a tag gives the place and the size of."""

    values: dict[int, tuple[int, list[int]]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    strip: bytes = b""
    inner: dict[int, Directory] = field(default_factory=dict)

    def size(self) -> int:
        """Bytes, with everything that it points to."""
        return len(self.written(0))

    def written(self, start: int) -> bytes:
        """As it stands at `start` of a file, little-endian."""
        entries: dict[int, tuple[int, int, bytes]] = {}
        for tag, (kind, numbers) in self.values.items():
            form = _FORMS[kind]
            data = struct.pack("<" + form[0] * len(numbers), *numbers)
            entries[tag] = (kind, len(numbers) // len(form), data)
        for tag, text in self.texts.items():
            data = text.encode() + b"\0"
            entries[tag] = (_ASCII, len(data), data)
        if self.strip:
            entries[273] = (_LONG, 1, b"")
            entries[279] = (_LONG, 1, struct.pack("<I", len(self.strip)))
        for tag in self.inner:
            entries[tag] = (_LONG, 1, b"")
        at = start + 2 + 12 * len(entries) + 4
        beside = b""

        def put(data: bytes) -> int:
            nonlocal beside
            offset = at + len(beside)
            beside += data + b"\0" * (len(data) % 2)
            return offset

        listed = b""
        for tag, (kind, count, data) in sorted(entries.items()):
            if tag == 273:
                data = struct.pack("<I", put(self.strip))
            elif tag in self.inner:
                offset = at + len(beside)
                data = struct.pack("<I", put(self.inner[tag].written(offset)))
            elif len(data) > 4:
                data = struct.pack("<I", put(data))
            listed += struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0")
        return struct.pack("<H", len(entries)) + listed + b"\0\0\0\0" + beside


def dng(
    scene: Image.Image,
    *,
    orientation: int = 1,
    preview: Image.Image | None = None,
    make: str = "Afterimage",
    taken: str = "",
    dng_tags: bool = True,
) -> bytes:
    """The scene as a sensor saw it: a Bayer mosaic (RGGB), 16 bits, linear. `preview`: embedded as a JPEG.

    `dng_tags=False`: what a maker's own format has of them.
    """
    raw = Directory(strip=_mosaic(scene).astype("<u2").tobytes())
    raw.values = {
        254: (_LONG, [0]),
        256: (_LONG, [scene.width]),
        257: (_LONG, [scene.height]),
        258: (_SHORT, [16]),
        259: (_SHORT, [1]),
        262: (_SHORT, [32_803]),
        277: (_SHORT, [1]),
        278: (_LONG, [scene.height]),
        284: (_SHORT, [1]),
        33_421: (_SHORT, [2, 2]),
        33_422: (_BYTE, [0, 1, 1, 2]),
    }
    if dng_tags:
        raw.values |= {50_714: (_SHORT, [0]), 50_717: (_LONG, [_WHITE])}
    first = raw
    if preview is not None:
        first = Directory(strip=encoded(preview, "JPEG", quality=90), inner={330: raw})
        first.values = {
            254: (_LONG, [1]),
            256: (_LONG, [preview.width]),
            257: (_LONG, [preview.height]),
            258: (_SHORT, [8, 8, 8]),
            259: (_SHORT, [7]),
            262: (_SHORT, [6]),
            277: (_SHORT, [3]),
            278: (_LONG, [preview.height]),
        }
    first.texts |= {271: make, 272: f"{make} One"}
    first.values[274] = (_SHORT, [orientation])
    if dng_tags:
        first.texts[50_708] = f"{make} One"
        first.values |= {
            50_706: (_BYTE, [1, 4, 0, 0]),
            50_707: (_BYTE, [1, 1, 0, 0]),
            50_721: (_SIGNED_RATIONAL, [part for value in _COLOUR_MATRIX for part in (round(value * 10_000), 10_000)]),
            50_728: (_RATIONAL, [1, 1, 1, 1, 1, 1]),
            50_778: (_SHORT, [21]),
        }
    if taken:
        first.inner[34_665] = Directory(texts={36_867: taken})
    return b"II\x2a\x00" + struct.pack("<I", 8) + first.written(8)


def _mosaic(scene: Image.Image) -> npt.NDArray[np.uint16]:
    """[height, width] of linear light, each pixel of one colour."""
    values = np.asarray(scene.convert("RGB"), np.float32) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    mosaic = linear[:, :, 1].copy()
    mosaic[0::2, 0::2] = linear[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = linear[1::2, 1::2, 2]
    return (mosaic * _WHITE).round().astype(np.uint16)
