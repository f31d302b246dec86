"""Waiting for something in the sandbox to change."""

import asyncio
from collections.abc import Callable


class Signal:
    """Wakes all waiting tasks whenever `fire` is called."""

    def __init__(self) -> None:
        self.fired = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def fire(self) -> None:
        """Report that something changed."""
        self.fired += 1
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `condition` is true after some change. False when `timeout_s` seconds pass first."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not condition():
            remaining_s = deadline - asyncio.get_running_loop().time()
            if remaining_s <= 0:
                return False
            future = asyncio.get_running_loop().create_future()
            self._waiting.add(future)
            try:
                async with asyncio.timeout(remaining_s):
                    await future
            except TimeoutError:
                return condition()
            finally:
                self._waiting.discard(future)
        return True

    async def again(self, timeout_s: float) -> bool:
        """Wait for the next change; False when none comes within `timeout_s` seconds."""
        seen = self.fired
        return await self.until(lambda: self.fired > seen, timeout_s)
