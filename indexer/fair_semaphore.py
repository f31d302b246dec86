"""A semaphore that is fair between guilds."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from indexer.records.ids import GuildId


class FairSemaphore:
    """`count` slots. A free slot goes to the waiting guild that holds the fewest, then to the one that waits longest.

    So a guild of ten thousand threads and a guild of three channels each get half.
    """

    def __init__(self, count: int, ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """`ready` is awaited before a slot is waited for: it returns when new work may begin at all."""
        if count < 1:
            raise ValueError("there must be at least one slot")
        self._free = count
        self._ready = ready
        self._held: Counter[GuildId] = Counter()
        self._waiting: deque[tuple[GuildId, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def hold(self, guild_id: GuildId) -> AsyncIterator[None]:
        """A slot for as long as the block runs; waits for it."""
        if self._ready is not None:
            await self._ready()
        await self._take(guild_id)
        try:
            yield
        finally:
            self._give_back(guild_id)

    async def _take(self, guild_id: GuildId) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            self._held[guild_id] += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((guild_id, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(guild_id)
            raise

    def _give_back(self, guild_id: GuildId) -> None:
        self._held[guild_id] -= 1
        if not self._held[guild_id]:
            del self._held[guild_id]
        self._free += 1
        self._grant()

    def _grant(self) -> None:
        while self._free:
            waiting = [(guild_id, turn) for guild_id, turn in self._waiting if not turn.done()]
            self._waiting = deque(waiting)
            if not waiting:
                return
            guild_id, turn = min(waiting, key=lambda entry: self._held[entry[0]])  # min keeps the first of equals
            self._waiting.remove((guild_id, turn))
            self._free -= 1
            self._held[guild_id] += 1
            turn.set_result(None)
