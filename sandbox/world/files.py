"""Files as members upload them: bytes, or a drawing that is made on the first request."""

from __future__ import annotations

import io
import mimetypes
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image, UnidentifiedImageError

SPOILER: Final = 1 << 3
"""Attachment flag: hidden until clicked."""
ANIMATED: Final = 1 << 5
"""Attachment flag: moves."""

# The formats whose size Discord's own probe can read. Any other file is an attachment without width and height.
_MEASURED: Final = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")


@dataclass(frozen=True, slots=True)
class File:
    """A file to be posted. Use `File.of` for bytes and `File.drawn` for a picture that is drawn on demand.

    `size` is what Discord claims in bytes; for a drawn picture it is a guess. `width` and `height` are None for what
    Discord cannot measure.
    """

    name: str
    make: Callable[[], bytes]
    size: int
    width: int | None = None
    height: int | None = None
    content_type: str | None = None
    description: str | None = None
    flags: int = 0

    @staticmethod
    def of(name: str, data: bytes, *, description: str | None = None, spoiler: bool = False) -> File:
        """A file of these bytes, measured as Discord would: by its header, regardless of its name."""
        width, height, animated = _measure(data)
        flags = (SPOILER if spoiler else 0) | (ANIMATED if animated else 0)
        return File(name, lambda: data, len(data), width, height, _content_type(name), description, flags)

    @staticmethod
    def drawn(
        name: str, make: Callable[[], bytes], size: tuple[int, int], *, byte_count: int = 60_000,
        description: str | None = None, spoiler: bool = False, animated: bool = False,
    ) -> File:  # fmt: skip
        """A picture of `size` (width, height) pixels.
        `make` returns its bytes on request; `byte_count` is the claimed size.
        """
        flags = (SPOILER if spoiler else 0) | (ANIMATED if animated else 0)
        return File(name, make, byte_count, *size, _content_type(name), description, flags)

    @property
    def extension(self) -> str:
        """The name's ending, lower case, without its dot."""
        return self.name.rpartition(".")[2].lower()

    @property
    def data(self) -> bytes:
        """The bytes.
        A drawn picture is drawn at each request: a world of 100,000 pictures is too large to keep in memory.
        """
        return self.make()


def _content_type(name: str) -> str | None:
    return mimetypes.guess_type(name)[0]


def _measure(data: bytes) -> tuple[int | None, int | None, bool]:
    """(width, height, animated) from the header; (None, None, False) for what is not a picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_MEASURED) as image:
                return image.width, image.height, bool(getattr(image, "is_animated", False))
    except Image.DecompressionBombError:
        return _png_size(data)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None, None, False


def _png_size(data: bytes) -> tuple[int | None, int | None, bool]:
    """Width and height from a PNG's IHDR, for pictures whose size makes Pillow refuse them."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return None, None, False
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24]), False
