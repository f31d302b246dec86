"""Camera raw files through LibRaw: the preview that the camera embedded, or else the sensor's data, developed.

Runs in the decode workers, and only where the extra `raw` is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import rawpy
from PIL import Image

from indexer.errors import Reason, Rejected
from indexer.records.pictures import Pixels

# LibRaw's way to turn a picture upright → EXIF orientation.
_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}
# Bytes for each pixel of the sensor, and for each that is developed: LibRaw's four channels of 16 bits, its result of
# three bytes, and Pillow's copy.
_SENSOR, _DEVELOPED = 2, 8 + 3 + 4
_TOO_LARGE = (rawpy.LibRawUnsufficientMemoryError, rawpy.LibRawTooBigError, rawpy.LibRawMemPoolOverflowError)


@dataclass(frozen=True, slots=True)
class RawFile:
    """An open raw file. `width` and `height` are those of the sensor's picture before it is turned upright."""

    raw: rawpy.RawPy
    width: int
    height: int
    orientation: int

    def preview(self) -> bytes | None:
        """The largest JPEG that the camera embedded; None where there is none."""
        try:
            found = self.raw.extract_thumb()
        except rawpy.LibRawError:
            return None
        return bytes(found.data) if found.format == rawpy.ThumbFormat.JPEG else None

    def developed(self, half: bool, memory_bytes: int) -> Pixels:
        """[height, width, 3], not turned. `half`: at half the size, where four pixels of the sensor become one.

        Raises Rejected where it would need too much memory, LibRawError.
        """
        pixels = self.width * self.height
        needed = pixels * _SENSOR + (pixels // 4 if half else pixels) * _DEVELOPED
        if needed > memory_bytes:
            raise Rejected(Reason.TOO_MUCH_MEMORY, f"raw, {self.width} × {self.height}: about {needed:,} bytes")
        try:
            developed: Pixels = self.raw.postprocess(half_size=half, use_camera_wb=True, output_bps=8, user_flip=0)
        except _TOO_LARGE as error:
            raise Rejected(Reason.TOO_MUCH_MEMORY, f"raw: {error}") from error
        return developed


def open_raw(data: bytes, max_pixels: int) -> RawFile:
    """Reads what the file says of itself, and no pixels yet. Raises Rejected, LibRawError."""
    try:
        raw = rawpy.imread(BytesIO(data))
    except _TOO_LARGE as error:
        raise Rejected(Reason.TOO_MUCH_MEMORY, f"raw: {error}") from error
    sizes = raw.sizes
    if max(sizes.raw_width * sizes.raw_height, sizes.width * sizes.height) > max_pixels:
        raise Rejected(Reason.TOO_MANY_PIXELS, f"{sizes.raw_width} × {sizes.raw_height}")
    return RawFile(raw, sizes.width, sizes.height, _ORIENTATIONS.get(sizes.flip, 1))


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Raises what Pillow raises for a broken JPEG."""
    with Image.open(BytesIO(jpeg), formats=("JPEG",)) as image:
        return image.size
