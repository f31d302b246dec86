"""The pictures and texts that a model is checked on before it is used, and timed with: the same ones every time."""

from __future__ import annotations

from typing import Final

import numpy as np

from indexer.records.pictures import Pixels

TEXTS: Final = (
    "a photo of a cat", "a screenshot of a chat", "ein rotes Auto im Schnee", "meme with two people",
    "a", "two dogs play in the garden of a house while it rains", "красное яблоко на столе", "雨の中の猫",
    "un atardecer en la playa", "قطة تحت المطر", "कुत्ता", "ein Diagramm mit Balken und Zahlen: 12 %, 40 %",
    "고양이 사진", "a drawing of a dragon, green", "hello world!", "map of a city at night",
)  # fmt: skip
"""In several scripts, short and long."""
PICTURES: Final = 16
"""How many pictures an export is checked on."""


def trial_pictures(size: int, count: int) -> list[Pixels]:
    """Pictures of smooth colour, hard edges and grain, the same ones every time: [size, size, 3] each."""
    random = np.random.default_rng(7)
    ramp = np.linspace(0.0, 1.0, size)
    pictures = []
    for _ in range(count):
        waves = random.uniform(1, 9, (3, 2))
        smooth = np.stack([np.sin(a * ramp)[:, None] + np.cos(b * ramp)[None, :] for a, b in waves], axis=-1)
        picture = 127.0 + 60.0 * smooth + random.normal(0, 12, smooth.shape)
        top, left = random.integers(0, size // 2, 2)
        picture[top : top + size // 3, left : left + size // 3] = random.uniform(0, 255, 3)
        pictures.append(picture.clip(0, 255).astype(np.uint8))
    return pictures
