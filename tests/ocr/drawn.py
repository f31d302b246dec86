"""Pictures with words in them, drawn with the font that comes with Pillow."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont


def drawn(*lines: str, size: tuple[int, int] = (420, 160), letters: int = 26, turned: bool = False) -> bytes:
    """A PNG with these lines, black on white. `turned`: it lies on its side, and its Exif says so."""
    image = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(letters)
    for number, line in enumerate(lines):
        draw.text((16, 16 + number * letters * 2), line, fill="black", font=font)
    file = io.BytesIO()
    if turned:
        exif = Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    else:
        image.save(file, "PNG")
    return file.getvalue()


def texts(lines: Sequence[object]) -> list[str]:
    return [str(getattr(line, "text", line)) for line in lines]
