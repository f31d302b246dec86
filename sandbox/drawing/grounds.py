"""Backgrounds of scenes. Each style draws from colours and a random generator."""

import math
from collections.abc import Callable
from random import Random
from typing import Final, TypeAlias

from PIL import Image, ImageDraw

Colour: TypeAlias = tuple[int, int, int]
Size: TypeAlias = tuple[int, int]
_Painter: TypeAlias = Callable[[Size, tuple[Colour, ...], Random], Image.Image]

COLOURS: Final = 4
"""How many colours every style is given."""


def _mix(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def _corners(size: Size, colours: tuple[Colour, ...]) -> Image.Image:
    """Four corner colours, blended over the whole picture."""
    seed = Image.new("RGB", (2, 2))
    seed.putdata(colours[:4])
    return seed.resize(size, Image.Resampling.BICUBIC)


def _plain(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    return Image.new("RGB", size, colours[0])


def _gradient(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    return _corners(size, colours)


def _stripes(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    image = Image.new("RGB", size, colours[0])
    pen = ImageDraw.Draw(image)
    width, height = size
    reach, step = math.hypot(width, height), min(size) * rng.uniform(0.14, 0.4)
    turn, thick, start = rng.uniform(0, math.pi), step * rng.uniform(0.3, 0.6), rng.uniform(0, step)
    along = (math.cos(turn) * reach, math.sin(turn) * reach)
    offset = start - reach / 2
    while offset < reach / 2:
        x, y = width / 2 - math.sin(turn) * offset, height / 2 + math.cos(turn) * offset
        line = (x - along[0], y - along[1], x + along[0], y + along[1])
        pen.line(line, fill=colours[1], width=max(1, round(thick)))
        offset += step
    return image


def _dots(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    image = Image.new("RGB", size, colours[0])
    pen = ImageDraw.Draw(image)
    step = min(size) * rng.uniform(0.14, 0.34)
    radius, left, top = step * rng.uniform(0.18, 0.4), rng.uniform(0, step), rng.uniform(0, step)
    for row in range(-1, int(size[1] / step) + 2):
        for column in range(-1, int(size[0] / step) + 2):
            x, y = left + (column + row % 2 / 2) * step, top + row * step
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colours[1])
    return image


def _checks(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    across, down = rng.randint(3, 8), rng.randint(3, 8)
    seed = Image.new("RGB", (across, down))
    seed.putdata([colours[(i // across + i % across) % 2] for i in range(across * down)])
    return seed.resize(size, Image.Resampling.NEAREST)


def _blotches(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    across, down = rng.randint(3, 7), rng.randint(3, 7)
    seed = Image.new("RGB", (across, down))
    seed.putdata([_mix(rng.choice(colours), rng.choice(colours), rng.random()) for _ in range(across * down)])
    return seed.resize(size, Image.Resampling.BICUBIC)


def _hills(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    width, height = size
    sky = _mix((150, 205, 250), colours[0], 0.35)
    image = _corners(size, (sky, sky, _mix(sky, (255, 255, 255), 0.6), _mix(sky, colours[1], 0.3)))
    pen = ImageDraw.Draw(image)
    for layer in range(3):
        grass = _mix(_mix((70, 150, 60), colours[1 + layer], 0.35), (255, 255, 255), 0.3 - layer * 0.15)
        top, middle = height * (rng.uniform(0.4, 0.6) + layer * 0.13), width * rng.uniform(-0.1, 1.1)
        half = width * rng.uniform(0.5, 1.0)
        pen.ellipse((middle - half, top, middle + half, top + height * 1.5), fill=grass)
    return image


def _sea(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    width, height = size
    sky, water = _mix((170, 215, 250), colours[0], 0.4), _mix((20, 90, 170), colours[1], 0.25)
    image = _corners(size, (sky, _mix(sky, colours[2], 0.3), _mix(sky, (255, 255, 255), 0.5), sky))
    pen = ImageDraw.Draw(image)
    horizon = height * rng.uniform(0.35, 0.65)
    pen.rectangle((0, horizon, width, height), fill=water)
    for _ in range(rng.randint(8, 18)):
        x, y, reach = rng.uniform(0, width), rng.uniform(horizon, height), width * rng.uniform(0.05, 0.18)
        foam, thick = _mix(water, (255, 255, 255), 0.5), max(1, round(min(size) / 70))
        pen.arc((x, y, x + reach, y + reach / 3), 0, 180, fill=foam, width=thick)
    return image


def _room(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    width, height = size
    wall, floor = _mix(colours[0], (245, 235, 215), 0.4), _mix(colours[1], (110, 70, 40), 0.5)
    image = Image.new("RGB", size, wall)
    pen = ImageDraw.Draw(image)
    edge = height * rng.uniform(0.62, 0.8)
    pen.rectangle((0, edge, width, height), fill=floor)
    pen.rectangle((0, edge - height * 0.03, width, edge), fill=_mix(floor, (0, 0, 0), 0.4))
    left, top = width * rng.uniform(0.05, 0.65), height * rng.uniform(0.06, 0.2)
    span = min(size) * rng.uniform(0.25, 0.4)
    frame = (left, top, left + span, top + span)
    pane = _mix((190, 225, 255), colours[2], 0.3)
    pen.rectangle(frame, fill=pane, outline=(255, 255, 255), width=max(1, round(span / 14)))
    pen.line((left + span / 2, top, left + span / 2, top + span), fill=(255, 255, 255), width=max(1, round(span / 16)))
    return image


def _night(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    width, height = size
    above, below = _mix((8, 10, 40), colours[0], 0.12), _mix((30, 25, 80), colours[1], 0.25)
    image = _corners(size, (above, above, below, _mix(below, colours[2], 0.2)))
    pen = ImageDraw.Draw(image)
    for _ in range(rng.randint(25, 60)):
        x, y, radius = rng.uniform(0, width), rng.uniform(0, height), min(size) * rng.uniform(0.004, 0.014)
        pen.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=_mix((255, 255, 230), below, rng.random() / 2)
        )
    return image


def _desert(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    width, height = size
    sky = _mix((250, 190, 120), colours[0], 0.35)
    image = _corners(size, (_mix(sky, colours[1], 0.3), sky, _mix(sky, (255, 255, 230), 0.5), sky))
    pen = ImageDraw.Draw(image)
    for layer in range(3):
        sand = _mix(_mix((225, 175, 100), colours[2], 0.15), (120, 70, 30), layer * 0.18)
        top, left = height * (rng.uniform(0.45, 0.6) + layer * 0.14), rng.uniform(-0.4, 0.9) * width
        dune = [(left - width, height), (left, top), (left + width * rng.uniform(0.8, 1.6), height), (0, height)]
        pen.polygon([*dune, (0, height)], fill=sand)
        pen.rectangle((0, top + (height - top) * 0.6, width, height), fill=sand)
    return image


def _city(size: Size, colours: tuple[Colour, ...], rng: Random) -> Image.Image:
    width, height = size
    sky = _mix((185, 200, 220), colours[0], 0.4)
    image = _corners(size, (sky, _mix(sky, colours[1], 0.3), _mix(sky, (255, 255, 255), 0.4), sky))
    pen = ImageDraw.Draw(image)
    x = -width * rng.uniform(0, 0.1)
    while x < width:
        span, top = width * rng.uniform(0.12, 0.26), height * rng.uniform(0.15, 0.6)
        wall = _mix(_mix((120, 120, 130), rng.choice(colours), 0.35), (0, 0, 0), rng.uniform(0, 0.4))
        pen.rectangle((x, top, x + span, height), fill=wall)
        for row in range(3):
            for column in range(2):
                left, upper = x + span * (0.18 + 0.4 * column), top + height * (0.06 + 0.12 * row)
                pen.rectangle((left, upper, left + span * 0.22, upper + height * 0.06), fill=(250, 235, 160))
        x += span * 1.05
    pen.rectangle((0, height * 0.86, width, height), fill=(70, 70, 75))
    return image


_PAINTERS: Final[dict[str, _Painter]] = {
    "plain": _plain, "gradient": _gradient, "stripes": _stripes, "polka dots": _dots, "checks": _checks,
    "blotches": _blotches, "hills": _hills, "sea": _sea, "room": _room, "night sky": _night,
    "desert": _desert, "city": _city,
}  # fmt: skip

STYLES: Final = tuple(_PAINTERS)
PHRASES: Final = {
    "stripes": "on stripes", "polka dots": "on polka dots", "checks": "on checks", "hills": "in the hills",
    "sea": "at the sea", "room": "in a room", "night sky": "on a night sky", "desert": "in the desert",
    "city": "in a city",
}  # fmt: skip
"""How a caption says that something stands before a ground; grounds that nobody would name are not in it."""


def paint(style: str, size: Size, colours: tuple[Colour, ...], seed: int) -> Image.Image:
    """An RGB picture of `size` (width, height) in pixels; the same arguments give the same pixels."""
    return _PAINTERS[style](size, colours, Random(seed))
