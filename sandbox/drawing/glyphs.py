"""The atlas of glyphs, and the figure of any concept: a square RGBA picture to be placed in a scene."""

import math
from functools import cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw

from sandbox.drawing.concepts import COLOURS, GLYPHS, Concept

ATLAS: Final = Path(__file__).with_name("glyphs.webp")
CELL: Final = 128
"""Side of one atlas cell, in pixels."""
COLUMNS: Final = 20

_DRAFT = 4 * CELL  # shapes are drawn four times larger and then reduced: Pillow's polygons have no antialiasing
_CELLS: Final = {concept.id: i for i, concept in enumerate(GLYPHS)}


@cache
def atlas() -> Image.Image:
    """The whole atlas, RGBA, COLUMNS cells wide."""
    with Image.open(ATLAS) as image:
        return image.convert("RGBA")


@cache
def figure(concept: Concept) -> Image.Image:
    """The concept as CELL × CELL RGBA pixels, transparent around it.
    The image is shared: callers must not draw on it.
    """
    if concept.shape:
        return _shape(concept.shape, COLOURS[concept.colour])
    cell = _CELLS[concept.id]
    left, top = cell % COLUMNS * CELL, cell // COLUMNS * CELL
    return atlas().crop((left, top, left + CELL, top + CELL))


def _points(shape: str) -> list[tuple[float, float]]:
    """Corners of a polygon shape in a unit square whose origin is its middle."""
    match shape:
        case "square":
            return [(-0.4, -0.4), (0.4, -0.4), (0.4, 0.4), (-0.4, 0.4)]
        case "triangle":
            return [(0, -0.45), (0.47, 0.4), (-0.47, 0.4)]
        case "star":
            turns = [(math.pi * i / 5 - math.pi / 2, 0.48 if i % 2 == 0 else 0.2) for i in range(10)]
            return [(radius * math.cos(turn), radius * math.sin(turn)) for turn, radius in turns]
        case "cross":
            arm, long = 0.15, 0.46
            return [(-arm, -long), (arm, -long), (arm, -arm), (long, -arm), (long, arm), (arm, arm),
                    (arm, long), (-arm, long), (-arm, arm), (-long, arm), (-long, -arm), (-arm, -arm)]  # fmt: skip
        case "arrow":
            return [(-0.46, -0.14), (0.05, -0.14), (0.05, -0.38), (0.47, 0), (0.05, 0.38), (0.05, 0.14), (-0.46, 0.14)]
    raise ValueError(f"no such polygon: {shape}")


def _shape(shape: str, fill: tuple[int, int, int]) -> Image.Image:
    # The rim keeps a shape visible on a background of its own colour.
    rim = tuple(round(channel * 0.45) for channel in fill)
    width = _DRAFT // 32
    draft = Image.new("RGBA", (_DRAFT, _DRAFT), (*fill, 0))
    pen = ImageDraw.Draw(draft)
    margin = 0.05 * _DRAFT
    disc = (margin, margin, _DRAFT - margin, _DRAFT - margin)
    if shape == "circle":
        pen.ellipse(disc, fill=fill, outline=rim, width=width)
    elif shape == "ring":
        hole = 0.28 * _DRAFT
        pen.ellipse(disc, fill=fill, outline=rim, width=width)
        pen.ellipse((hole, hole, _DRAFT - hole, _DRAFT - hole), fill=(*rim, 0), outline=rim, width=width)
    else:
        corners = [((x + 0.5) * _DRAFT, (y + 0.5) * _DRAFT) for x, y in _points(shape)]
        pen.polygon(corners, fill=fill)
        pen.line([*corners, *corners[:2]], fill=rim, width=width, joint="curve")
    return draft.resize((CELL, CELL), Image.Resampling.BOX)
