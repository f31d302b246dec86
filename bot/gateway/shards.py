"""The state of the gateway connection, by shard. discord.py's `is_ready()` stays true for ever once it was true."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from discord.shard import ShardInfo

# Seconds beyond one heartbeat interval (41.25 s at Discord) without a single frame. Discord acknowledges each
# heartbeat, so such a connection is dead although nobody closed it. discord.py itself notices this after 60 to 100 s.
SILENT_S = 15.0


def silences(shards: Mapping[int, ShardInfo]) -> dict[int, float]:
    """The shards that hear nothing, each with its seconds of silence."""
    silent = {}
    for shard_id, shard in shards.items():
        keep_alive = shard._parent.ws._keep_alive  # holds the time of the last frame: no public name gives it
        if keep_alive is not None:
            silence_s = time.perf_counter() - keep_alive._last_recv
            if silence_s > (keep_alive.interval or 0.0) + SILENT_S:
                silent[shard_id] = silence_s
    return silent


class Shards:
    """Which shards are away, and since when (Unix seconds)."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._away: dict[int, float] = {}

    def lost(self, shard_id: int) -> None:
        """The shard's connection is lost. A repeated call for the same loss does not change its time."""
        self._away.setdefault(shard_id, self._clock())

    def back(self, shard_id: int) -> None:
        """The shard has resumed its session, or started a new one."""
        self._away.pop(shard_id, None)

    def away(self, silent: dict[int, float]) -> dict[int, float]:
        """The shards that are away, with the time of their loss.
        `silent`: seconds of silence of shards that hear nothing.
        """
        now = self._clock()
        return {shard_id: now - silence for shard_id, silence in silent.items()} | self._away
