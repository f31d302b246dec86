"""Made-up pictures in the formats and sizes that people post."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image


def photo(width: int, height: int, seed: int = 3) -> Image.Image:
    """Soft colour, edges and grain: compresses about as a photo does."""
    random = np.random.default_rng(seed)
    soft = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = random.normal(0, 6, (height, width, 1))
    return Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8))


def screenshot(width: int, height: int, seed: int = 4) -> Image.Image:
    """Flat areas with lines of small marks, as text makes them."""
    random = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), (49, 51, 56), np.uint8)
    for top in range(20, height - 20, 24):
        marks = random.random((12, width // 2, 1)) < 0.4
        pixels[top : top + 12, : width // 2] = np.where(marks, 220, pixels[top : top + 12, : width // 2])
    return Image.fromarray(pixels)


def encoded(image: Image.Image, picture_format: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, picture_format, **options)
    return file.getvalue()


def _moving(seed: int) -> bytes:
    file = io.BytesIO()
    stills = [photo(480, 270, 1000 * seed + frame).quantize(128) for frame in range(30)]
    stills[0].save(file, "GIF", save_all=True, append_images=stills[1:], duration=50)
    return file.getvalue()


KINDS: Final[Mapping[str, Callable[[int], bytes]]] = {
    "JPEG 4000 × 3000": lambda seed: encoded(photo(4000, 3000, seed), "JPEG", quality=88),
    "JPEG 1080 × 1350": lambda seed: encoded(photo(1080, 1350, seed), "JPEG", quality=88),
    "PNG screenshot 1920 × 1080": lambda seed: encoded(screenshot(1920, 1080, seed), "PNG"),
    "PNG photo 2048 × 1536": lambda seed: encoded(photo(2048, 1536, seed), "PNG"),
    "WebP 1280 × 960": lambda seed: encoded(photo(1280, 960, seed), "WEBP", quality=80),
    "AVIF 1280 × 960": lambda seed: encoded(photo(1280, 960, seed), "AVIF", quality=70),
    "GIF 480 × 270, 30 frames": _moving,
}
COPY: Final = "WebP 448 × 336, the proxy's copy"

# Of a hundred files. None is AVIF, because rclip passes over files with that ending: WebP has its share.
_SHARE: Final[Mapping[str, int]] = {
    "JPEG 4000 × 3000": 14,
    "JPEG 1080 × 1350": 40,
    "PNG screenshot 1920 × 1080": 16,
    "PNG photo 2048 × 1536": 4,
    "WebP 1280 × 960": 22,
    "GIF 480 × 270, 30 frames": 4,
}
_SUFFIXES: Final = {"JPEG": "jpg", "PNG": "png", "WebP": "webp", "GIF": "gif"}


def proxy_copy(seed: int) -> bytes:
    """What Discord's media proxy gives for a picture, at a little more than the model's input."""
    return encoded(photo(448, 336, seed), "WEBP", quality=80)


def write_originals(folder: Path) -> int:
    """A hundred different files as people post them, mixed; returns how many."""
    names = [(kind, seed) for kind, count in _SHARE.items() for seed in range(count)]
    order = np.random.default_rng(1).permutation(len(names))
    for place, at in enumerate(order):
        kind, seed = names[at]
        (folder / f"{place:03}.{_SUFFIXES[kind.split()[0]]}").write_bytes(KINDS[kind](10 + seed))
    return len(names)


def write_copies(folder: Path, count: int) -> None:
    """As many of the small copies that the bot downloads instead of originals."""
    for place in range(count):
        (folder / f"{place:03}.webp").write_bytes(proxy_copy(10 + place))
