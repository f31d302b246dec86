"""`make bench-raw`: camera raw files of 20 megapixels, from a folder into the index, by the command that people give.

25 DNG files, written here (a linear mosaic of 16 bits, 40 MB each): once without a preview, so that each is developed,
and once with one of full size, as cameras embed it. The model has ViT-B-32-256's shape and random weights; its export
is there. The time is that of the whole command, with the start of its process and of the model.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.random_model import MODEL, random_checkpoint
from benchmarks.report import RESULTS, Report
from sandbox.demo.bot import as_toml
from tests.worlds.raw_files import dng

_FILES: Final = 25
_SIZE: Final = (5472, 3648)
_GOAL_S: Final = 20.0


def _write(folder: Path, count: int, *, preview: bool) -> None:
    folder.mkdir()
    random = np.random.default_rng(3)
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (12, 18, 3), np.uint8))
        scene = coarse.resize(_SIZE, Image.Resampling.BICUBIC)
        data = dng(scene, preview=scene if preview else None)
        (folder / f"DSC{number:05}.DNG").write_bytes(data)


def _imported_s(config: Path, folder: Path) -> float:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "bot", "import", str(folder), "--as", folder.name, "--config", str(config)],
        check=True,
        stdout=subprocess.DEVNULL,
        env=environ,
    )
    return time.perf_counter() - start


def measure(report: Report, folder: Path) -> None:
    """Adds the rows of this file to the report. Writes some 2 GB into `folder`."""
    config = folder / "config.toml"
    checkpoint = random_checkpoint(folder)
    values = {"data_dir": str(folder / "data"), "model.name": MODEL, "model.pretrained": str(checkpoint)}
    config.write_text(as_toml({**values, "model.device": "cpu"}))
    _write(folder / "one", 1, preview=False)
    _imported_s(config, folder / "one")  # exports the model, once
    for what, preview in (("developed", False), ("by their previews", True)):
        pictures = folder / what
        _write(pictures, _FILES, preview=preview)
        took_s = _imported_s(config, pictures)
        report.row(f"{_FILES} DNG files of 20 megapixels, {what}", took_s, "s", f"≤ {_GOAL_S:.0f}", took_s <= _GOAL_S)


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.raw", description=__doc__).parse_args()
    report = Report("raw")
    with tempfile.TemporaryDirectory(prefix="bench-raw-", dir=RESULTS.parent) as folder:
        measure(report, Path(folder))
    report.finish()


if __name__ == "__main__":
    main()
