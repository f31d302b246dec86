"""How fast pictures are decoded and encoded, and how long a query waits. `python -m benchmarks.encode`.

The model has ViT-B-32-256's shape and random weights, written to a file and opened like any checkpoint. Peers stand in
the same run: float32, one picture at a time, is what a plain bot does; `Pillow` is open, convert and transform.
"""

import asyncio
import io
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.report import Report
from indexer.encode.encoder import ModelEncoder, open_encoder
from indexer.encode.on_torch.openmp import spin_briefly
from indexer.encode.trial_set import trial_pictures
from indexer.model import Pixels, PixelSpec
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.pictures.decoder import open_decoder
from indexer.settings import DecodeSettings, ModelSettings

MODEL: Final = "ViT-B-32-256"
SIZE: Final = 256
_PICTURES: Final = 192  # a precision and batch size
_AT_ONCE: Final = (1, 8, 32)
_QUERIES: Final = 60
_REPEATS: Final = 7  # of which the median counts


def random_checkpoint(folder: Path) -> Path:
    import open_clip  # torch comes in here and below, after main() has said how its threads wait, as in the bot
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = folder / f"{MODEL}.safetensors"
    save_file(open_clip.create_model(MODEL).state_dict(), path)
    return path


async def _throughput(encoder: ModelEncoder, pictures: list[Pixels], at_once: int) -> float:
    """Pictures a second with `at_once` of them in every batch."""
    await encoder.encode_pixels(pictures[:at_once])
    start = time.perf_counter()
    for first in range(0, len(pictures), at_once):
        await encoder.encode_pixels(pictures[first : first + at_once])
    return len(pictures) / (time.perf_counter() - start)


async def _query_ms(encoder: ModelEncoder) -> tuple[float, float]:
    """Median and 95th percentile of one text query in milliseconds, with a pause between two."""
    taken = []
    for number in range(_QUERIES):
        start = time.perf_counter()
        await encoder.encode_words([f"a photo of {number} cats on a red sofa"])
        taken.append((time.perf_counter() - start) * 1e3)
        await asyncio.sleep(0.05)
    return float(np.median(taken)), float(np.percentile(taken, 95))


async def _encoding(report: Report, checkpoint: Path) -> None:
    frames = trial_pictures(SIZE, 32)
    plain = 0.0
    for precision in ("float32", "bfloat16"):
        settings = ModelSettings(MODEL, str(checkpoint), precision=precision, batch_size=max(_AT_ONCE), device="cpu")
        count = _PICTURES if precision == "bfloat16" else _PICTURES // 3  # about the same time for both
        async with open_encoder(settings) as encoder:
            for at_once in _AT_ONCE:
                speed = await _throughput(encoder, (frames * 8)[:count], at_once)
                plain = plain or speed
                report.row(f"{precision}, batch {at_once}", speed, "pictures/s")
    report.row("bfloat16, batch 32, against float32, batch 1", report.rows[-1].value / plain, "×")
    start = time.perf_counter()
    async with open_encoder(ModelSettings(MODEL, str(checkpoint), device="cpu")) as encoder:
        report.row("open: load, trial, ready", time.perf_counter() - start, "s")
        print(f"auto chose {encoder.choice.precision}")
        idle = await _query_ms(encoder)
        report.row("text query, idle, p50", idle[0], "ms")
        report.row("text query, idle, p95", idle[1], "ms")

        async def index() -> None:
            while True:
                await encoder.encode_pixels(frames)

        indexing = [asyncio.create_task(index()) for _ in range(3)]
        await asyncio.sleep(1.0)
        busy = await _query_ms(encoder)
        for task in indexing:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        report.row("text query, indexing flat out, p50", busy[0], "ms")
        report.row("text query, indexing flat out, p95", busy[1], "ms", "≤ 150", busy[1] <= 150)


def _photo(width: int, height: int, seed: int = 3) -> Image.Image:
    """Soft colour, edges and grain: compresses about as a photo does."""
    random = np.random.default_rng(seed)
    soft = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    grain = random.normal(0, 6, (height, width, 1))
    return Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8))


def _screenshot(width: int, height: int) -> Image.Image:
    """Flat areas with lines of small marks, as text makes them."""
    random = np.random.default_rng(4)
    pixels = np.full((height, width, 3), (49, 51, 56), np.uint8)
    for top in range(20, height - 20, 24):
        marks = random.random((12, width // 2, 1)) < 0.4
        pixels[top : top + 12, : width // 2] = np.where(marks, 220, pixels[top : top + 12, : width // 2])
    return Image.fromarray(pixels)


def _encoded(image: Image.Image, picture_format: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, picture_format, **options)
    return file.getvalue()


def _files() -> dict[str, bytes]:
    moving = io.BytesIO()
    stills = [_photo(480, 270, seed).quantize(128) for seed in range(30)]
    stills[0].save(moving, "GIF", save_all=True, append_images=stills[1:], duration=50)
    return {
        "JPEG 4000 × 3000": _encoded(_photo(4000, 3000), "JPEG", quality=88),
        "JPEG 1080 × 1350": _encoded(_photo(1080, 1350), "JPEG", quality=88),
        "PNG screenshot 1920 × 1080": _encoded(_screenshot(1920, 1080), "PNG"),
        "PNG photo 2048 × 1536": _encoded(_photo(2048, 1536), "PNG"),
        "WebP 1280 × 960": _encoded(_photo(1280, 960), "WEBP", quality=80),
        "AVIF 1280 × 960": _encoded(_photo(1280, 960), "AVIF", quality=70),
        "WebP 448 × 336, the proxy's copy": _encoded(_photo(448, 336), "WEBP", quality=80),
        "GIF 480 × 270, 30 frames": moving.getvalue(),
    }


def _median_ms(run: Callable[[], object]) -> float:
    taken = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        run()
        taken.append((time.perf_counter() - start) * 1e3)
    return float(np.median(taken))


async def _decoding(report: Report) -> None:
    import open_clip

    spec, files = PixelSpec(SIZE), _files()
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
        for name in ("WebP 448 × 336, the proxy's copy", "JPEG 4000 × 3000"):
            await asyncio.gather(*(decoder.decode(files[name]) for _ in range(8)))
            start = time.perf_counter()
            await asyncio.gather(*(decoder.decode(files[name]) for _ in range(100)))
            report.row(f"{name}: through two workers", 100 / (time.perf_counter() - start), "pictures/s")
    start = time.perf_counter()
    async with open_decoder(DecodeSettings(workers=1), spec):
        report.row("start of a worker", (time.perf_counter() - start) * 1e3, "ms")


def main() -> None:
    spin_briefly()
    report = Report("encode")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_decoding(report))
        asyncio.run(_encoding(report, random_checkpoint(Path(folder))))
    report.finish()


if __name__ == "__main__":
    main()
