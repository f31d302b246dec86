"""How long each picture is in each stage of indexing, and how many are in it now."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DOWNLOAD, DECODE, ENCODE, STORE = STAGES = ("download", "decode", "encode", "store")


class StageTimes:
    """Belongs to one event loop. `observed` is told the stage and the seconds of each picture that has been in it."""

    def __init__(self) -> None:
        self.observed: Callable[[str, float], None] = lambda stage, seconds: None
        self._under_way: Counter[str] = Counter()

    def under_way(self, stage: str) -> int:
        """How many pictures are in this stage now."""
        return self._under_way[stage]

    @contextmanager
    def timed(self, stage: str, pictures: int = 1) -> Iterator[None]:
        """So many pictures are in the stage until the block ends. A cancelled block says nothing about the stage."""
        self._under_way[stage] += pictures
        began_s = time.perf_counter()
        cancelled = False
        try:
            yield
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            self._under_way[stage] -= pictures
            if not cancelled:
                took_s = time.perf_counter() - began_s
                for _ in range(pictures):
                    self.observed(stage, took_s)
