"""Reads a folder of pictures as most bots do: Pillow, open_clip in float32, one picture after the other.

`python -m benchmarks.encode_naive FOLDER CHECKPOINT`: says "ready", waits for a line, says the seconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import open_clip
import torch
from PIL import Image

from benchmarks.random_model import MODEL


def main(folder: str, checkpoint: str) -> None:
    model, _, transform = open_clip.create_model_and_transforms(MODEL, pretrained=checkpoint)
    model.eval()

    def index(path: Path) -> None:
        with Image.open(path) as image, torch.inference_mode():
            model.encode_image(transform(image.convert("RGB"))[None])

    paths = sorted(Path(folder).iterdir())
    for path in paths[:4]:
        index(path)
    print("ready", flush=True)
    sys.stdin.readline()
    began_s = time.perf_counter()
    for path in paths:
        index(path)
    print(time.perf_counter() - began_s, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
