"""Whether members are asking just now: work that can wait makes room for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Who has asked mostly asks again, turns a page or looks at a picture.
QUIET_S = 2.0


class Questions:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._under_way = 0
        self._last_s = float("-inf")
        self.began = asyncio.Event()  # set with each question; whoever waits for it clears it

    @contextmanager
    def asking(self) -> Iterator[None]:
        """A question, as long as the block runs."""
        self._under_way += 1
        self.began.set()
        try:
            yield
        finally:
            self._under_way -= 1
            self._last_s = time.monotonic()

    @property
    def quiet(self) -> bool:
        """Whether nobody is asking, and nobody has asked for QUIET_S seconds."""
        return not self._under_way and time.monotonic() - self._last_s >= QUIET_S

    async def until_quiet(self) -> None:
        """Waits until nobody is asking, and nobody has asked for QUIET_S seconds."""
        while not self.quiet:  # noqa: ASYNC110 -- what is waited for is that nothing happens
            await asyncio.sleep(QUIET_S / 4)
