"""The model by torch and by OpenVINO, side by side: pictures a second, memory, the way to the first answer.

Random weights of the shape of ViT-B-32-256. Each runtime is measured through the bot's own encoder, three times in
turn; the median counts. bfloat16 where the processor has it; elsewhere float32, which is what both then run in.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.calibrated_int8 import calibrate
from benchmarks.encode_model import pictures_per_s
from benchmarks.process_memory import memory_mb
from benchmarks.random_model import MODEL, random_checkpoint
from benchmarks.report import Report
from indexer.encode.encoder import ModelEncoder, open_encoder
from indexer.settings import ModelSettings

_ROUNDS: Final = 3
_INT8: Final = "OpenVINO, two batches at once (pictures' network alone)"


def _memory_mb(encoder: ModelEncoder) -> float:
    assert encoder.pid is not None
    return memory_mb(encoder.pid)


async def _measure(report: Report, folder: Path) -> None:
    base = ModelSettings(MODEL, str(random_checkpoint(folder)), device="cpu", export_dir=folder / "models", idle_s=0)
    torch, openvino = replace(base, runtime="torch"), replace(base, runtime="openvino")
    ways = {
        "torch": torch,
        "OpenVINO, one batch at once": replace(openvino, streams=1),
        "OpenVINO, two batches at once": replace(openvino, streams=2),
    }
    start = time.perf_counter()
    async with open_encoder(openvino) as encoder:  # the export and the trial, once
        report.row("OpenVINO: the very first start, with export and trial", time.perf_counter() - start, "s")
        precision = encoder.choice.precision
    ways = {way: replace(settings, precision=precision) for way, settings in ways.items()}
    start = time.perf_counter()
    if why_not := await asyncio.to_thread(calibrate, folder / "models"):
        report.row(f"int8 is not used: {why_not}", 0, "pictures/s")
    else:
        report.row("int8: calibrated and checked, once", time.perf_counter() - start, "s")
        ways[_INT8] = replace(openvino, streams=2, precision="int8")
    speed: dict[str, list[float]] = {way: [] for way in ways}
    memory: dict[str, list[float]] = {way: [] for way in ways}
    first: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(_ROUNDS):
        for way, settings in ways.items():
            start = time.perf_counter()
            async with open_encoder(settings) as encoder:
                await encoder.encode_words(["a cold question"])
                first[way].append(time.perf_counter() - start)
                speed[way].append(await pictures_per_s(encoder))
                memory[way].append(_memory_mb(encoder))
    for way in ways:
        report.row(f"{way}, {ways[way].precision}", statistics.median(speed[way]), "pictures/s")
        report.row(f"{way}: memory of the model's process (PSS)", statistics.median(memory[way]), "MB")
        report.row(f"{way}: start to the first text's vector, page cache warm", statistics.median(first[way]), "s")
    best = max(statistics.median(speed[way]) for way in ways if way not in ("torch", _INT8))
    report.row("OpenVINO against torch, both with words and pictures", best / statistics.median(speed["torch"]), "×")
    if _INT8 in ways:
        report.row(f"int8 against {precision}", statistics.median(speed[_INT8]) / best, "×")


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.runtimes", description=__doc__).parse_args()
    report = Report("runtimes")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(report, Path(folder)))
    report.finish()


if __name__ == "__main__":
    main()
