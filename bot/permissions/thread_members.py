"""Who is in which private thread: asked of Discord, remembered for some seconds, bounded for each member and for all.

Discord tells a bot of others' joining and leaving only with the Server Members intent, which this bot does not ask for.
So it asks, one request a thread and member, and a member who was taken out of a thread finds its pictures for
`JOINED_S` seconds more, never longer: the seconds count from before the question was sent. Whoever was added to a
thread may have to wait for `NOT_JOINED_S` seconds.

- One thread and member are asked about once at a time; who asks meanwhile waits for the same answer.
- A member has a budget. Once it is spent, threads that are not remembered stay hidden from that member, and from nobody
  else.
- All requests together keep a pace, and one member's never fill the line: others wait for a few of them at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol
from weakref import WeakValueDictionary

import aiohttp
import discord

from bot.history.rest import Pace, Unbroken
from bot.token_buckets import TokenBuckets
from indexer.lru import LruCache
from indexer.model import ChannelId

JOINED_S = 10.0
NOT_JOINED_S = 30.0
REMEMBERED = 4_096  # answers; at PER_SECOND no more than 600 are asked for in NOT_JOINED_S

# A member's requests: so many at once, and so many a minute in the long run. With more private threads than that, the
# newest are asked about first, and the others as the budget grows.
MEMBER_BURST = 50
MEMBER_PER_MINUTE = 120.0
# Discord allows a bot 50 requests a second over all routes, of which reading history takes up to 45.
PER_SECOND = 20.0
BURST = 30
AT_ONCE = 10
MEMBER_AT_ONCE = 5

ANSWER_S = 1.5  # whoever asks waits no longer; a later answer is remembered all the same
REQUEST_S = 30.0


class ThreadRequests(Protocol):
    """What of discord.py's HTTP client is used."""

    async def get_thread_member(self, channel_id: int, user_id: int) -> Any:
        """Raises NotFound for who is no member."""
        ...


class ThreadMembers:
    """Memberships as Discord told them. Safe to use from many tasks of one loop."""

    def __init__(self, http: ThreadRequests, unbroken: Unbroken, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._http = http
        self._unbroken = unbroken
        self.clock = clock
        # By thread and member: joined or not.
        self._told: LruCache[tuple[ChannelId, int], bool] = LruCache(REMEMBERED, clock=lambda: self.clock())
        self._asking: dict[tuple[ChannelId, int], asyncio.Task[None]] = {}
        self._budgets = TokenBuckets(MEMBER_PER_MINUTE, MEMBER_BURST, lambda: self.clock())
        self._pace = Pace(PER_SECOND, BURST)
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._gates: WeakValueDictionary[int, asyncio.Semaphore] = WeakValueDictionary()

    async def joined(self, member_id: int, threads: Collection[ChannelId]) -> frozenset[ChannelId]:
        """Those of `threads` (the most wanted first) that the member is known to be in; asks about the others."""
        waited_for = set()
        for thread_id in threads:
            key = (thread_id, member_id)
            if self._told.get(key) is not None:
                continue
            if key not in self._asking and self._budgets.take(member_id) == 0.0:
                # No question is its parent: several wait for it, and it goes on when they give up. It ends by REQUEST_S
                # or by `close`.
                self._asking[key] = asyncio.create_task(self._ask(key), name="thread member")
            if key in self._asking:
                waited_for.add(self._asking[key])
        if waited_for:
            await asyncio.wait(waited_for, timeout=ANSWER_S)
        return frozenset(thread_id for thread_id in threads if self._told.get((thread_id, member_id)))

    async def close(self) -> None:
        """Ends the questions that are still waiting for their turn."""
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
                        await self._unbroken(self._http.get_thread_member(thread_id, member_id))
                    joined = True
                except discord.NotFound:
                    joined = False
                except (discord.DiscordException, aiohttp.ClientError, OSError, RuntimeError):
                    return  # nothing is known, so it stays hidden; RuntimeError is aiohttp's word for a closed session
                lifetime_s = JOINED_S if joined else NOT_JOINED_S
                self._told.put(key, joined, lifetime_s=asked_s + lifetime_s - self.clock())
        finally:
            del self._asking[key]
