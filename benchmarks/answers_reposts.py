"""Finding the original of an edited copy: ours beside three well-known perceptual hashes, in one run.

2,000 pictures that the project draws are the originals. Each is edited as re-posters edit, and the copy asked for. As
many other pictures, of which nothing is among the originals, set each method's threshold: at most one in a thousand of
them may be taken for a copy. `recall@1` is the share of copies whose original comes first and passes that threshold.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import imagehash
import numpy as np
import numpy.typing as npt
import pdqhash
from PIL import Image

from benchmarks.report import Report
from indexer.encode.encoder import open_encoder
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.ports import Encoder
from indexer.records.pictures import Pixels, PixelSpec, Vectors
from indexer.search.center_crops import SHARES, center_crops
from indexer.search.score_bands import copy_bits_of, copy_scores
from indexer.settings import ModelSettings
from sandbox.drawing import edits
from sandbox.drawing.scene import draw, random_scene
from sandbox.model import CONFIG, NAME, RESIZE_MODE, WEIGHTS

ORIGINALS = 2_000
FALSE_SHARE = 0.001
_SIZES = ((320, 240), (320, 240), (240, 320), (320, 320), (320, 180))
_BATCH = 64

Edit = Callable[[Image.Image, Random], Image.Image]
EDITS: dict[str, Edit] = {
    "crop to 70 %": lambda image, rng: edits.crop(image, rng=rng),
    "JPEG quality 30": lambda image, rng: edits.recompress(image),
    "half size": lambda image, rng: edits.half_size(image),
    "caption bar": edits.caption_bar,
    "mirror": lambda image, rng: edits.mirror(image),
    "greys": lambda image, rng: edits.grey(image),
    "screenshot frame": edits.screenshot_frame,
    "5° turn": lambda image, rng: edits.turn(image),
}
HASHES = ("phash", "dhash", "pdqhash")
Bits = npt.NDArray[np.uint64]  # [n, words of 64 bits]


async def measure(report: Report, originals: int = ORIGINALS, weights: Path = WEIGHTS) -> None:
    """Adds a row an edit and method."""
    settings = ModelSettings(
        NAME, str(weights), config_file=CONFIG, resize_mode=RESIZE_MODE, device="cpu", precision="float32"
    )
    async with open_encoder(settings) as encoder:
        sets = await _prints(encoder, originals, 9_001, ("", *EDITS))
        others = (await _prints(encoder, originals, 77, ("",)))[""]
    gallery = sets.pop("")
    bounds = {name: np.quantile(score.max(axis=1), 1 - FALSE_SHARE) for name, score in _scores(others, gallery).items()}
    for edit, copies in sets.items():
        right: dict[str, float] = {}
        for name, score in _scores(copies, gallery).items():
            own = np.arange(originals)
            # A tie with another original is no find: nobody could say which of them it is.
            beaten = (score >= score[own, own][:, None]).sum(axis=1) == 1
            right[name] = float((beaten & (score[own, own] > bounds[name])).mean())
        best = max(right[name] for name in HASHES)
        for name, share in right.items():
            goal = "≥ each hash" if name == "ours" else ""
            report.row(f"{edit}: {name}", share, "recall@1", goal, share >= best if goal else None)


class _Prints:
    """What each method knows of n pictures."""

    def __init__(self, vectors: Vectors, crops: Sequence[Vectors], hashes: dict[str, Bits]) -> None:
        self.vectors = vectors
        self.crops = crops
        self.hashes = hashes


async def _prints(encoder: Encoder, count: int, seed: int, wanted: Sequence[str]) -> dict[str, _Prints]:
    """Of `count` pictures after each edit of `wanted` ("": as they are)."""
    loop = asyncio.get_running_loop()
    vectors: dict[str, list[list[Vectors]]] = {edit: [] for edit in wanted}
    hashes: dict[str, list[dict[str, Bits]]] = {edit: [] for edit in wanted}
    with ProcessPoolExecutor() as pool:
        parts = [
            loop.run_in_executor(
                pool, partial(_made, range(first, min(first + _BATCH, count)), seed, wanted, encoder.pixel_spec)
            )
            for first in range(0, count, _BATCH)
        ]
        for part in parts:
            for edit, (frames, known) in (await part).items():
                cut = center_crops(frames)
                sets = [frames, *(cut[number :: len(SHARES)] for number in range(len(SHARES)))]
                vectors[edit].append([await encoder.encode_pixels(frames) for frames in sets])
                hashes[edit].append(known)
    whole = {edit: [np.concatenate(parts) for parts in zip(*vectors[edit], strict=True)] for edit in wanted}
    return {
        edit: _Prints(
            whole[edit][0],
            whole[edit][1:],
            {name: np.concatenate([kinds[name] for kinds in hashes[edit]]) for name in hashes[edit][0]},
        )
        for edit in wanted
    }


def _made(
    numbers: range, seed: int, wanted: Sequence[str], spec: PixelSpec
) -> dict[str, tuple[list[Pixels], dict[str, Bits]]]:
    """Draws, edits and fingerprints some pictures; in a process of its own."""
    frames: dict[str, list[Pixels]] = {edit: [] for edit in wanted}
    found: dict[str, list[dict[str, list[int]]]] = {edit: [] for edit in wanted}
    for number in numbers:
        rng = Random(seed * 1_000_000 + number)
        original = draw(random_scene(rng), rng.choice(_SIZES)).convert("RGB")
        for edit in wanted:
            image = EDITS[edit](original, rng).convert("RGB") if edit else original
            held = io.BytesIO()
            image.save(held, "PNG", compress_level=1)
            decoded = decode_picture(held.getvalue(), spec, Limits(100_000_000))
            pdq, _ = pdqhash.compute(np.asarray(image))
            frames[edit].append(decoded.frames[0])
            found[edit].append(
                {
                    "ours": [decoded.perceptual_hash],
                    "phash": [int(str(imagehash.phash(image)), 16)],
                    "dhash": [int(str(imagehash.dhash(image)), 16)],
                    "pdqhash": np.packbits(np.asarray(pdq, np.uint8)).view(">u8").tolist(),
                }
            )
    return {
        edit: (
            frames[edit],
            {name: np.array([kinds[name] for kinds in found[edit]], np.uint64) for name in found[edit][0]},
        )
        for edit in wanted
    }


def _scores(asked: _Prints, gallery: _Prints) -> dict[str, npt.NDArray[np.float32]]:
    """[asked, gallery] by method, larger for more alike."""
    cosines = asked.vectors @ gallery.vectors.T
    for cut in asked.crops:
        cosines = np.maximum(cosines, cut @ gallery.vectors.T)
    bits = copy_bits_of(asked.hashes["ours"][:, None, 0], gallery.hashes["ours"][None, :, 0])
    scores = {"ours": copy_scores(cosines, bits)}
    for name in HASHES:
        scores[name] = -_differing(asked.hashes[name], gallery.hashes[name]).astype(np.float32)
    return scores


def _differing(left: Bits, right: Bits) -> npt.NDArray[np.int32]:
    total: Any = 0
    for word in range(left.shape[1]):
        total = total + np.bitwise_count(left[:, None, word] ^ right[None, :, word]).astype(np.int32)
    found: npt.NDArray[np.int32] = total
    return found
