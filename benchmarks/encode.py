"""How fast files become vectors, beside rclip and a plain bot; how fast pictures are opened; how long a text waits.

The model has ViT-B-32-256's shape and random weights. bfloat16 where the processor has it, else float32.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks import encode_decoding, encode_end_to_end, encode_model, encode_plot
from benchmarks.report import Report
from indexer.encode.on_torch.openmp import spin_briefly


def main() -> None:
    argparse.ArgumentParser(prog="python -m benchmarks.encode", description=__doc__).parse_args()
    spin_briefly()
    report = Report("encode")
    with tempfile.TemporaryDirectory(prefix="bench-encode-") as folder:
        encode_end_to_end.measure(report, Path(folder))
        alone = Path(folder) / "alone"
        alone.mkdir()
        asyncio.run(encode_model.measure(report, alone))
    asyncio.run(encode_decoding.measure(report))
    report.finish()
    encode_plot.draw()


if __name__ == "__main__":
    main()
