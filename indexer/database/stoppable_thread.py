"""Long blocking work in a thread that ends soon after its task was cancelled."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import TypeVar

from indexer.database.connections import to_the_end
from indexer.platforms.processes import lower_thread_priority

T = TypeVar("T")

Check = Callable[[], None]  # raises ThreadStopped where nobody waits for the work any more

STEPS = 50_000  # of SQLite's virtual machine, some 5 ms, between two looks at whether the work was stopped


class ThreadStopped(Exception):
    """Nobody waits for this work any more."""


async def in_stoppable_thread(
    work: Callable[[Check], T], discard: Callable[[T], None] | None = None, *, nice: int = 0
) -> T:
    """What `work(check)` returns. `work` must call `check` every now and then.

    The thread is its own, not one of asyncio's few: it may hang in a disk that does not answer, and its priority is
    lowered by `nice` (see lower_thread_priority).
    If this task is cancelled, `check` raises ThreadStopped in the thread, the end of `work` is awaited, and the
    cancellation is raised here. `discard` gets a result that came nevertheless.
    """
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise ThreadStopped

    threads = ThreadPoolExecutor(1, "stoppable", lower_thread_priority, (nice,))
    context = copy_context()  # whose work it is stands in each line of the log
    thread = asyncio.get_running_loop().run_in_executor(threads, lambda: context.run(work, check))
    threads.shutdown(wait=False)  # the thread ends with this work
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        stop.set()
        with suppress(ThreadStopped):
            result = await to_the_end(_result(thread))
            if discard is not None:
                discard(result)
        raise


@contextmanager
def stoppable(connection: sqlite3.Connection, check: Check) -> Iterator[None]:
    """Inside the block, also a long statement of `connection` ends with ThreadStopped where `check` raises it."""

    def interrupts() -> int:
        try:
            check()
        except ThreadStopped:
            return 1
        return 0

    connection.set_progress_handler(interrupts, STEPS)
    try:
        yield
    except sqlite3.OperationalError:
        check()
        raise
    finally:
        connection.set_progress_handler(None, 0)


async def _result(thread: asyncio.Future[T]) -> T:
    return await thread
