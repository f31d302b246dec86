"""Re-ranking: what a second model finds that the first does not, and what it costs to ask it and to have it.

`quality`: questions about relations in drawn scenes, with the demo's two models, through the whole pipeline. `speed`:
how long these take. `base`: a model of the size that is published. `rest`: the memory of a bot that nobody asks. What
the first stage of a re-ranked question costs over 100,000 pictures, `make bench-rerank` says.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks.deeper_cost import base, rest
from benchmarks.deeper_quality import quality, speed
from benchmarks.report import Report

PARTS = {"quality": quality, "speed": speed, "base": base, "rest": rest}


async def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.deeper", description=__doc__)
    arguments.add_argument("part", nargs="?", choices=PARTS)
    part = arguments.parse_args().part
    report = Report("deeper")
    for name in [part] if part else PARTS:
        with tempfile.TemporaryDirectory(prefix="bench-deeper-") as folder:
            await PARTS[name](report, Path(folder))
    if part:
        report.finish_part()
    else:
        report.finish()


if __name__ == "__main__":
    asyncio.run(main())
