"""A small copy of a picture as a file, to be shown beside a hit. Pure, and blocking: call it in a thread."""

from __future__ import annotations

import io

from PIL import Image

from indexer.records.pictures import THUMBNAIL_SIDE, Pixels

QUALITY = 80
# The fastest of libwebp's ways: a third of the time of Pillow's own choice (4), and files 7 % larger.
METHOD = 0


def webp(picture: Pixels) -> bytes:
    """The picture as WebP, with at most THUMBNAIL_SIDE pixels on its longer side."""
    image = Image.fromarray(picture)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY, method=METHOD)
    return file.getvalue()
