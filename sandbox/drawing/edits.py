"""What people do to a picture before they post it again. Pure functions from RGB picture to RGB picture."""

import io
from random import Random
from typing import Final, TypeAlias

from PIL import Image, ImageDraw, ImageFont

_Colour: TypeAlias = tuple[int, int, int]

_WHITE: Final = (255, 255, 255)
# Background, text and border colours of an app's screen.
_DARK: Final = ((32, 34, 38), (225, 225, 230), (64, 68, 76))
_LIGHT: Final = ((246, 246, 248), (40, 40, 45), (215, 215, 222))
_LINES: Final = (
    "when you see it", "nobody: / me:", "mood", "look at this", "me on monday", "so true", "wait for it",
    "every single time", "literally me", "found this today", "who did this", "no way", "one does not simply",
    "this is fine", "it is what it is", "tag a friend",
)  # fmt: skip
_NAMES: Final = (
    "gallery", "photos", "chat", "news", "feed", "12:41", "09:03", "Reply", "Share", "Today", "Album", "Edit",
)  # fmt: skip


def crop(image: Image.Image, keep: float = 0.7, rng: Random | None = None) -> Image.Image:
    """`keep` of the width and `keep` of the height (so keep² of the area), at a random place; centred without `rng`."""
    width, height = max(1, round(image.width * keep)), max(1, round(image.height * keep))
    across, down = (rng.random(), rng.random()) if rng else (0.5, 0.5)
    left, top = round((image.width - width) * across), round((image.height - height) * down)
    return image.crop((left, top, left + width, top + height))


def recompress(image: Image.Image, quality: int = 30) -> Image.Image:
    """Through JPEG at `quality` (Pillow's scale, 1 to 95) and back."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    with Image.open(file) as again:
        return again.convert("RGB")


def half_size(image: Image.Image) -> Image.Image:
    """Half the width and half the height."""
    size = (max(1, image.width // 2), max(1, image.height // 2))
    return image.resize(size, Image.Resampling.BICUBIC)


def mirror(image: Image.Image) -> Image.Image:
    """Left and right swapped."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def grey(image: Image.Image) -> Image.Image:
    """Without colours."""
    return image.convert("L").convert("RGB")


def turn(image: Image.Image, degrees: float = 5.0, fill: _Colour = _WHITE) -> Image.Image:
    """Turned counter-clockwise within its own size. The empty corners are filled with `fill`."""
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=fill)


def _write(pen: ImageDraw.ImageDraw, line: str, box: tuple[float, float, float, float], ink: _Colour) -> None:
    """`line` in the middle of `box` (left, top, right, bottom), as large as fits."""
    left, top, right, bottom = box
    size = (bottom - top) * 0.55
    wide = pen.textlength(line, font=ImageFont.load_default(100)) / 100 * size
    font = ImageFont.load_default(max(4, size * min(1.0, (right - left) * 0.92 / max(wide, 1))))
    pen.text(((left + right) / 2, (top + bottom) / 2), line, fill=ink, font=font, anchor="mm")


def caption_bar(image: Image.Image, rng: Random | None = None, above: str | None = None, below: str | None = None,
                height: float = 0.18) -> Image.Image:  # fmt: skip
    """A meme: a white bar with a line of text above and/or below the picture. Each bar has `height` of the picture's
    height.

    The picture's own pixels stay unchanged. Without texts, `rng` chooses the texts and their places. Without texts and
    `rng`, there is one bar above.
    """
    if above is None and below is None:
        place, lines = (rng.random(), rng.sample(_LINES, 2)) if rng else (0.0, [_LINES[0], ""])
        above = lines[0] if place < 0.7 else None  # most memes have their text above the picture
        below = lines[1] if place >= 0.5 else None  # and a few have text on both sides
    bar = max(1, round(image.height * height))
    head, foot = bar if above is not None else 0, bar if below is not None else 0
    framed = Image.new("RGB", (image.width, image.height + head + foot), _WHITE)
    framed.paste(image, (0, head))
    pen = ImageDraw.Draw(framed)
    if above:
        _write(pen, above, (0, 0, image.width, head), (0, 0, 0))
    if below:
        _write(pen, below, (0, head + image.height, image.width, framed.height), (0, 0, 0))
    return framed


def screenshot_frame(image: Image.Image, rng: Random | None = None) -> Image.Image:
    """A screenshot of an app that shows the picture: a bar with a title above, empty space at the sides, buttons below.

    The picture's own pixels stay unchanged. `rng` chooses a light or a dark app, and the amount of space.
    """
    rng = rng or Random(0)
    paper, ink, trim = _DARK if rng.random() < 0.5 else _LIGHT  # dark and light are equally frequent
    side = round(image.width * rng.uniform(0.0, 0.1))
    head, foot = round(image.height * rng.uniform(0.08, 0.18)), round(image.height * rng.uniform(0.06, 0.18))
    framed = Image.new("RGB", (image.width + 2 * side, image.height + head + foot), paper)
    framed.paste(image, (side, head))
    pen = ImageDraw.Draw(framed)
    width, height, bar = framed.width, framed.height, head * 0.6
    pen.rectangle((0, 0, width, bar), fill=trim)
    _write(pen, rng.choice(_NAMES), (0, 0, width * 0.4, bar), ink)
    radius = bar * 0.25
    for i in range(rng.randint(1, 3)):
        x, y = width - (2 * i + 1.5) * radius * 1.6, bar / 2
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
    for i in range(buttons := rng.randint(2, 4)):
        left, right = width * (i + 0.1) / buttons, width * (i + 0.9) / buttons
        box = (left, height - foot * 0.85, right, height - foot * 0.2)
        pen.rounded_rectangle(box, radius=foot * 0.15, fill=trim)
        _write(pen, rng.choice(_NAMES), box, ink)
    return framed
