"""Computations of seconds: in one thread of their own, one at a time, each of which stops when nobody waits for it.

The event loop's own threads serve every search; a computation of seconds among them would make everybody wait. The turn
is held until the computation has really ended: a thread cannot be cancelled, only asked, so the work looks at its
`stop` between two steps of some milliseconds.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from indexer.errors import AfterimageError, RetryLater

T = TypeVar("T")

# Owners that may wait for their turn at once. With some seconds each, more would wait in vain.
MOST_OWNERS = 8


class AlreadyRunning(AfterimageError):
    """This owner's last computation has not ended."""


class TooManyWaiting(AfterimageError):
    """MOST_OWNERS others are waiting or running."""


class Stopped(RetryLater):
    """The work was asked to stop."""


def unless(stop: threading.Event) -> None:
    """Raises Stopped once `stop` is set: to be called between two steps."""
    if stop.is_set():
        raise Stopped("a computation was stopped, because nobody waits for it any more")


class LongWork:
    """The thread and whose turn it is. `owner` is whoever asked: each has one turn at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="long-work")
        self._turn = asyncio.Semaphore(1)
        self._owners: set[int] = set()
        self._stop = threading.Event()
        self._closed = False

    @asynccontextmanager
    async def turn(self, owner: int) -> AsyncIterator[None]:
        """Waits for the turn and holds it. Raises AlreadyRunning, TooManyWaiting."""
        if owner in self._owners:
            raise AlreadyRunning("a computation of this owner is still running")
        if len(self._owners) >= MOST_OWNERS:
            raise TooManyWaiting(f"{MOST_OWNERS} computations are running or waiting")
        self._owners.add(owner)
        try:
            async with self._turn:
                yield
        finally:
            self._owners.discard(owner)

    async def run(self, work: Callable[[threading.Event], T]) -> T:
        """The result of `work(stop)`, run in the thread. Only within a turn.

        Cancelled, it asks the work to stop and leaves once that has ended.
        """
        stop = self._stop = threading.Event()
        if self._closed:
            stop.set()
        unless(stop)
        future = asyncio.wrap_future(self._thread.submit(work, stop))
        cancelled: asyncio.CancelledError | None = None
        while not future.done():
            try:
                await asyncio.wait((future,))
            except asyncio.CancelledError as error:
                stop.set()
                cancelled = error
        if cancelled is not None:
            future.exception()  # read: nobody waits for it
            raise cancelled
        return future.result()

    async def close(self) -> None:
        """Stops what runs, and waits for it."""
        self._closed = True
        self._stop.set()
        await asyncio.to_thread(self._thread.shutdown)


@asynccontextmanager
async def open_long_work() -> AsyncIterator[LongWork]:
    """The thread, until the block ends."""
    work = LongWork()
    try:
        yield work
    finally:
        await work.close()
