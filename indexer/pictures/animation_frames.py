"""Which frames of an animation are embedded: those that together look most like all of its frames.

Frames are decoded one after the other, because each is drawn over the one before it. A bounded number of them is held,
whatever the animation's length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.pictures.decode_square import Shrunk
from indexer.pictures.file_type import FORMATS

# An animation is decoded up to the frame that is wanted, but only up to this number of pixels in all: about a second of
# work.
_MAX_PIXELS = 100_000_000
# So far frames are compared with each other, which costs as much again: of 480 × 270 pixels the first 460 frames.
_MAX_COMPARED_PIXELS = 60_000_000
# At most so many of them, evenly spread. A scene that takes a thirtieth of the animation is met.
LOOKED_AT = 32
# A frame whose greys deviate less than this from their mean (of 255) shows nothing: a fade-in, a blank card.
_BLANK = 6.0
# Frames are chosen until every frame differs from a chosen one by less than this: in the mean (of 255) of their
# colours, averaged in 12 × 12 fields.
_DIFFERENT = 10.0
_FIELDS = 12
# Bytes of pixels that are held. Of more, every second frame is left out.
_HELD_BYTES = 64 * 1024**2
_EXCHANGES = 8  # rounds in which chosen frames are exchanged for better ones; two are usual
# Browsers show a frame of a GIF or PNG that names 10 ms or less for 100 ms.
_LEAST_MS, _CUSTOMARY_MS = 10, 100

Shrink = Callable[[Image.Image], Shrunk]


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame's pixels, and when it is shown: milliseconds from the start."""

    shrunk: Shrunk
    at_ms: int


def representative_frame(image: Image.Image, data: bytes, count: int, shrink: Shrink) -> Shrunk:
    """The frame at a third of the animation. If that one is blank, the frame with the most detail among a few."""
    reach = _reach(image, count, _MAX_PIXELS)
    third = reach // 3
    shown = _look(image, {third}, shrink)
    if _detail(shown[third]) >= _BLANK:
        return shown[third]
    # The file is opened again, because some of Pillow's animation readers fail when they go back.
    with Image.open(BytesIO(data), formats=FORMATS) as again:
        shown |= _look(again, {0, reach // 2, reach * 2 // 3, reach - 1} - shown.keys(), shrink)
    return shown[max(shown, key=lambda index: (_detail(shown[index]), -abs(index - third)))]


def different_frames(image: Image.Image, count: int, sought: int, shrink: Shrink) -> list[ShownFrame]:
    """At most `sought` frames: the one that stands for the animation, then others in order of time.

    The first is the one that looks most like the frame at a third. Blank frames are left out, unless all are.
    """
    third = _reach(image, count, _MAX_PIXELS) // 3
    reach = max(_reach(image, count, _MAX_COMPARED_PIXELS), third + 1)
    looked_at = {reach * number // LOOKED_AT for number in range(LOOKED_AT)} | {third, reach - 1}
    choice = FrameChoice(sought)
    elapsed_ms = 0.0
    for index in range(reach):
        image.seek(index)
        if index in looked_at:
            image.load()
            frame = ShownFrame(shrink(image), round(image.info.get("timestamp", elapsed_ms)))
            choice.look_at(frame, may_stand=index == third)
        elapsed_ms += _duration_ms(image)
    return choice.chosen()


class FrameChoice:
    """Chooses among frames that pass in order of time. Holds _HELD_BYTES of pixels at most."""

    def __init__(self, sought: int) -> None:
        self._sought = sought
        self._held: list[ShownFrame] = []
        self._number, self._every = 0, 1
        self._standing: ShownFrame | None = None
        self._fullest: tuple[float, ShownFrame] | None = None

    def look_at(self, frame: ShownFrame, *, may_stand: bool) -> None:
        """`may_stand`: what is chosen first looks like this one, unless it is blank, or an earlier one might stand."""
        detail = _detail(frame.shrunk)
        if self._fullest is None or detail > self._fullest[0]:
            self._fullest = (detail, frame)
        if detail < _BLANK:
            return
        if may_stand and self._standing is None:
            self._standing = frame
        if self._number % self._every == 0:
            self._held.append(frame)
        self._number += 1
        if len(self._held) * _bytes(frame) > _HELD_BYTES:
            self._held, self._every = self._held[::2], 2 * self._every

    def chosen(self) -> list[ShownFrame]:
        """The one that stands for all, then others in order of time. Raises ValueError where nothing was looked at."""
        if self._fullest is None:
            raise ValueError("no frame was looked at")
        if not self._held:
            return [self._fullest[1]]
        fields = np.stack([_fields(frame.shrunk) for frame in self._held])
        apart = np.stack([np.abs(fields - own).mean(axis=(1, 2, 3)) for own in fields])
        chosen = _most_like_all(apart, self._sought)
        standing = _fields((self._standing or self._fullest[1]).shrunk)
        first = min(chosen, key=lambda at: float(np.abs(fields[at] - standing).mean()))
        return [self._held[first], *(self._held[at] for at in sorted(chosen) if at != first)]


def _most_like_all(apart: npt.NDArray[np.float32], most: int) -> list[int]:
    """At most `most` rows of [n, n] distances: those to which all rows are nearest, in sum (k-medoids).

    Only as many as it takes for every row to be nearer than _DIFFERENT to one of them.
    """
    chosen: list[int] = []
    nearest = np.full(len(apart), np.inf, np.float32)
    while len(chosen) < most and float(nearest.max()) >= _DIFFERENT:
        chosen.append(int(np.minimum(nearest, apart).sum(axis=1).argmin()))
        nearest = np.minimum(nearest, apart[chosen[-1]])
    for _ in range(_EXCHANGES):
        before = list(chosen)
        for number in range(len(chosen)):
            others = [at for at in chosen if at != chosen[number]]
            nearest = apart[others].min(axis=0) if others else np.full(len(apart), np.inf, np.float32)
            chosen[number] = int(np.minimum(nearest, apart).sum(axis=1).argmin())
        if chosen == before:
            break
    return list(dict.fromkeys(chosen))


def _reach(image: Image.Image, count: int, pixels: int) -> int:
    """How many of the frames are decoded at most."""
    return min(count, max(pixels // max(image.width * image.height, 1), 1))


def _look(image: Image.Image, indexes: set[int], shrink: Shrink) -> dict[int, Shrunk]:
    """These frames of an animation. None of them may be before its current frame."""
    shown = {}
    for index in sorted(indexes):
        image.seek(index)
        image.load()
        shown[index] = shrink(image)
    return shown


def _duration_ms(image: Image.Image) -> float:
    """For how long the current frame of a GIF or PNG is shown. Of other formats each frame names its own time."""
    duration = image.info.get("duration", 0)
    return float(duration) if isinstance(duration, int | float) and duration > _LEAST_MS else _CUSTOMARY_MS


def _bytes(frame: ShownFrame) -> int:
    return 3 * frame.shrunk.picture.width * frame.shrunk.picture.height


def _fields(shrunk: Shrunk) -> npt.NDArray[np.float32]:
    box = (0.0, 0.0, shrunk.width, shrunk.height)
    return np.asarray(shrunk.picture.resize((_FIELDS, _FIELDS), Image.Resampling.BOX, box=box), np.float32)


def _detail(shrunk: Shrunk) -> float:
    """Standard deviation of the greys, 0–127."""
    box = (0.0, 0.0, shrunk.width, shrunk.height)
    return float(np.asarray(shrunk.picture.convert("L").resize((32, 32), Image.Resampling.BOX, box=box)).std())
