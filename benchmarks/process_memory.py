"""What a process and all its children take: on Linux shared pages by their share (PSS), elsewhere whole (RSS)."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

_EVERY_S = 0.1


def memory_mb(pid: int) -> float:
    """Of the process and its children at this moment, in MB of 10⁶ bytes."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        family = psutil.Process(pid)
        for process in (family, *family.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += _bytes(process)
    return total / 1e6


def _bytes(process: psutil.Process) -> int:
    if sys.platform == "linux":
        return int(process.memory_full_info().pss)
    else:  # noqa: RET505 -- mypy leaves out the branch of another system, but not what follows it
        return int(process.memory_info().rss)


@dataclass
class Peak:
    mb: float = 0.0


@contextmanager
def watched(pid: int) -> Iterator[Peak]:
    """The most that was seen while the block ran, looking ten times a second."""
    peak, over = Peak(), threading.Event()

    def look() -> None:
        while not over.wait(_EVERY_S):
            peak.mb = max(peak.mb, memory_mb(pid))

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()
