"""One piece of work at a time for each owner; a few more wait in order, beyond that is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from indexer.errors import ReadersBusy

Owner = TypeVar("Owner", bound=Hashable)

WAITING = 5  # of one owner: with the one in hand as many as a member may give commands at once by default


@dataclass(slots=True)
class _Line:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    present: int = 0  # in hand and waiting


class OneAtATime(Generic[Owner]):
    """Holds nothing of owners that have no work. Belongs to one event loop."""

    def __init__(self) -> None:
        self._lines: dict[Owner, _Line] = {}

    @asynccontextmanager
    async def turn(self, owner: Owner) -> AsyncIterator[None]:
        """The owner's turn for as long as the block lasts; waits for it. Raises ReadersBusy where WAITING wait."""
        line = self._lines.setdefault(owner, _Line())
        if line.present > WAITING:
            raise ReadersBusy(f"{line.present - 1} pictures of the same member wait already.")
        line.present += 1
        try:
            async with line.lock:
                yield
        finally:
            line.present -= 1
            if not line.present:
                del self._lines[owner]
