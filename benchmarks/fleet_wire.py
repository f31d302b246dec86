"""What goes to an encoder elsewhere: a picture's pixels, or its file, which is then opened there.

`python -m benchmarks.fleet_wire ADDRESS TOKEN-FILE` measures it in the cluster and prints JSON; benchmarks/fleet.py
starts it. A process of its own: it imports Ray.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.report import Report
from indexer.encode.on_ray.connection import connect
from indexer.encode.trial_set import trial_pictures
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.records.pictures import PixelSpec
from indexer.settings import RaySettings
from tests.worlds.ray_nodes import Nodes

SIDE, FETCHED_SIDE, BATCH, TIMES = 256, 336, 8, 60
QUALITY = 80
LIMITS = Limits(max_pixels=10_000_000)
GIGABIT = 125_000_000  # bytes a second


async def measure_wire(report: Report, nodes: Nodes) -> None:
    command = (sys.executable, "-m", "benchmarks.fleet_wire", nodes.address, str(nodes.token_file))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    found = json.loads(said)
    report.row("a batch of 8 as pixels, there and back, p50", found["pixels_ms"], "ms")
    report.row("a batch of 8 as files that are opened there, p50", found["files_ms"], "ms")
    report.row("the same, but the pixels come back and go to an encoder from here, p50", found["back_ms"], "ms")
    report.row("of that, opening 8 pictures on one core", found["open_ms"], "ms")
    report.row("a picture as pixels", found["pixel_bytes"] / 1000, "KB")
    report.row("a picture as a file", found["file_bytes"] / 1000, "KB")
    report.row("pictures as pixels through a gigabit", GIGABIT / found["pixel_bytes"], "pictures/s")


class There:
    """The actor: takes both, and its model takes no time."""

    def pixels(self, frames: np.ndarray) -> np.ndarray:
        return np.ones((len(frames), 768), np.float32)

    def files(self, files: list[bytes]) -> np.ndarray:
        return self.pixels(self.opened(files))

    def opened(self, files: list[bytes]) -> np.ndarray:
        return np.stack([opened(file) for file in files])


def opened(file: bytes) -> np.ndarray:
    return decode_picture(file, PixelSpec(SIDE), LIMITS).frames[0]


def pictures() -> list[bytes]:
    """As Discord's proxy gives them: a little larger than the model's input, 20 to 30 KB."""
    files = []
    for picture in trial_pictures(FETCHED_SIDE, BATCH):
        file = BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=QUALITY)
        files.append(file.getvalue())
    return files


def median_ms(ask: Callable[[], object]) -> float:
    spans = []
    for _ in range(TIMES + 5):
        began_s = time.perf_counter()
        ask()
        spans.append((time.perf_counter() - began_s) * 1000)
    return statistics.median(spans[5:])  # the first ones find their way


def main(address: str, token_file: str) -> None:
    connect(RaySettings(address=address, token_file=Path(token_file)))
    import ray

    there: Any = ray.remote(There).options(num_cpus=0).remote()
    files = pictures()
    frames = np.stack([opened(file) for file in files])
    found = {
        "pixels_ms": median_ms(lambda: ray.get(there.pixels.remote(frames))),
        "files_ms": median_ms(lambda: ray.get(there.files.remote(files))),
        "back_ms": median_ms(lambda: ray.get(there.pixels.remote(ray.get(there.opened.remote(files))))),
        "open_ms": median_ms(lambda: [opened(file) for file in files]),
        "pixel_bytes": frames.nbytes / BATCH,
        "file_bytes": statistics.mean(len(file) for file in files),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
