"""A contact sheet: the pictures of the question on the left, the hits on the right, as one PNG.

Pure, and blocking: call it in a thread.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from indexer.records.pictures import Pixels

CELL = 180  # pixels on each side
GAP = 12
CAPTION = 40  # pixels below a picture
COLUMNS = 5
MAX_HITS = 20
_BACK = (43, 45, 49)
_INK = (219, 222, 225)
_DIM = (148, 155, 164)
_ACCENT = (91, 141, 239)


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture, RGB uint8 of any size; None is drawn as an empty box. `title` and `note` are two short lines."""

    pixels: Pixels | None
    title: str
    note: str = ""


def contact_sheet(asked: Sequence[Cell], hits: Sequence[Cell], heading: str) -> bytes:
    """A PNG. At most MAX_HITS hits are drawn, COLUMNS in a row.
    If no pictures were asked with, only the hits are drawn.
    """
    hits = hits[:MAX_HITS]
    asked = asked[:MAX_HITS]
    columns = min(COLUMNS, max(len(hits), 1))
    rows = max(-(-len(hits) // columns), len(asked), 1)
    left = CELL + 3 * GAP if asked else GAP
    top = 2 * GAP + 24
    size = (left + columns * (CELL + GAP), top + rows * (CELL + CAPTION + GAP))
    sheet = Image.new("RGB", size, _BACK)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, GAP), _fitting(draw, heading, size[0] - 2 * GAP, 18), fill=_INK, font=_font(18))
    for row, cell in enumerate(asked):
        _draw_cell(sheet, draw, cell, (GAP, top + row * (CELL + CAPTION + GAP)), _ACCENT)
    if asked:
        x = CELL + 2 * GAP
        draw.line((x, top, x, size[1] - GAP), fill=_DIM, width=1)
    for number, cell in enumerate(hits):
        row, column = divmod(number, columns)
        _draw_cell(sheet, draw, cell, (left + column * (CELL + GAP), top + row * (CELL + CAPTION + GAP)), None)
    file = BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()


def shrunk(pixels: Pixels) -> Pixels:
    """The picture, reduced to at most a cell, so that it can be kept for a while."""
    height, width = pixels.shape[:2]
    if max(height, width) <= CELL:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _draw_cell(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    cell: Cell,
    corner: tuple[int, int],
    frame: tuple[int, int, int] | None,
) -> None:
    x, y = corner
    if cell.pixels is None:
        draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), outline=_DIM)
    else:
        image = Image.fromarray(cell.pixels)
        scale = CELL / max(image.size)
        image = image.resize(
            (max(round(image.width * scale), 1), max(round(image.height * scale), 1)), Image.Resampling.LANCZOS
        )
        sheet.paste(image, (x + (CELL - image.width) // 2, y + (CELL - image.height) // 2))
    if frame is not None:
        draw.rectangle((x - 2, y - 2, x + CELL + 1, y + CELL + 1), outline=frame, width=2)
    draw.text((x, y + CELL + 3), _fitting(draw, cell.title, CELL, 14), fill=_INK, font=_font(14))
    draw.text((x, y + CELL + 20), _fitting(draw, cell.note, CELL, 12), fill=_DIM, font=_font(12))


def _fitting(draw: ImageDraw.ImageDraw, text: str, width: int, size: int) -> str:
    """`text` in letters that the font has, shortened with an ellipsis to `width` pixels."""
    font = _font(size)
    text = " ".join(text.encode("utf-8", "ignore").decode().split())
    end = "…"
    if _face() is None:  # Pillow's own font contains ASCII only
        text = unicodedata.normalize("NFKD", text.translate(_PLAIN)).encode("ascii", "ignore").decode()
        end = "..."
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + end, font=font) > width:
        text = text[:-1]
    return text + end


_PLAIN = {ord("·"): "-", ord("…"): "...", ord("“"): '"', ord("”"): '"', ord("ß"): "ss"}


@cache
def _face() -> str | None:
    """A font of this machine with more letters than Pillow's own font, if there is one."""
    for name in ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf"):
        try:
            ImageFont.truetype(name, 12)
        except OSError:
            continue
        return name
    return None


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    face = _face()
    return ImageFont.load_default(size) if face is None else ImageFont.truetype(face, size)
