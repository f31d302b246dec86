"""How many sessions Discord still lets the bot open today, and whether they are enough for a start.

Discord counts every IDENTIFY of a bot, of all its processes together: 1,000 a day for most. It resets the token of a
bot that sends more. https://discord.com/developers/docs/events/gateway#session-start-limit-object
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What a start leaves for the other processes and for lost connections: a twentieth of the day, 50 of 1,000. A
# connection that was lost may use all of it but for a hundredth: in other buckets others look at the same moment, and
# there are fewer buckets than that.
START_SHARE = 1 / 20
RECONNECT_SHARE = 1 / 100

SHORTEST_S = 1.0  # between two questions


@dataclass(frozen=True, slots=True)
class SessionStarts:
    """`remaining` of `total` sessions may be opened within the next `reset_after_s` seconds, and `max_concurrency` in
    five seconds.
    """

    total: int
    remaining: int
    reset_after_s: float
    max_concurrency: int

    @staticmethod
    def of(limits: Mapping[str, Any]) -> SessionStarts:
        """Discord's `session_start_limit`."""
        return SessionStarts(
            total=int(limits["total"]),
            remaining=int(limits["remaining"]),
            reset_after_s=limits["reset_after"] / 1000,
            max_concurrency=max(1, int(limits["max_concurrency"])),
        )

    def wait_s(self, shards: int, share: float) -> float:
        """Seconds until so many shards may open a session and leave `share` of the day's; 0: they may now.

        A whole day's sessions are always enough, also for a bot whose shards need nearly all of them.
        """
        wanted = min(shards + int(share * self.total), self.total)
        return 0.0 if self.remaining >= wanted else max(self.reset_after_s, SHORTEST_S)

    def bucket(self, shard_id: int) -> int:
        """Shards of one bucket take turns: https://discord.com/developers/docs/events/gateway#sharding-max-concurrency"""
        return shard_id % self.max_concurrency
