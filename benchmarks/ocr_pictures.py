"""Screenshots and captioned pictures whose words are known, in the scripts that the shipped models read; and in Greek.

The words are names of countries, languages and currencies (CLDR, by Babel). The fonts are those of Debian's packages
fonts-dejavu-core and fonts-droid-fallback; where one is not there, its scripts are left out, and a line says so.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from babel import Locale
from PIL import Image, ImageDraw, ImageFont

from sandbox.drawing.scene import draw, random_scene

SIZE = (720, 480)
_DEJAVU = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
_DROID = Path("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf")
# Ground, words, names of authors: dark and light, as chat programs have them.
_THEMES = (("#313338", "#dbdee1", "#5865f2"), ("#ffffff", "#202225", "#b5402f"), ("#f2efe6", "#3b3a36", "#2b6e4f"))
_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Script:
    """`locales`: whose names are drawn. `letters`: how short and how long a name may be. `goal`: of recall@1.

    None: the documents promise nothing.
    """

    name: str
    locales: tuple[str, ...]
    font: Path
    letters: tuple[int, int]
    goal: float | None
    written: Callable[[str], str] = str


def _bare_capitals(text: str) -> str:
    apart = unicodedata.normalize("NFD", text.upper())
    return unicodedata.normalize("NFC", "".join(sign for sign in apart if not unicodedata.combining(sign)))


_ACCENTED = ("de", "fr", "es", "pl", "tr", "hu", "cs", "pt")
SCRIPTS = (
    Script("Latin, English", ("en",), _DEJAVU, (5, 16), 0.95),
    Script("Latin, eight accented languages", _ACCENTED, _DEJAVU, (5, 16), 0.95),
    Script("Chinese, simplified", ("zh_Hans",), _DROID, (3, 7), 0.85),
    Script("Chinese, traditional", ("zh_Hant",), _DROID, (3, 7), 0.85),
    Script("Japanese", ("ja",), _DROID, (3, 9), 0.85),
    Script("Greek capitals, which are not promised", ("el",), _DEJAVU, (5, 16), None, _bare_capitals),
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture file, and words of it that follow one another: what somebody remembers."""

    data: bytes
    remembered: str


def readable(script: Script) -> bool:
    """Whether its font is there."""
    return script.font.is_file()


@cache
def names(script: Script) -> tuple[str, ...]:
    """What is drawn in this script."""
    least, most = script.letters
    found: set[str] = set()
    for code in script.locales:
        locale = Locale.parse(code)
        for names in (locale.territories, locale.languages, locale.currencies):
            found |= {script.written(name) for name in names.values()}
    return tuple(sorted(name for name in found if least <= len(name) <= most and name.replace(" ", "").isalpha()))


def screenshot(script: Script, rng: Random) -> Drawn:
    """Messages below each other, with the name of their author above each: PNG, or JPEG as phones send it."""
    ground, ink, accent = rng.choice(_THEMES)
    image = Image.new("RGB", SIZE, ground)
    pen = ImageDraw.Draw(image)
    size = rng.choice((15, 17, 20, 23))
    font, small = _font(script.font, size), _font(script.font, size - 2)
    lines = []
    y = rng.randint(10, 24)
    while y + 3 * size < SIZE[1]:
        pen.ellipse((16, y, 16 + 2 * size, y + 2 * size), fill=accent)
        pen.text((28 + 2 * size, y), rng.choice(names(script)), fill=accent, font=small)
        line = _fitting(script, rng, font, SIZE[0] - 60 - 2 * size)
        pen.text((28 + 2 * size, y + size * 1.3), " ".join(line), fill=ink, font=font)
        lines.append(line)
        y += round(size * 3.2)
    line = rng.choice([line for line in lines if len(line) >= 2] or lines)
    return Drawn(_file(image, rng), " ".join(line[:3]))


def captioned(script: Script, rng: Random) -> Drawn:
    """A drawing with a caption above and one below, in white letters with a dark edge."""
    image = draw(random_scene(rng), SIZE).convert("RGB")
    pen = ImageDraw.Draw(image)
    size = rng.choice((30, 36, 44))
    font = _font(script.font, size)
    captions = [_fitting(script, rng, font, SIZE[0] - 40) for _ in range(2)]
    for caption, y in zip(captions, (12, SIZE[1] - size - 26), strict=True):
        text = " ".join(caption)
        x = (SIZE[0] - pen.textlength(text, font)) / 2
        pen.text((x, y), text, fill="white", font=font, stroke_width=max(size // 14, 2), stroke_fill="black")
    return Drawn(_file(image, rng), " ".join(captions[0]))


def _fitting(script: Script, rng: Random, font: ImageFont.FreeTypeFont, width: float) -> Sequence[str]:
    """As many names, four at most, as stand in one line."""
    line: list[str] = []
    for _ in range(4):
        longer = [*line, rng.choice(names(script))]
        if line and font.getlength(" ".join(longer)) > width:
            break
        line = longer
    return line


@cache
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


def _file(image: Image.Image, rng: Random) -> bytes:
    file = io.BytesIO()
    if rng.random() < 0.5:
        image.save(file, "PNG", compress_level=1)
    else:
        image.save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
