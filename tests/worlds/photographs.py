"""Folders of photographs: files whose Exif says when, with what and where they were taken."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from tests.worlds.picture_files import scene

MUNICH = (48.137, 11.575)
CAPE_TOWN = (-33.925, 18.424)


def exif(
    taken: str = "",
    offset: str = "",
    make: str = "",
    model: str = "",
    lens: str = "",
    place: tuple[float, float] | None = None,
    orientation: int = 1,
) -> Image.Exif:
    """As a camera writes it."""
    said = Image.Exif()
    said[0x010F], said[0x0110], said[0x0112] = make, model, orientation
    inner = said.get_ifd(0x8769)
    inner[0x9003], inner[0x9011], inner[0xA434] = taken, offset, lens
    if place is not None:
        gps = said.get_ifd(0x8825)
        gps[1], gps[2] = "S" if place[0] < 0 else "N", _parts(place[0])
        gps[3], gps[4] = "W" if place[1] < 0 else "E", _parts(place[1])
    return said


def _parts(degrees: float) -> tuple[float, float, float]:
    whole, rest = divmod(abs(degrees), 1)
    minutes, rest = divmod(rest * 60, 1)
    return whole, minutes, round(rest * 60, 3)


def photograph(seed: int, picture_format: str = "JPEG", size: tuple[int, int] = (48, 36), /, **said: Any) -> bytes:
    """A small picture file. As TIFF it has no pixels."""
    if picture_format == "TIFF":  # Pillow writes no Exif there
        return exif(**said).tobytes().removeprefix(b"Exif\0\0")
    file = BytesIO()
    scene(*size, seed=seed).save(file, picture_format, exif=exif(**said))
    return file.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
