"""Which frames of an animation are embedded: one that stands for it, and those that look most different from it.

Frames are decoded one after the other, because each is drawn over the one before it. Only as many of their pixels are
held as are wanted, whatever the animation's length.
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
# Two frames look different when their colours, averaged in 12 × 12 fields, differ by this much in the mean (of 255).
_DIFFERENT = 10.0
_FIELDS = 12
# Browsers show a frame of a GIF or PNG that names 10 ms or less for 100 ms.
_LEAST_MS, _CUSTOMARY_MS = 10, 100

Shrink = Callable[[Image.Image], Shrunk]


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame's pixels, and when it is shown: milliseconds from the start."""

    shrunk: Shrunk
    at_ms: int


@dataclass(frozen=True, slots=True)
class _Kept:
    frame: ShownFrame
    fields: npt.NDArray[np.float32]
    stands: bool  # it stands for the animation

    def distance(self, other: _Kept) -> float:
        return float(np.abs(self.fields - other.fields).mean())


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
    """At most `sought` frames that look different: the one that stands for the animation, then others in order of time.

    The first is the one at a third; if that is blank, the one with the most detail. Blank frames are no others.
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
    """Chooses among frames that pass in order of time. Holds `sought` + 1 of them at most."""

    def __init__(self, sought: int) -> None:
        self._sought = sought
        self._kept: list[_Kept] = []
        self._stands = False
        self._fullest: tuple[float, ShownFrame] | None = None

    def look_at(self, frame: ShownFrame, *, may_stand: bool) -> None:
        """`may_stand`: it stands for all, unless it is blank, or an earlier one does."""
        detail = _detail(frame.shrunk)
        if self._fullest is None or detail > self._fullest[0]:
            self._fullest = (detail, frame)
        if detail >= _BLANK:
            kept = _Kept(frame, _fields(frame.shrunk), may_stand and not self._stands)
            self._stands = self._stands or may_stand
            self._kept = _most_different([*self._kept, kept], self._sought)

    def chosen(self) -> list[ShownFrame]:
        """The one that stands for all, or the one with the most detail; then others in order of time.

        Raises ValueError where nothing was looked at.
        """
        if self._fullest is None:
            raise ValueError("no frame was looked at")
        first = next((kept for kept in self._kept if kept.stands), None)
        if first is None:
            first = _Kept(self._fullest[1], _fields(self._fullest[1].shrunk), True)
        return [first.frame, *_others(first, self._kept, self._sought)]


def _reach(image: Image.Image, count: int, pixels: int) -> int:
    """How many of the frames are decoded at most."""
    return min(count, max(pixels // max(image.width * image.height, 1), 1))


def _most_different(kept: list[_Kept], most: int) -> list[_Kept]:
    """Without the later one of the two that look most alike, where there are more than `most`."""
    if len(kept) <= most:
        return kept
    pairs = ((left, right) for right in range(len(kept)) for left in range(right))
    left, right = min(pairs, key=lambda pair: kept[pair[0]].distance(kept[pair[1]]))
    left_out = left if kept[right].stands else right
    return [frame for number, frame in enumerate(kept) if number != left_out]


def _others(first: _Kept, kept: list[_Kept], sought: int) -> list[ShownFrame]:
    """Those that look different from the first and from each other, the most different chosen first."""
    chosen, left = [first], [frame for frame in kept if frame is not first]
    while left and len(chosen) < sought:
        nearest = [min(frame.distance(other) for other in chosen) for frame in left]
        best = int(np.argmax(nearest))
        if nearest[best] < _DIFFERENT:
            break
        chosen.append(left.pop(best))
    return sorted((frame.frame for frame in chosen[1:]), key=lambda frame: frame.at_ms)


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


def _fields(shrunk: Shrunk) -> npt.NDArray[np.float32]:
    box = (0.0, 0.0, shrunk.width, shrunk.height)
    return np.asarray(shrunk.picture.resize((_FIELDS, _FIELDS), Image.Resampling.BOX, box=box), np.float32)


def _detail(shrunk: Shrunk) -> float:
    """Standard deviation of the greys, 0–127."""
    box = (0.0, 0.0, shrunk.width, shrunk.height)
    return float(np.asarray(shrunk.picture.convert("L").resize((32, 32), Image.Resampling.BOX, box=box)).std())
