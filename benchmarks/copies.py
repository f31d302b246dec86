"""Which pictures are copies, told by their pixels: what is found of each edit, and what is taken wrongly.

There are 2,000 originals. Of 300 of them the edited copies are asked with, and a look-alike: the same things on the
same ground, each moved by up to 12 % of the picture. 1,000 strangers are asked with, too: so many tell one in a
thousand. Each is held against the originals that a search would hold it against: the nearest five by the model's
cosine, and those whose perceptual hash agrees. `found` is the share of copies whose own original is taken for a copy,
and no other picture before it. Candidates are small WebP copies. The second part does the same with pictures like
photos (soft colours and grain), whose originals are known; the third (copies_speed.py) asks a bot.

`python -m benchmarks.copies quality` and `… speed` run a part, and leave the other rows of the record as they are.
`python -m benchmarks.copies quality 200` takes a tenth of everything.
"""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import numpy as np
from PIL import Image

from benchmarks import copies_speed
from benchmarks.mixed_files import photo
from benchmarks.report import Report
from indexer.encode.encoder import open_encoder
from indexer.geometry.compare import LARGEST_SIDE, copy_of
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.records.pictures import DecodedPicture, Pixels, PixelSpec
from indexer.search.score_bands import SURE_BITS, copy_bits_of
from indexer.settings import ModelSettings
from sandbox.drawing import edits
from sandbox.drawing.scene import Scene, draw, random_scene
from sandbox.model import CONFIG, NAME, RESIZE_MODE, WEIGHTS

ORIGINALS, ASKED, STRANGERS_ASKED = 2_000, 300, 1_000
PHOTOS = 100
NEAREST = 5  # pictures that a question is held against
MOVED = 0.12
_SIZES = ((320, 240), (320, 240), (240, 320), (320, 320), (320, 180))
_BATCH = 32
_SMALL_QUALITY = 80

Edit = Callable[[Image.Image, Random], Image.Image]
EDITS: dict[str, tuple[Edit, float]] = {
    "crop to 70 %": (lambda image, rng: edits.crop(image, rng=rng), 0.85),
    "crop to 50 %": (lambda image, rng: edits.crop(image, 0.5, rng), 0.65),
    "caption bar": (edits.caption_bar, 0.96),
    "screenshot frame": (edits.screenshot_frame, 0.96),
    "5° turn": (lambda image, rng: edits.turn(image), 0.98),
    "greys": (lambda image, rng: edits.grey(image), 0.97),
    "JPEG quality 30": (lambda image, rng: edits.recompress(image), 0.99),
    "half size": (lambda image, rng: edits.half_size(image), 0.99),
    "mirror": (lambda image, rng: edits.mirror(image), 0.99),
}
LOOK_ALIKES, STRANGERS = "look-alikes", "strangers"
MOST_LOOK_ALIKES, MOST_STRANGERS = 0.03, 0.001


class _Asked:
    """Pictures that are asked with, of one kind: small copies, what the model sees of each, and the hashes."""

    def __init__(self) -> None:
        self.small: list[Pixels] = []
        self.decoded: list[DecodedPicture] = []

    def add(self, image: Image.Image, spec: PixelSpec) -> None:
        file = io.BytesIO()
        image.convert("RGB").save(file, "PNG", compress_level=1)
        self.decoded.append(decode_picture(file.getvalue(), spec, Limits(100_000_000)))
        self.small.append(small_copy(image))


def small_copy(image: Image.Image, *, kept: bool = False) -> Pixels:
    """As the bot has it: LARGEST_SIDE pixels at most; of a candidate what WebP leaves of it (`kept`)."""
    small = image.convert("RGB")
    small.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    if not kept:
        return np.asarray(small)
    file = io.BytesIO()
    small.save(file, "WEBP", quality=_SMALL_QUALITY)
    with Image.open(file) as again:
        return np.asarray(again.convert("RGB"))


def moved(scene: Scene, rng: Random) -> Scene:
    """The same things on the same ground, each moved by up to MOVED of the picture."""
    shifted = [
        replace(placed, x=placed.x + rng.uniform(-MOVED, MOVED), y=placed.y + rng.uniform(-MOVED, MOVED))
        for placed in scene.placed
    ]
    return replace(scene, placed=tuple(shifted))


def drawn(numbers: range, copies: int, strangers: int, spec: PixelSpec) -> tuple[list[Pixels], dict[str, _Asked]]:
    """Originals as candidates, and what is asked with: the originals ("": for their vectors), of those below `copies`
    each edit and a look-alike, and a stranger for each number below `strangers`.
    """
    kept: list[Pixels] = []
    asked = {kind: _Asked() for kind in ("", *EDITS, LOOK_ALIKES, STRANGERS)}
    for number in numbers:
        if number < strangers:
            other = Random(77 * 1_000_000 + number)
            asked[STRANGERS].add(draw(random_scene(other), other.choice(_SIZES)), spec)
        rng = Random(9_001 * 1_000_000 + number)
        scene, size = random_scene(rng), rng.choice(_SIZES)
        original = draw(scene, size).convert("RGB")
        kept.append(small_copy(original, kept=True))
        asked[""].add(original, spec)
        if number >= copies:
            continue
        asked[LOOK_ALIKES].add(draw(moved(scene, rng), size), spec)
        for name, (edit, _) in EDITS.items():
            asked[name].add(edit(original, rng), spec)
    return kept, asked


@dataclass(frozen=True, slots=True)
class _Answer:
    """The first of the candidates that the question is a copy of; how long each pair took, in processor seconds."""

    number: int | None
    took_s: tuple[float, ...]


def compared(question: Pixels, candidates: Sequence[tuple[int, Pixels]]) -> _Answer:
    """As a search does it, candidate by candidate, but no further than the first copy."""
    took_s = []
    for number, candidate in candidates:
        start_s = time.process_time()
        copy = copy_of(question, candidate)
        took_s.append(time.process_time() - start_s)
        if copy is not None:
            return _Answer(number, tuple(took_s))
    return _Answer(None, tuple(took_s))


async def drawn_pictures(report: Report, originals: int, copies: int, strangers: int) -> None:
    """The rows of pictures that the project draws."""
    settings = ModelSettings(
        NAME, str(WEIGHTS), config_file=CONFIG, resize_mode=RESIZE_MODE, device="cpu", precision="float32"
    )
    loop = asyncio.get_running_loop()
    kept: list[Pixels] = []
    small: dict[str, list[Pixels]] = {}
    vectors: dict[str, list[np.ndarray]] = {}
    hashes: dict[str, list[int]] = {}
    with ProcessPoolExecutor() as pool:
        async with open_encoder(settings) as encoder:
            ranges = [range(first, min(first + _BATCH, originals)) for first in range(0, originals, _BATCH)]
            for part in [
                loop.run_in_executor(pool, partial(drawn, some, copies, strangers, encoder.pixel_spec))
                for some in ranges
            ]:
                candidates, asked = await part
                kept += candidates
                for kind, pictures in asked.items():
                    if not pictures.small:
                        continue
                    frames = [picture.frames[0] for picture in pictures.decoded]
                    vectors.setdefault(kind, []).append(await encoder.encode_pixels(frames))
                    hashes.setdefault(kind, []).extend(picture.perceptual_hash for picture in pictures.decoded)
                    small.setdefault(kind, []).extend(pictures.small)
        known, bits = np.concatenate(vectors[""]), np.array(hashes[""], np.uint64)
        took_s: list[float] = []
        for kind in (*EDITS, LOOK_ALIKES, STRANGERS):
            cosines = np.concatenate(vectors[kind]) @ known.T
            differing = copy_bits_of(np.array(hashes[kind], np.uint64)[:, None], bits[None, :])
            jobs = []
            for number in range(len(small[kind])):
                agreeing = np.flatnonzero(differing[number] <= SURE_BITS).tolist()
                order = list(dict.fromkeys((*agreeing, *np.argsort(-cosines[number])[:NEAREST].tolist())))[:NEAREST]
                candidates_of = [(candidate, kept[candidate]) for candidate in order]
                jobs.append(loop.run_in_executor(pool, compared, small[kind][number], candidates_of))
            answers = [await job for job in jobs]
            took_s += [sum(answer.took_s) for answer in answers]
            _row(report, "drawn", kind, [answer.number for answer in answers])
            pairs_s = [pair_s for answer in answers for pair_s in answer.took_s]
            report.row(f"drawn: {kind}: a pair, processor time", float(np.mean(pairs_s)) * 1000, "ms, mean")
        report.row("drawn: a question, its candidates compared", float(np.quantile(took_s, 0.95)) * 1000, "ms p95")
        report.row("drawn: the same", float(np.mean(took_s)) * 1000, "ms, mean")


async def photo_like(report: Report, count: int, strangers: int) -> None:
    """The rows of pictures like photos. Each is held against another picture, and then against its own original; a
    stranger against one picture.
    """
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor() as pool:
        made = [loop.run_in_executor(pool, _kept_photo, number) for number in range(count)]
        kept = [await candidate for candidate in made]
        for kind in (*EDITS, STRANGERS):
            jobs = []
            for number in range(strangers if kind == STRANGERS else count):
                at = [(number + 1) % count, *([] if kind == STRANGERS else [number])]
                jobs.append(
                    loop.run_in_executor(pool, _photo, kind, number, [(candidate, kept[candidate]) for candidate in at])
                )
            _row(report, "photos", kind, [(await job).number for job in jobs])


def _kept_photo(number: int) -> Pixels:
    return small_copy(photo(640, 480, number), kept=True)


def _photo(kind: str, number: int, candidates: Sequence[tuple[int, Pixels]]) -> _Answer:
    other = kind == STRANGERS
    image = photo(640, 480, 1_000_000 + number) if other else EDITS[kind][0](photo(640, 480, number), Random(number))
    return compared(small_copy(image), candidates)


def _row(report: Report, pictures: str, kind: str, found: Sequence[int | None]) -> None:
    if kind in (LOOK_ALIKES, STRANGERS):
        most = MOST_LOOK_ALIKES if kind == LOOK_ALIKES else MOST_STRANGERS
        taken = sum(number is not None for number in found) / len(found)
        told = len(found) * most >= 1  # of fewer, none taken shows nothing
        report.row(
            f"{pictures}: {kind}",
            taken,
            "taken for a copy",
            f"≤ {most:g}" if told else "",
            taken <= most if told else None,
        )
    else:
        least = EDITS[kind][1]
        share = sum(number == own for own, number in enumerate(found)) / len(found)
        report.row(f"{pictures}: {kind}", share, "found", f"≥ {least:g}", share >= least)


async def quality(report: Report, originals: int = ORIGINALS) -> None:
    """The rows of what is found."""
    copies, strangers = originals * ASKED // ORIGINALS, originals * STRANGERS_ASKED // ORIGINALS
    report.row("originals that are drawn", originals, "pictures")
    report.row("of these, asked with edited and as look-alikes", copies, "pictures")
    report.row("strangers that are asked with", strangers, "pictures")
    await drawn_pictures(report, originals, copies, strangers)
    await photo_like(report, max(originals * PHOTOS // ORIGINALS, 2), strangers)


async def main() -> None:
    report = Report("copies")
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    if part in ("", "quality"):
        await quality(report, int(sys.argv[2]) if len(sys.argv) > 2 else ORIGINALS)
    if part in ("", "speed"):
        await copies_speed.measure(report)
    if part:
        report.finish_part()
    else:
        report.finish()


if __name__ == "__main__":
    asyncio.run(main())
