"""What time it is."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Unix milliseconds, rounded down."""
    return time.time_ns() // 1_000_000
