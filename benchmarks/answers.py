"""`make bench-answers`: how good the answers are, and how long members wait for them.

Parts can be left out while developing: AFTERIMAGE_BENCH_PARTS=speed,hybrid,reposts.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks import answers_hybrid, answers_reposts, answers_speed
from benchmarks.report import Report

PARTS: dict[str, Callable[[Report], Coroutine[Any, Any, None]]] = {
    "speed": answers_speed.measure,
    "hybrid": answers_hybrid.measure,
    "reposts": answers_reposts.measure,
}


async def main() -> None:
    report = Report("answers")
    wanted = os.environ.get("AFTERIMAGE_BENCH_PARTS", ",".join(PARTS)).split(",")
    for name in wanted:
        await PARTS[name](report)
    report.finish()


if __name__ == "__main__":
    asyncio.run(main())
