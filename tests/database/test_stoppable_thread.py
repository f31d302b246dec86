"""Long work has a thread of its own, behind all others."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from indexer.database.stoppable_thread import Check, in_stoppable_thread


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
async def test_the_priority_of_its_thread_alone_is_lowered() -> None:
    def priority(_: Check) -> tuple[int, int]:
        thread = threading.get_native_id()
        if sys.platform == "linux":  # mypy follows no mark
            return os.getpriority(os.PRIO_PROCESS, thread), thread
        else:  # noqa: RET505 -- mypy takes what follows an `if` of another platform for unreachable
            raise AssertionError("the mark above skips this")

    def go_on() -> None:
        """Nobody stops the work."""

    before, here = priority(go_on)
    lowered, there = await in_stoppable_thread(priority, nice=3)
    assert (lowered, there != here) == (min(before + 3, 19), True)
    assert (await in_stoppable_thread(priority))[0] == before
    assert priority(go_on) == (before, here)
