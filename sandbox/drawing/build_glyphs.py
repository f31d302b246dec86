"""Build step: render the concepts' emoji into the atlas that the project ships. `python -m sandbox.drawing.build_glyphs
FONT`.

FONT is Noto Color Emoji as a bitmap (CBDT) font; Debian's package is fonts-noto-color-emoji. It is not needed at run
time.
"""

import sys

from PIL import Image, ImageDraw, ImageFont

from sandbox.drawing.concepts import GLYPHS
from sandbox.drawing.glyphs import ATLAS, CELL, COLUMNS

_STRIKE = 109  # the only size, in pixels, that the bitmap font holds


def _render(font: ImageFont.FreeTypeFont, glyph: str) -> Image.Image:
    """A glyph as a CELL × CELL RGBA picture, centred, with its own proportions."""
    canvas = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(canvas).text((12, 12), glyph, font=font, embedded_color=True)
    box = canvas.getbbox()
    if box is None:
        raise ValueError(f"the font has no glyph for {glyph!r}")
    cut = canvas.crop(box)
    scale = CELL / max(cut.size)
    fitted = cut.resize((round(cut.width * scale), round(cut.height * scale)), Image.Resampling.LANCZOS)
    cell = Image.new("RGBA", (CELL, CELL))
    cell.paste(fitted, ((CELL - fitted.width) // 2, (CELL - fitted.height) // 2))
    return cell


def build(font_path: str) -> None:
    """Write the atlas: cell i contains GLYPHS[i], row by row. Raises ValueError if the font lacks a glyph."""
    font = ImageFont.truetype(font_path, _STRIKE)
    rows = -(-len(GLYPHS) // COLUMNS)
    atlas = Image.new("RGBA", (COLUMNS * CELL, rows * CELL))
    for i, concept in enumerate(GLYPHS):
        atlas.paste(_render(font, concept.glyph), (i % COLUMNS * CELL, i // COLUMNS * CELL))
    atlas.save(ATLAS, quality=72, alpha_quality=85, method=6)


if __name__ == "__main__":
    build(sys.argv[1])
