"""`color:`: a colour by its name (English or German) or as #rrggbb. Pure."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from indexer.errors import TellPerson
from indexer.records.colours import Colour, Rgb, near, nearest_of

# The eleven basic colour terms of English (Berlin and Kay, 1969), and turquoise. A name means whatever is nearer to one
# of its colours than to those of the others.
_COLOURS: Final[dict[str, tuple[int, ...]]] = {
    "black": (0x000000, 0x141414),
    "grey": (0x404040, 0x808080, 0xB4B4B4),
    "white": (0xFFFFFF, 0xF0F0F0),
    "red": (0xFF0000, 0xC81E1E, 0x8B0000, 0xE84A4A),
    "orange": (0xFF8000, 0xFFA500, 0xF08A3C),
    "yellow": (0xFFFF00, 0xFFD700, 0xFFF08C, 0xC8B400),
    "green": (0x008000, 0x00FF00, 0x7FBF3F, 0x2E8B57, 0x90EE90, 0x1E461E, 0x6B8E23),
    "turquoise": (0x00FFFF, 0x40E0D0, 0x008080, 0x20B2AA),
    "blue": (0x0000FF, 0x3264D2, 0x000080, 0x87CEEB, 0x4682B4, 0x1E90FF),
    "purple": (0x800080, 0x8A2BE2, 0xC8A2DC, 0x9370DB, 0x4B0082),
    "pink": (0xFFC0CB, 0xFF69B4, 0xFF1493, 0xFF00FF, 0xE6A0B4),
    "brown": (0x8B4513, 0xA0622D, 0x5C3A1E, 0xC8A078, 0x3C2814),
}
_OTHER_NAMES: Final = {
    "gray": "grey",
    "cyan": "turquoise",
    "violet": "purple",
    "magenta": "pink",
    "schwarz": "black",
    "grau": "grey",
    "weiß": "white",
    "weiss": "white",
    "rot": "red",
    "gelb": "yellow",
    "grün": "green",
    "gruen": "green",
    "türkis": "turquoise",
    "tuerkis": "turquoise",
    "blau": "blue",
    "lila": "purple",
    "violett": "purple",
    "rosa": "pink",
    "braun": "brown",
}
NAMES: Final = tuple(_COLOURS)
ALL_NAMES: Final = (*NAMES, *_OTHER_NAMES)
_HEX: Final = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


def colour(text: str) -> Colour:
    """Raises TellPerson for what is neither a known name nor three or six hexadecimal digits."""
    name = text.strip().casefold()
    name = _OTHER_NAMES.get(name, name)
    if name in _COLOURS:
        return Colour(name, _named()[name])
    if (found := _HEX.fullmatch(name)) is None:
        raise TellPerson("grammar-colour", text=text, known=", ".join(NAMES))
    digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
    return Colour(f"#{digits}", near(_rgb(int(digits, 16))))


@cache
def _named() -> dict[str, bytes]:
    """The cells of each name."""
    owners = [name for name, colours in _COLOURS.items() for _ in colours]
    nearest = nearest_of([_rgb(value) for colours in _COLOURS.values() for value in colours])
    cells: dict[str, list[int]] = {name: [] for name in _COLOURS}
    for name, some in zip(owners, nearest, strict=True):
        cells[name].extend(some)
    return {name: bytes(sorted(some)) for name, some in cells.items()}


def _rgb(value: int) -> Rgb:
    return value >> 16, value >> 8 & 255, value & 255
