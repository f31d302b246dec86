"""The one thread that the model runs in."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


class ModelThread:
    """Runs functions one after another, away from the event loop.

    A thread of its own and not a pool's: torch keeps its number of threads per calling thread, and Python waits at
    exit for a pool's threads, also for one that is in the middle of a long download. This one is a daemon.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job  # what it holds goes now, not when the next one comes

    async def call(self, function: Callable[[], _Result]) -> _Result:
        """What `function` returns or raises. Cancelling leaves it running, and drops it if it has not begun."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Result] = loop.create_future()

        def settle(result: _Result | None, error: BaseException | None) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type] # None only beside an error

        def job() -> None:
            if answer.cancelled():
                return
            result, error = None, None
            try:
                result = function()
            except BaseException as raised:  # noqa: BLE001 - whatever it is, the one who waits must get it
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        self._jobs.put(job)
        return await answer

    async def close(self, wait_s: float) -> None:
        """Nothing new begins; what is running has `wait_s` seconds to finish before it is left to itself."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, wait_s)
