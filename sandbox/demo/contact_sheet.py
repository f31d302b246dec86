"""One picture of the whole demo: each question on the left, what was found on the right."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

_CELL: Final = 168  # side of a thumbnail, in pixels
_GAP: Final = 20
_LEFT: Final = 300
_TEXT: Final = 46  # room for two lines under a thumbnail
_ROW: Final = _CELL + _TEXT + 2 * _GAP
_HEAD: Final = 96
_PAPER: Final = (49, 51, 56)
_CARD: Final = (43, 45, 49)
_INK: Final = (242, 243, 245)
_SOFT: Final = (164, 168, 176)
_FOUND: Final = (87, 242, 135)
_MISSED: Final = (237, 66, 69)
_FRAME: Final = 4


@dataclass(frozen=True, slots=True)
class Shown:
    """A hit: its picture's bytes (None: it has no thumbnail) and two lines about it."""

    picture: bytes | None
    first_line: str
    second_line: str
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A question: what it was, its picture and words, whether it went as it should, and its hits."""

    title: str
    words: str
    picture: Image.Image | None
    well: bool
    hits: Sequence[Shown] = field(default_factory=tuple)
    note: str = ""


def contact_sheet(rows: Sequence[Row], path: Path, *, title: str, subtitle: str, columns: int = 5) -> None:
    """Write the sheet as PNG to `path` (its folder is made)."""
    width = _LEFT + columns * (_CELL + _GAP) + 2 * _GAP
    sheet = Image.new("RGB", (width, _HEAD + len(rows) * _ROW + _GAP), _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, 22), title, font=_font(30), fill=_INK)
    pen.text((_GAP, 60), subtitle, font=_font(16), fill=_SOFT)
    for i, row in enumerate(rows):
        _draw_row(sheet, pen, row, _HEAD + i * _ROW)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)


def _draw_row(sheet: Image.Image, pen: ImageDraw.ImageDraw, row: Row, top: int) -> None:
    pen.rounded_rectangle((_GAP // 2, top, sheet.width - _GAP // 2, top + _ROW - 10), 12, fill=_CARD)
    pen.rounded_rectangle((_GAP // 2, top, _GAP // 2 + 5, top + _ROW - 10), 2, fill=_FOUND if row.well else _MISSED)
    y = top + _GAP // 2
    y = _paragraph(pen, row.title, (_GAP + 6, y), _LEFT - 2 * _GAP, 16, _SOFT)
    if row.words:
        y = _paragraph(pen, f"“{row.words}”", (_GAP + 6, y + 4), _LEFT - 2 * _GAP, 24, _INK)
    if row.picture is not None:
        room = (_LEFT - 3 * _GAP, top + _ROW - 24 - y)
        query = row.picture.convert("RGB")
        query.thumbnail(room)
        sheet.paste(query, (_GAP + 6, y + 8))
    for i, hit in enumerate(row.hits):
        _draw_hit(sheet, pen, hit, _LEFT + i * (_CELL + _GAP), top + _GAP // 2)
    if row.note:
        _paragraph(pen, row.note, (_LEFT, top + _GAP), sheet.width - _LEFT - 2 * _GAP, 18, _SOFT)


def _draw_hit(sheet: Image.Image, pen: ImageDraw.ImageDraw, hit: Shown, left: int, top: int) -> None:
    box = (left, top, left + _CELL, top + _CELL)
    pen.rounded_rectangle(box, 8, fill=_PAPER)
    picture = _opened(hit.picture)
    if picture is None:
        pen.text((left + _CELL / 2, top + _CELL / 2), "no preview", font=_font(14), fill=_SOFT, anchor="mm")
    else:
        picture.thumbnail((_CELL, _CELL))
        sheet.paste(picture, (left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2))
    if hit.expected:
        edge = tuple(side + shift * _FRAME for side, shift in zip(box, (-1, -1, 1, 1), strict=True))
        pen.rounded_rectangle(edge, 10, outline=_FOUND, width=_FRAME)
    pen.text((left, top + _CELL + 8), _fitted(hit.first_line, _CELL, 15), font=_font(15), fill=_INK)
    pen.text((left, top + _CELL + 28), _fitted(hit.second_line, _CELL, 13), font=_font(13), fill=_SOFT)


def _opened(data: bytes | None) -> Image.Image | None:
    if data is None:
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")
    except (UnidentifiedImageError, OSError):
        return None


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fitted(text: str, width: int, size: int) -> str:
    """`text`, cut with an ellipsis where it is wider than `width` pixels."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _paragraph(
    pen: ImageDraw.ImageDraw, text: str, at: tuple[int, int], width: int, size: int, ink: tuple[int, int, int]
) -> int:
    """Write `text` in lines of at most `width` pixels; returns where the next line would begin."""
    font = _font(size)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    for i, line in enumerate(lines):
        pen.text((at[0], at[1] + i * round(size * 1.3)), line, font=font, fill=ink)
    return at[1] + len(lines) * round(size * 1.3)
