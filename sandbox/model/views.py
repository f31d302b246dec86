"""Training views: batches of pool pictures, edited as reposters edit them, as tensors and all at the same time."""

import math
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sandbox.drawing import edits

SIDE: Final = 64
"""Side of a view, in pixels: the model's input."""
_SIZES: Final = ((320, 320), (320, 240), (320, 240), (240, 320), (320, 180))


@dataclass(frozen=True, slots=True)
class Frames:
    """M frames that edits put around a picture, squashed to SIDE × SIDE.

    `paint` float32 (M, 3, SIDE, SIDE) in 0..1, black where the picture is placed; `window` float32 (M, 1, SIDE, SIDE),
    the picture's share of each pixel; `box` float32 (M, 4): left, top, right, bottom of the picture in -1..1. Frame 0
    is no frame.
    """

    paint: Tensor
    window: Tensor
    box: Tensor


def _frame(rng: Random) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """One frame, found by framing a black and a white picture: where the results differ, the picture is shown."""
    size, seed, meme = rng.choice(_SIZES), rng.getrandbits(32), rng.random() < 0.6  # memes are the most frequent
    height = rng.uniform(0.12, 0.26)
    sides = []
    for colour in ("black", "white"):
        image, frame_rng = Image.new("RGB", size, colour), Random(seed)
        sides.append(
            edits.caption_bar(image, frame_rng, height=height) if meme else edits.screenshot_frame(image, frame_rng)
        )
    full = np.asarray(sides[1], np.int16) - np.asarray(sides[0], np.int16)
    rows, columns = np.flatnonzero(full.any((1, 2))), np.flatnonzero(full.any((0, 2)))
    wide, high = sides[0].size
    corners = (columns[0] / wide, rows[0] / high, (columns[-1] + 1) / wide, (rows[-1] + 1) / high)
    black, white = (np.asarray(s.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32) / 255 for s in sides)
    return black, (white - black).mean(2, keepdims=True), [2 * corner - 1 for corner in corners]


def frames(count: int, seed: int) -> Frames:
    """`count` frames of the kinds that `edits` makes, after one empty frame."""
    rng = Random(seed)
    drawn_frames = [_frame(rng) for _ in range(count)]
    nothing = (np.zeros((SIDE, SIDE, 3), np.float32), np.ones((SIDE, SIDE, 1), np.float32), [-1.0, -1.0, 1.0, 1.0])
    paint, window, box = zip(nothing, *drawn_frames, strict=True)
    return Frames(
        paint=torch.from_numpy(np.stack(paint)).permute(0, 3, 1, 2).contiguous(),
        window=torch.from_numpy(np.stack(window)).permute(0, 3, 1, 2).contiguous(),
        box=torch.tensor(box, dtype=torch.float32),
    )


def _uniform(count: int, low: float, high: float) -> Tensor:
    return torch.empty(count).uniform_(low, high)


def _some(count: int, share: float) -> Tensor:
    return torch.rand(count) < share


def mild(pictures: Tensor) -> Tensor:
    """(B, 3, P, P) in 0..1 → (B, 3, SIDE, SIDE) as the model sees them when indexing; one in five is mirrored."""
    flipped = torch.where(_some(len(pictures), 0.2)[:, None, None, None], pictures.flip(3), pictures)
    return functional.interpolate(flipped, (SIDE, SIDE), mode="bicubic", antialias=True).clamp_(0, 1)


def edited(pictures: Tensor, aspect: Tensor, around: Frames) -> Tensor:
    """(B, 3, P, P) in 0..1 and their aspects (B,) → (B, 3, SIDE, SIDE), each cropped, framed, turned or mirrored.

    About half are crops of 55 to 95 % of each side, a third framed, a fifth turned by up to 10 degrees, two fifths
    mirrored; brightness and contrast drift by a few per cent.
    """
    count = len(pictures)
    framed, turned = _some(count, 0.33), _some(count, 0.2)
    cropped = _some(count, 0.5) | ~(framed | turned)
    keep = torch.where(cropped, _uniform(count, 0.55, 0.95), torch.ones(count)).unsqueeze(1).repeat(1, 2)
    keep = torch.where(framed[:, None], keep.clamp(min=0.75), keep)
    keep[:, 0] = torch.where(_some(count, 0.1), torch.full((count,), 0.75), keep[:, 0])  # a wide picture's centre crop
    middle = (torch.rand(count, 2) * 2 - 1) * (1 - keep)
    angle = torch.where(turned, _uniform(count, -10, 10), torch.zeros(count)) * math.pi / 180
    which = torch.where(framed, torch.randint(1, len(around.box), (count,)), torch.zeros(count, dtype=torch.long))
    box = around.box[which]
    centre, half = (box[:, 2:] + box[:, :2]) / 2, (box[:, 2:] - box[:, :2]) / 2
    sign = torch.stack((1 - 2 * _some(count, 0.4).float(), torch.ones(count)), 1)
    # A view's point p shows the picture's point middle + keep · R(sign · (p - centre) / half), R in true proportions.
    cos, sin = angle.cos(), angle.sin()
    rotation = torch.stack((torch.stack((cos, -sin / aspect), 1), torch.stack((sin * aspect, cos), 1)), 1)
    scale = keep[:, :, None] * rotation * (sign / half)[:, None, :]
    shift = middle - (scale @ centre[:, :, None])[:, :, 0]
    grid = functional.affine_grid(torch.cat((scale, shift[:, :, None]), 2), [count, 3, SIDE, SIDE], align_corners=False)
    fill = _some(count, 0.7).float()[:, None, None, None] * turned.float()[:, None, None, None]
    # Outside a turned picture it is black, or white through `fill`.
    shown = functional.grid_sample(pictures - fill, grid, padding_mode="zeros", align_corners=False) + fill
    tone = shown * _uniform(count, 0.93, 1.07)[:, None, None, None] + _uniform(count, -0.03, 0.03)[:, None, None, None]
    return (around.paint[which] + around.window[which] * tone).clamp_(0, 1)
