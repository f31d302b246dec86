"""How the gateway is, shard by shard. discord.py's own `is_ready()` stays true for ever once it was true."""

from __future__ import annotations

import time
from collections.abc import Callable

# Seconds beyond one heartbeat interval (41.25 s at Discord) without a single frame: each heartbeat is acknowledged, so
# the connection is dead although nobody closed it. discord.py itself notices after 60 to 100 s.
SILENT_S = 15.0


class Shards:
    """Which shards are away, and since when (Unix seconds)."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._away: dict[int, float] = {}

    def lost(self, shard_id: int) -> None:
        """The shard's connection is gone. Told again while it is away, the first time counts."""
        self._away.setdefault(shard_id, self._clock())

    def back(self, shard_id: int) -> None:
        """The shard has resumed its session, or begun a new one."""
        self._away.pop(shard_id, None)

    def away(self, silent: dict[int, float]) -> dict[int, float]:
        """Shards that are away, and since when. `silent`: shards that have heard nothing for too long, and for how many
        seconds.
        """
        now = self._clock()
        return {shard_id: now - silence for shard_id, silence in silent.items()} | self._away
