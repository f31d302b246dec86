"""Center crops of a picture: what is left of a copy when its caption, or the app around a screenshot, is cut away."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from indexer.records.pictures import Pixels

# Shares of each side. With the cosine of the closest of the whole and these two, 67 % of screenshots of an app find
# their original among 2,000 at one false match in 1,000, without 30 %.
SHARES = (0.85, 0.7)


def center_crops(frames: Iterable[Pixels]) -> list[Pixels]:
    """For each [size, size, 3] frame, in order, its middles at full size again. Takes about a millisecond a frame."""
    made = []
    for frame in frames:
        height, width = frame.shape[:2]
        image = Image.fromarray(frame)
        for share in SHARES:
            across, down = width * (1 - share) / 2, height * (1 - share) / 2
            box = (across, down, width - across, height - down)
            made.append(np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box=box)))
    return made
