"""Pictures with a ground and things on it, in which copies can be told by their pixels."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw


def scenery(seed: int, size: tuple[int, int] = (256, 192), moved: float = 0.0) -> Image.Image:
    """A soft ground with things on it. `moved`: by how much of the width the things stand elsewhere."""
    values = np.random.default_rng(seed)
    ground = Image.fromarray(values.integers(40, 216, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(ground)
    for number in range(9):
        x, y, side = values.uniform(0.05, 0.75), values.uniform(0.05, 0.75), values.uniform(0.08, 0.3)
        colour = tuple(values.integers(0, 256, 3).tolist())
        left, top = (x + moved) * size[0], y * size[1]
        box = (left, top, left + side * size[0], top + side * size[0])
        (pen.rectangle if number % 2 else pen.ellipse)(box, fill=colour, outline=(0, 0, 0))
    return ground


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()
