"""The model's process alone: its rate against the most that this machine multiplies, and how long a text waits."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.random_model import GFLOP, MODEL, SIZE, random_checkpoint
from benchmarks.report import Report
from indexer.encode.encoder import ModelEncoder, open_encoder
from indexer.encode.trial_set import trial_pictures
from indexer.settings import ModelSettings

_MEASURED_S: Final = 6.0
_AT_ONCE: Final = 32  # pictures that wait, so that every stream has a batch
_QUERIES: Final = 60
_MATRIX: Final = 2048  # rows and columns
_PEAK_S: Final = 3.0


async def measure(report: Report, folder: Path) -> None:
    """Adds the rows of this file to the report."""
    checkpoint = random_checkpoint(folder)
    settings = ModelSettings(MODEL, str(checkpoint), device="cpu", export_dir=folder / "models", idle_s=0)
    async with open_encoder(settings):  # the export and its trial, once
        pass
    start = time.perf_counter()
    async with open_encoder(settings) as encoder:
        await encoder.encode_words(["a cold question"])
        report.row("start of the process to the first text's vector", time.perf_counter() - start, "s")
        rate = await pictures_per_s(encoder)
        idle, busy = await _query_p95_ms(encoder), 0.0
        frames = trial_pictures(SIZE, _AT_ONCE)

        async def index() -> None:
            while True:
                await encoder.encode_pixels(frames)

        indexing = [asyncio.create_task(index(), name=f"indexing {number}") for number in range(3)]
        await asyncio.sleep(1.0)
        busy = await _query_p95_ms(encoder)
        for task in indexing:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        precision = encoder.choice.precision
        report.row(f"the model alone, {encoder.choice}", rate, "pictures/s")
    peak = _peak_gflops(precision)
    share = rate * GFLOP / peak
    report.row(f"the most that this machine multiplies in {precision}, by oneDNN", peak, "GFLOP/s")
    report.row("share of that which the model gets", share, "", "≥ 0.75", share >= 0.75)
    report.row("text query, idle, p95", idle, "ms", "≤ 20", idle <= 20)
    report.row("text query, indexing flat out, p95", busy, "ms", "≤ 60", busy <= 60)


async def pictures_per_s(encoder: ModelEncoder) -> float:
    """With so many waiting that each of its streams has a batch."""
    frames = trial_pictures(SIZE, _AT_ONCE)
    await encoder.encode_pixels(frames)
    done, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < _MEASURED_S:
        await encoder.encode_pixels(frames)
        done += len(frames)
    return done / passed


async def _query_p95_ms(encoder: ModelEncoder) -> float:
    """Of one text at a time, with a pause between two."""
    taken = []
    for number in range(_QUERIES):
        start = time.perf_counter()
        await encoder.encode_words([f"a photo of {number} cats on a red sofa"])
        taken.append((time.perf_counter() - start) * 1e3)
        await asyncio.sleep(0.05)
    return float(np.percentile(taken, 95))


def _peak_gflops(precision: str) -> float:
    """Large matrix products in this precision, as torch has oneDNN do them."""
    import torch

    kind = getattr(torch, precision)
    left, right = torch.rand(_MATRIX, _MATRIX).to(kind), torch.rand(_MATRIX, _MATRIX).to(kind)
    multiply = torch.nn.Linear(_MATRIX, _MATRIX, bias=False, dtype=kind)
    best = 0.0
    with torch.inference_mode():
        for product in (lambda: left @ right, lambda: multiply(left)):
            product()
            count, start = 0, time.perf_counter()
            while (passed := time.perf_counter() - start) < _PEAK_S:
                product()
                count += 1
            best = max(best, 2 * _MATRIX**3 * count / passed / 1e9)
    return best
