"""Memory that the bot and the model's process both see: frames go over without a copy through a pipe."""

from __future__ import annotations

import asyncio
import mmap
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from indexer.model import Pixels
from indexer.platforms.shared_memory import create_shared, delete_shared

_BETWEEN = 16  # frames copied (3 MB, under 1 ms) before the event loop has its turn

Frames = npt.NDArray[np.uint8]


class SharedFrames:
    """The bot's side. One batch at a time, the same bytes. `reference` is for the process that shares it."""

    def __init__(self) -> None:
        self._handle, self.reference = create_shared()
        self._frames: Frames | None = None

    def make_room(self, count: int, size: int) -> None:
        """Room for `count` frames of size × size × 3 bytes. Pages that are never written cost nothing."""
        if self._frames is None:
            os.ftruncate(self._handle, count * size * size * 3)
            self._frames = mapped(self._handle, size)

    async def write(self, frames: Sequence[Pixels]) -> None:
        """Puts a batch there, in order."""
        assert self._frames is not None, "make_room comes first"
        for at, frame in enumerate(frames):
            self._frames[at] = frame
            if at % _BETWEEN == _BETWEEN - 1:
                await asyncio.sleep(0)

    def close(self) -> None:
        self._frames = None  # the mapping goes with its last array
        delete_shared(self._handle, self.reference)


def mapped(handle: int, size: int) -> Frames:
    """[count, size, size, 3] uint8 over the whole file; what one process writes there, the other reads."""
    return np.frombuffer(mmap.mmap(handle, os.fstat(handle).st_size), np.uint8).reshape(-1, size, size, 3)
