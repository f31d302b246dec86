"""Finds who is in which private thread. Discord's answers are remembered for some seconds, bounded for each member and
for all.

Discord reports other members' joining and leaving only with the Server Members intent, which this bot does not request.
So it asks, with one request for each thread and member. A member who was removed from a thread finds its pictures for
`JOINED_S` seconds more at most: the seconds count from before the request was sent. A member who was added to a thread
may have to wait for `NOT_JOINED_S` seconds.

- There is one request at a time for one thread and member. Callers that ask meanwhile wait for the same answer.
- Each member has a budget. Once it is spent, threads without a remembered answer stay hidden from that member, and from
  nobody else.
- All requests together are limited to a rate. One member's requests never fill the queue: others wait for a few of them
  at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol
from weakref import WeakValueDictionary

import aiohttp
import discord

from bot.history.rest import Pace, ShieldedRequests
from bot.token_buckets import TokenBuckets
from indexer.lru import LruCache
from indexer.records.ids import ChannelId

JOINED_S = 10.0
NOT_JOINED_S = 30.0
REMEMBERED = 4_096  # answers; at PER_SECOND the bot asks for no more than 600 in NOT_JOINED_S

# A member's requests: so many at once, and so many a minute in the long run. If the member has more private threads,
# the bot asks about the newest first, and about the others as the budget grows.
MEMBER_BURST = 50
MEMBER_PER_MINUTE = 120.0
# Discord allows a bot 50 requests a second over all routes, of which reading history takes up to 45.
PER_SECOND = 20.0
BURST = 30
AT_ONCE = 10
MEMBER_AT_ONCE = 5

ANSWER_S = 1.5  # a caller waits no longer than this; an answer that comes later is still remembered
REQUEST_S = 30.0


class ThreadRequests(Protocol):
    """The methods of discord.py's HTTP client that are used here."""

    async def get_thread_member(self, channel_id: int, user_id: int) -> Any:
        """Raises NotFound for a user who is not a member."""
        ...


class ThreadMembers:
    """Memberships as Discord reported them. Safe to use from many tasks of one loop."""

    def __init__(
        self, http: ThreadRequests, shielded: ShieldedRequests, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` gives seconds."""
        self._http = http
        self._shielded = shielded
        self.clock = clock
        # By thread and member: joined or not.
        self._told: LruCache[tuple[ChannelId, int], bool] = LruCache(REMEMBERED, clock=lambda: self.clock())
        self._asking: dict[tuple[ChannelId, int], asyncio.Task[None]] = {}
        self._budgets = TokenBuckets(MEMBER_PER_MINUTE, MEMBER_BURST, lambda: self.clock())
        self._pace = Pace(PER_SECOND, BURST)
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._gates: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    async def joined(self, member_id: int, threads: Collection[ChannelId]) -> frozenset[ChannelId]:
        """Those of `threads` (the most wanted first) that the member is known to be in.
        Asks Discord about the others.
        """
        waited_for = set()
        for thread_id in threads:
            key = (thread_id, member_id)
            if self._told.get(key) is not None:
                continue
            if key not in self._asking and self._budgets.take(member_id) == 0.0:
                # No caller is its parent: several callers wait for it, and it continues when they give up. REQUEST_S or
                # `close` ends it.
                self._asking[key] = asyncio.create_task(self._ask(key), name="thread member")
            if key in self._asking:
                waited_for.add(self._asking[key])
        if waited_for:
            await asyncio.wait(waited_for, timeout=ANSWER_S)
        return frozenset(thread_id for thread_id in threads if self._told.get((thread_id, member_id)))

    async def close(self) -> None:
        """Cancels the requests that still wait for their turn."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask(self, key: tuple[ChannelId, int]) -> None:
        thread_id, member_id = key
        own = self._gates.setdefault(member_id, asyncio.Semaphore(MEMBER_AT_ONCE))
        try:
            async with own, self._gate:
                await self._pace.turn()
                asked_s = self.clock()
                try:
                    async with asyncio.timeout(REQUEST_S):
                        await self._shielded(self._http.get_thread_member(thread_id, member_id))
                    joined = True
                except discord.NotFound:
                    joined = False
                except (discord.DiscordException, aiohttp.ClientError, OSError, RuntimeError):
                    return  # unknown, so the thread stays hidden; a closed aiohttp session raises RuntimeError
                lifetime_s = JOINED_S if joined else NOT_JOINED_S
                self._told.put(key, joined, lifetime_s=asked_s + lifetime_s - self.clock())
        finally:
            del self._asking[key]
