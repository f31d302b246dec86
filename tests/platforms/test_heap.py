from __future__ import annotations

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from indexer.platforms.heap import return_free_memory

LIKE_GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")
BLOCK, BLOCKS = 2_000, 20_000  # bytes: too large for Python's own allocator, too small for a mapping of its own


@pytest.mark.skipif(not LIKE_GLIBC, reason="only glibc keeps freed memory for a thread, and can give it back")
def test_what_a_living_thread_has_freed_goes_back_to_the_system() -> None:
    with ThreadPoolExecutor(1) as thread:
        kept = thread.submit(_freed_below).result()
        before = _resident_kb()
        return_free_memory()
        assert before - _resident_kb() > BLOCK * BLOCKS // 1024 // 2
        assert len(kept) == BLOCK


def _freed_below() -> bytes:
    """Frees many blocks that lie below one that is kept: glibc by itself gives back what lies on top alone."""
    blocks = [bytes(BLOCK) for _ in range(BLOCKS)]
    return blocks.pop()


def _resident_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
