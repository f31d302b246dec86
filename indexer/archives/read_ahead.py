"""Reads the page that is asked for next while the one before is being stored."""

from __future__ import annotations

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Generic, TypeVar

T = TypeVar("T")
Key = tuple[int, int, int]  # a channel and the rows first ≤ row < last

_AHEAD: Final = 2  # results that wait: channels take turns, so the next page may be of another one


class ReadAhead(Generic[T]):
    """Runs calls in a thread of its own. What is read ahead and never asked for is dropped."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "read-ahead")
        self._waiting: OrderedDict[Key, Future[T]] = OrderedDict()
        weakref.finalize(self, self._thread.shutdown, wait=False)

    async def get(self, read: Callable[[Key], T], key: Key, following: Key | None) -> T:
        """What `read` returns for `key`; then it is called for `following`. Raises what `read` raises."""
        found = self._waiting.pop(key, None) or self._thread.submit(read, key)
        if following is not None and following not in self._waiting:
            self._waiting[following] = self._thread.submit(read, following)
            while len(self._waiting) > _AHEAD:
                _, oldest = self._waiting.popitem(last=False)
                oldest.cancel()
        return await asyncio.wrap_future(found)
