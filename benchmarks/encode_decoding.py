"""How fast single pictures are opened, beside `Pillow`: open, convert and open_clip's transform."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.mixed_files import COPY, KINDS, proxy_copy
from benchmarks.random_model import SIZE
from benchmarks.report import Report
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.pictures.decoder import open_decoder
from indexer.records.pictures import PixelSpec
from indexer.settings import DecodeSettings

_REPEATS: Final = 7  # of which the median counts


async def measure(report: Report) -> None:
    """Adds the rows of this file to the report."""
    import open_clip

    spec = PixelSpec(SIZE)
    files = {**{kind: made(3) for kind, made in KINDS.items()}, COPY: proxy_copy(3)}
    transform = open_clip.image_transform(SIZE, is_train=False)

    def plain(data: bytes) -> object:
        with Image.open(io.BytesIO(data)) as image:
            return transform(image.convert("RGB"))

    for name, data in files.items():
        theirs = _median_ms(partial(plain, data))
        ours = _median_ms(partial(decode_picture, data, spec, Limits(10**8)))
        report.row(f"{name}: Pillow", theirs, "ms")
        report.row(f"{name}: ours, with both hashes", ours, "ms")
    async with open_decoder(DecodeSettings(workers=2), spec) as decoder:
        for name in (COPY, "JPEG 4000 × 3000"):
            await asyncio.gather(*(decoder.decode(files[name]) for _ in range(8)))
            start = time.perf_counter()
            await asyncio.gather(*(decoder.decode(files[name]) for _ in range(100)))
            report.row(f"{name}: through two workers", 100 / (time.perf_counter() - start), "pictures/s")
    start = time.perf_counter()
    async with open_decoder(DecodeSettings(workers=1), spec):
        report.row("start of a worker", (time.perf_counter() - start) * 1e3, "ms")


def _median_ms(run: Callable[[], object]) -> float:
    taken = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        run()
        taken.append((time.perf_counter() - start) * 1e3)
    return float(np.median(taken))
