"""Memory that the bot and the model's process both see: frames go over without a copy through a pipe."""

from __future__ import annotations

import mmap
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import numpy.typing as npt

from indexer.platforms.shared_memory import create_shared, delete_shared
from indexer.records.pictures import Pixels

_BETWEEN = 16  # frames copied (3 MB, under 1 ms) before the event loop has its turn

Frames = npt.NDArray[np.uint8]


class SharedFrames:
    """The bot's side: room for some batches. `reference` is for the process that shares it."""

    def __init__(self) -> None:
        self._handle, self.reference = create_shared()
        self._frames: Frames | None = None
        self._free: list[int] = []

    def make_room(self, batches: int, count: int, size: int) -> None:
        """Room for `batches` batches of `count` frames of size × size × 3 bytes. Pages that are never written cost
        nothing."""
        if self._frames is None:
            os.ftruncate(self._handle, batches * count * size * size * 3)
            self._frames = mapped(self._handle, size)
            self._free = [batch * count for batch in reversed(range(batches))]

    @asynccontextmanager
    async def holding(self, frames: Sequence[Pixels]) -> AsyncIterator[int]:
        """A batch lies there, in order, until the block ends. Yields the number of its first frame."""
        import asyncio  # here, since the model's process imports this file and has no event loop

        assert self._frames is not None, "make_room comes first"
        first = self._free.pop()
        try:
            for at, frame in enumerate(frames):
                self._frames[first + at] = frame
                if at % _BETWEEN == _BETWEEN - 1:
                    await asyncio.sleep(0)
            yield first
        finally:
            self._free.append(first)

    def close(self) -> None:
        self._frames = None  # the mapping goes with its last array
        delete_shared(self._handle, self.reference)


def mapped(handle: int, size: int) -> Frames:
    """[count, size, size, 3] uint8 over the whole file; what one process writes there, the other reads."""
    return np.frombuffer(mmap.mmap(handle, os.fstat(handle).st_size), np.uint8).reshape(-1, size, size, 3)
