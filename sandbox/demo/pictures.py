"""Drawn scenes as the files that people post: formats, names, and what people do to a picture before they repost it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from PIL import Image

from sandbox.drawing import edits
from sandbox.drawing.scene import Scene, draw
from sandbox.world import File

Edit = Callable[[Image.Image], Image.Image]
SIZES: Final = ((640, 480), (480, 640), (800, 600), (600, 600), (720, 405), (405, 720), (960, 720), (512, 512))
"""Width and height of what members post, in pixels."""
FORMATS: Final = ("png", "jpg", "jpg", "jpg", "webp")
_SAVED: Final = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
_FRAMES: Final = 6


@dataclass(frozen=True, slots=True)
class Picture:
    """A scene at a size, with or without an edit, in a format. It is drawn again each time, always the same."""

    scene: Scene
    size: tuple[int, int]
    extension: str
    edit: Edit | None = None
    quality: int = 88

    def image(self) -> Image.Image:
        """Its pixels before encoding."""
        drawn = draw(self.scene, self.size)
        return drawn if self.edit is None else self.edit(drawn)

    def encoded(self) -> bytes:
        """The file."""
        file = io.BytesIO()
        self.image().save(file, _SAVED[self.extension], quality=self.quality)
        return file.getvalue()

    def file(self, name: str, *, description: str | None = None, spoiler: bool = False) -> File:
        """The file as it is posted. Nothing is drawn yet: what size an edit leaves does not depend on the drawing."""
        size = self.size if self.edit is None else self.edit(Image.new("RGB", self.size)).size
        return File.drawn(name, self.encoded, size, description=description, spoiler=spoiler)

    def edited(self, edit: Edit, *, extension: str = "jpg", quality: int = 88) -> "Picture":
        """The same picture after somebody's edit."""
        return Picture(self.scene, self.size, extension, edit, quality)


def animation(scene: Scene, size: tuple[int, int], name: str, rng: Random) -> File:
    """A GIF in which the scene moves from side to side."""
    swing = rng.uniform(3, 7)

    def make() -> bytes:
        still = draw(scene, size)
        turns = [swing * (abs(i - _FRAMES // 2) - _FRAMES / 4) for i in range(_FRAMES)]
        frames = [edits.turn(still, degrees, fill=(240, 240, 240)) for degrees in turns]
        held = io.BytesIO()
        frames[0].save(held, "GIF", save_all=True, append_images=frames[1:], duration=90, loop=0)
        return held.getvalue()

    return File.drawn(name, make, size, animated=True)


def cropped(keep: float, seed: int) -> Edit:
    """Part of the picture."""
    return lambda image: edits.crop(image, keep, Random(seed))


def captioned(above: str) -> Edit:
    """A white bar with text over the picture."""
    return lambda image: edits.caption_bar(image, above=above)


def smaller(image: Image.Image) -> Image.Image:
    """Half size and badly compressed, as a chat app sends it on."""
    return edits.recompress(edits.half_size(image), 35)
