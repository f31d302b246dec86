"""Tells a command how far its work is."""

from __future__ import annotations

import time
from collections.abc import Callable

from bot.control.handler import Tell
from bot.observability.work_line import work_line

TELL_EVERY_S = 1.0


def progress_lines(tell: Tell, what: str, total: int) -> Callable[[int], None]:
    """Hears how many are done, and tells it at most once in TELL_EVERY_S seconds, with rate and remaining time."""
    begun = told_s = time.monotonic()

    def told(done: int) -> None:
        nonlocal told_s
        now = time.monotonic()
        if now - told_s >= TELL_EVERY_S:
            told_s = now
            tell(work_line(what, done, total, now - begun))

    return told
