"""Sends no IDENTIFY before its turn, and none that Discord's daily limit has no room for.

discord.py would wait 5 s before each IDENTIFY but the first of its own, as if no other process had the same token, and
it never looks at the daily limit. Here a shard waits before it opens its connection, in a task of its own: other
shards resume their sessions meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import discord
from discord.gateway import ReconnectWebSocket
from discord.shard import EventItem, EventType, Shard

from bot.config.tables import Config
from bot.gateway.identify_turns import GAP_S, IdentifyTurns, TurnsOnThisMachine, turns_folder
from bot.gateway.session_starts import RECONNECT_SHARE, SessionStarts
from indexer.service import Service
from indexer.supervisor import Faults, supervised

logger = logging.getLogger(__name__)

# For one connection, HELLO and IDENTIFY. discord.py's own 180 s are for its pauses between shards, which are before
# here.
CONNECT_S = 60.0

NAME = "connecting"  # of this work in the counts of faults

LOOK_S = 600.0  # while it waits for the daily limit: other processes use it too
TOLD_S = 3.0  # of a turn, which others wait for, it takes to ask Discord for the limits

# After a refused IDENTIFY Discord wants a random wait of 1 to 5 s: a fifth of the gap to all of it. It doubles with
# each refusal in a row, up to so many times: processes on several machines that collide do not collide for ever.
DOUBLED = 4

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Identifying:
    """Of one client. `look` asks Discord for the limits; `spawn` runs work in the background."""

    def __init__(
        self,
        look: Callable[[], Coroutine[Any, Any, SessionStarts]],
        turns: IdentifyTurns,
        spawn: Spawn,
        faults: Faults,
        gap_s: float = GAP_S,
    ) -> None:
        self._look = look
        self._turns = turns
        self._spawn = spawn
        self._faults = faults
        self._gap_s = gap_s
        self._starts: SessionStarts
        self._ready: dict[int, int] = {}  # shards whose turn it is, with their buckets
        self._refusals: Counter[int] = Counter()  # in a row, by shard
        self.waits_until: float | None = None
        """Unix time at which the daily limit lets shards connect that wait for it now."""

    async def room(self, shards: int, share: float, known: SessionStarts | None = None) -> None:
        """Waits until so many shards may open a session and leave `share` of the day's. `known`: the limits that
        Discord has just told. Raises what `look` raises.
        """
        try:
            while True:
                self._starts = starts = known or await self._look()
                known = None
                wait_s = starts.wait_s(shards, share)
                if not wait_s:
                    return
                self.waits_until = time.time() + wait_s
                logger.warning(
                    "Discord lets this bot open %d more sessions until %s, of %d a day for all its processes: %d are"
                    " needed here and some for lost connections, and more than the last one would cost the bot its"
                    " token. So it waits. Look why it connects so often.",
                    *(starts.remaining, datetime.fromtimestamp(self.waits_until, UTC).isoformat(timespec="seconds")),
                    *(starts.total, shards),
                )
                await asyncio.sleep(min(wait_s, LOOK_S))
        finally:
            self.waits_until = None

    async def turn(self, shard_id: int) -> None:
        """Waits for the shard's turn, where it does not have it. Needs `room` before.

        In its turn it looks at the day's sessions again: then nobody else of its bucket uses one, while before it
        others that looked in the same moment counted the same ones.
        """
        while shard_id not in self._ready:
            bucket = self._starts.bucket(shard_id)
            await self._turns.take(bucket)
            self._ready[shard_id] = bucket
            starts = await self._told()
            if starts.wait_s(1, RECONNECT_SHARE):
                self._give_back(shard_id)
                await self.room(1, RECONNECT_SHARE, starts)

    async def sends(self, shard_id: int) -> None:
        """Called right before the IDENTIFY is sent."""
        await self.turn(shard_id)
        bucket = self._ready[shard_id]
        if not self._turns.holds(bucket):  # the connection took too long
            self._give_back(shard_id)
            await self._turns.take(bucket)
            self._ready[shard_id] = bucket
        self._turns.sent(self._ready.pop(shard_id))

    def accepted(self, shard_id: int) -> None:
        """Discord has answered with a READY."""
        del self._refusals[shard_id]

    def _give_back(self, shard_id: int) -> None:
        if shard_id in self._ready:
            self._turns.give_back(self._ready.pop(shard_id))

    async def _told(self) -> SessionStarts:
        """The limits as they are now. Where Discord does not tell them, those of before: a reserve is left."""
        try:
            async with asyncio.timeout(TOLD_S):
                self._starts = await self._look()
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
            logger.warning("how many sessions are left today is not known anew (%s: %s)", type(error).__name__, error)
        return self._starts

    def guard(self, shard: Shard) -> None:
        """Lets the shard wait for its turn outside of discord.py's loop, which reconnects one shard after the other."""
        reidentify, reconnect, handle_disconnect = shard.reidentify, shard.reconnect, shard._handle_disconnect

        async def reidentify_in_turn(exc: ReconnectWebSocket) -> None:
            if exc.resume or shard.id in self._ready:
                await reidentify(exc)
            else:
                shard._dispatch("shard_disconnect", shard.id)
                self._refusals[shard.id] += 1
                self._later(shard, EventItem(EventType.identify, shard, exc))

        async def reconnect_in_turn() -> None:
            if shard.id in self._ready:
                await reconnect()
            else:
                self._later(shard, EventItem(EventType.reconnect, shard, None))

        async def give_back_and_handle(e: Exception) -> None:
            self._give_back(shard.id)  # if nothing was sent: discord.py now pauses, after some failures for minutes
            await handle_disconnect(e)

        shard.reidentify = reidentify_in_turn  # type: ignore[method-assign]  # discord.py has no hook
        shard.reconnect = reconnect_in_turn  # type: ignore[method-assign]  # discord.py has no hook
        shard._handle_disconnect = give_back_and_handle  # type: ignore[method-assign]  # discord.py has no hook

    def _later(self, shard: Shard, item: EventItem) -> None:
        async def wait() -> None:
            if refusals := self._refusals[shard.id]:
                pause_s = random.uniform(self._gap_s / 5, self._gap_s) * 2 ** min(refusals - 1, DOUBLED)
                logger.info("shard %d has no session: it asks for one in %.1f s", shard.id, pause_s)
                await asyncio.sleep(pause_s)
            await self.room(1, RECONNECT_SHARE)
            await self.turn(shard.id)
            shard._queue_put(item)

        self._spawn(supervised(NAME, wait, self._faults))


@contextmanager
def open_identifying(
    client: discord.Client, config: Config, service: Service, spawn: Spawn, gap_s: float
) -> Iterator[Identifying]:
    """For a client that is logged in, until the block ends."""
    assert client.application_id is not None, "known from the login on"

    async def look() -> SessionStarts:
        return SessionStarts.of((await client.http.get_bot_gateway())[2])

    folder = turns_folder(config.discord.turns_dir, config.settings.data_dir)
    turns: IdentifyTurns = TurnsOnThisMachine(folder, client.application_id, gap_s)
    if service.promises is not None:
        from bot.gateway.storage_turns import TurnsInStorage  # nothing of it is imported where there is no storage

        turns = TurnsInStorage(turns, service.promises.storage, client.application_id, spawn, gap_s)
    try:
        yield Identifying(look, turns, spawn, service.faults, gap_s)
    finally:
        turns.close()
