"""One picture of the whole demo: each question on the left of its card, the hits on the right."""

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError

Colour: TypeAlias = tuple[int, int, int]
_ACROSS: Final = 2  # cards side by side
_CELL: Final = 150  # side of a thumbnail, in pixels
_GAP: Final = 16
_LEFT: Final = 262  # the x coordinate of the first hit in a card, in pixels
_FULL: Final = _CELL + 46 + 2 * _GAP  # a card with pictures: room for two lines below them
_SMALL: Final = 92  # a card without
_HEAD: Final = 96
_PAPER: Final = (49, 51, 56)
_CARD: Final = (43, 45, 49)
_INK: Final = (242, 243, 245)
_SOFT: Final = (164, 168, 176)
_FOUND: Final = (87, 242, 135)
_MISSED: Final = (237, 66, 69)
_FRAME: Final = 4
_SIGNS: Final = "“”…·–"  # characters beyond ASCII that Pillow's own font contains


@dataclass(frozen=True, slots=True)
class Shown:
    """A hit: its picture's bytes (None: it has no thumbnail) and two lines about it."""

    picture: bytes | None
    first_line: str
    second_line: str
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A question: its kind, its picture and words, whether the answer was right, and its hits."""

    title: str
    words: str
    picture: Image.Image | None
    well: bool
    hits: Sequence[Shown] = field(default_factory=tuple)
    note: str = ""

    @property
    def height(self) -> int:
        """The height of its card, in pixels."""
        return _FULL if self.hits or self.picture else _SMALL


def contact_sheet(rows: Sequence[Row], path: Path, *, title: str, subtitle: str, most: int = 5) -> None:
    """Write the sheet as PNG to `path` (its folder is created). `most`: the number of hits that fit into a card."""
    wide = _LEFT + most * (_CELL + _GAP) + _GAP
    lines = [rows[i : i + _ACROSS] for i in range(0, len(rows), _ACROSS)]
    heights = [max(row.height for row in line) for line in lines]
    size = (_ACROSS * (wide + _GAP) + _GAP, _HEAD + sum(heights) + len(lines) * _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, 20), _plain(title), font=_font(30), fill=_INK)
    pen.text((_GAP, 60), _plain(subtitle), font=_font(16), fill=_SOFT)
    top = _HEAD
    for line, height in zip(lines, heights, strict=True):
        for i, row in enumerate(line):
            _draw_card(sheet, pen, row, (_GAP + i * (wide + _GAP), top), (wide, height))
        top += height + _GAP
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)


def _draw_card(
    sheet: Image.Image, pen: ImageDraw.ImageDraw, row: Row, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    left, top = corner
    wide, height = size
    pen.rounded_rectangle((left, top, left + wide, top + height), 12, fill=_CARD)
    pen.rounded_rectangle((left, top, left + 6, top + height), 3, fill=_FOUND if row.well else _MISSED)
    room = _LEFT - 2 * _GAP
    y = _paragraph(pen, row.title, (left + _GAP, top + 10), room, 15, _SOFT)
    if row.words:
        y = _paragraph(pen, f"“{row.words}”", (left + _GAP, y + 4), room, 22, _INK)
    if row.picture is not None:
        asked = row.picture.convert("RGB")
        asked.thumbnail((room, top + height - 12 - y - 8))
        sheet.paste(asked, (left + _GAP, y + 8))
    for i, hit in enumerate(row.hits):
        _draw_hit(sheet, pen, hit, left + _LEFT + i * (_CELL + _GAP), top + _GAP)
    if row.note:
        pen.text((left + _LEFT, top + _GAP), _plain(row.note), font=_font(18), fill=_SOFT)


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
    pen.text((left, top + _CELL + 10), _fitted(hit.first_line, _CELL, 15), font=_font(15), fill=_INK)
    pen.text((left, top + _CELL + 30), _fitted(hit.second_line, _CELL, 12), font=_font(12), fill=_SOFT)


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


def _plain(text: str) -> str:
    """`text` without the accents that Pillow's own font does not contain."""
    parts = (c if c in _SIGNS else unicodedata.normalize("NFKD", c) for c in text)
    return "".join(c for part in parts for c in part if c.isascii() or c in _SIGNS)


def _fitted(text: str, width: int, size: int) -> str:
    """`text`, shortened with an ellipsis if it is wider than `width` pixels."""
    font, text = _font(size), _plain(text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip(" ·") + "…"


def _paragraph(pen: ImageDraw.ImageDraw, text: str, at: tuple[int, int], width: int, size: int, ink: Colour) -> int:
    """Write `text` in lines of at most `width` pixels. Returns the y coordinate of the next line."""
    font = _font(size)
    lines = [""]
    for word in _plain(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    for i, line in enumerate(lines):
        pen.text((at[0], at[1] + i * round(size * 1.3)), line, font=font, fill=ink)
    return at[1] + len(lines) * round(size * 1.3)
