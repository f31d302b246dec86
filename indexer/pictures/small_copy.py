"""A small copy of a picture as a file, to be shown beside a hit. Pure, and blocking: call it in a thread."""

from __future__ import annotations

import io

from PIL import Image

from indexer.records.pictures import Pixels

SIDE = 256  # pixels of a copy's longer side: Discord shows a thumbnail with 85
QUALITY = 80


def webp(picture: Pixels) -> bytes:
    """The picture as WebP, with at most SIDE pixels on its longer side."""
    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()
