"""A decoded picture → the model's square: shrunk, turned upright and cropped in the same way as open_clip does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from indexer.records.pictures import Pixels, PixelSpec, ResizeMode

TRANSPOSE: dict[int, Image.Transpose] = {  # EXIF orientation → what puts the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A picture that was shrunk by whole factors. `width` and `height` are its true extent in its own pixels: 17 pixels
    shrunk by 4 become 5 pixels, and 4.25 of these contain the picture."""

    picture: Image.Image
    width: float
    height: float


def square(shrunk: Shrunk, upright: tuple[int, int], orientation: int, spec: PixelSpec) -> Pixels:
    """[size, size, 3]: resized, turned upright and cropped as open_clip's own transform does with the upright original.

    It is one resize with a box. Only pixels that remain are computed, so a strip of 10 × 1,000,000 costs no more than a
    square. `upright` is the size of the original after it was turned.
    """
    size = spec.size
    width, height = upright
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    resample = filters[spec.interpolation]
    target, box = (size, size), (0.0, 0.0, 1.0, 1.0)  # box: upright, in fractions
    if spec.resize_mode is ResizeMode.SHORTEST:
        if width <= height:
            scaled = max(int(size * height / width), size)
            top = round((scaled - size) / 2.0)
            box = (0.0, top / scaled, 1.0, (top + size) / scaled)
        else:
            scaled = max(int(size * width / height), size)
            left = round((scaled - size) / 2.0)
            box = (left / scaled, 0.0, (left + size) / scaled, 1.0)
    elif spec.resize_mode is ResizeMode.LONGEST:
        ratio = max(width, height) / size
        target = (max(round(width / ratio), 1), max(round(height / ratio), 1))
    lying = target[::-1] if orientation >= 5 else target
    resized = shrunk.picture.resize(lying, resample, box=_lying_box(box, orientation, shrunk))
    if orientation in TRANSPOSE:
        resized = resized.transpose(TRANSPOSE[orientation])
    if resized.size != (size, size):
        padded = Image.new("RGB", (size, size), (spec.fill,) * 3)
        padded.paste(resized, ((size - resized.width) // 2, (size - resized.height) // 2))
        resized = padded
    return np.asarray(resized)


def thumbnail(shrunk: Shrunk, upright: tuple[int, int], orientation: int, ratio: float) -> Pixels:
    """[height, width, 3]: the whole picture, upright, shrunk by `ratio` (at most 1).

    `upright` is the size of the original after it was turned.
    """
    width, height = (max(round(side * ratio), 1) for side in upright)
    lying = (height, width) if orientation >= 5 else (width, height)
    box = (0.0, 0.0, shrunk.width, shrunk.height)
    resized = shrunk.picture.resize(lying, Image.Resampling.HAMMING, box=box)
    return np.asarray(resized.transpose(TRANSPOSE[orientation]) if orientation in TRANSPOSE else resized)


def _lying_box(
    box: tuple[float, float, float, float], orientation: int, shrunk: Shrunk
) -> tuple[float, float, float, float]:
    """An upright box in fractions → the same box in the pixels of a picture with this EXIF orientation."""
    left, top, right, bottom = box
    if orientation >= 5:
        left, top, right, bottom = top, left, bottom, right
    if orientation in (2, 3, 7, 8):
        left, right = 1.0 - right, 1.0 - left
    if orientation in (3, 4, 6, 7):
        top, bottom = 1.0 - bottom, 1.0 - top
    pixels_wide, pixels_high = shrunk.picture.size  # rounded fractions must not exceed the size
    return (
        max(left * shrunk.width, 0.0),
        max(top * shrunk.height, 0.0),
        min(right * shrunk.width, pixels_wide),
        min(bottom * shrunk.height, pixels_high),
    )
