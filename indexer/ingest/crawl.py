"""One guild's history, read newest first into SQLite, every page exactly where the last one ended.

The unit is a page: the channel whose unread history is newest goes next, so the index grows back in time over the
whole guild and is useful within the first minute. A page's messages and the span it covers are stored in one
transaction; killed anywhere, a crawl repeats at most the pages under way. A stretch that was read before is jumped
over, so a second run costs one page a channel, and the same walk fills the gap that an absence left.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import aiosqlite

from indexer.errors import ChannelClosed, ChannelGone, RetryLater
from indexer.ingest.patience import Patience, patiently
from indexer.ingest.progress import Tally, now_ms
from indexer.ingest.slots import FairSlots
from indexer.model import Channel, ChannelId, GuildId, Message, MessageId, PlaceId, ms_snowflake, snowflake_ms
from indexer.ports import PAGE, History
from indexer.storage import channels, guilds, messages, spans
from indexer.storage.database import Database

log = logging.getLogger(__name__)

# Passing faults in a row after which a channel is left for the next run: about half an hour.
PAGE_PATIENCE = Patience(tries=20, first_s=1.0, longest_s=120.0)

# Seconds until an empty page is asked for again and believed. Discord answers an empty page, not an error, when the bot
# just lost Read Message History; by then the change has arrived and the request says that the channel is closed.
CONFIRM_S = 2.0

# A message that is missing from a page read anew was deleted, but Discord may show one late that was just posted.
SETTLED_MS = 60_000

Sink = Callable[[Sequence[Message], Sequence[PlaceId]], Awaitable[None]]


@dataclass(order=True)
class _Turn:
    """A channel that waits for its next page; the newest unread history sorts first."""

    sort_key: int
    channel: Channel = field(compare=False)
    before: MessageId | None = field(compare=False, default=None)
    failures: int = field(compare=False, default=0)
    was_empty: bool = field(compare=False, default=False)


class GuildCrawl:
    """Reads one guild. `run()` once."""

    def __init__(
        self,
        db: Database,
        history: History,
        guild_id: GuildId,
        *,
        keep: messages.Keep,
        concurrency: int,
        slots: FairSlots,
        tally: Tally,
        sink: Sink,
        only: frozenset[ChannelId] | None = None,
        patience: Patience = PAGE_PATIENCE,
        confirm_s: float | None = None,
    ) -> None:
        """`keep` is "pictures" or "all" (see CrawlSettings.messages). `sink` gets each page's messages and the new
        places among them once they are stored; while it waits, no further page is asked for. `only` limits the crawl
        to these channels and their threads. `slots` are shared by all guilds.
        """
        self._db = db
        self._history = history
        self._guild_id = guild_id
        self._keep = keep
        self._concurrency = concurrency
        self._slots = slots
        self._tally = tally
        self._sink = sink
        self._only = only
        self._patience = patience
        self._confirm_s = CONFIRM_S if confirm_s is None else confirm_s
        self._ready: list[_Turn] = []
        self._resting: list[tuple[float, _Turn]] = []
        self._started: set[ChannelId] = set()
        self._under_way = 0
        self._discovering = True
        self._changed = asyncio.Condition()
        self.postponed: dict[ChannelId, str] = {}

    async def run(self) -> None:
        """Reads every readable channel to the end of its history.

        Channels that cannot be read are parked, those that no longer exist are deleted. `postponed` then holds the
        channels that passing faults kept from being finished, with the last fault. Raises ChannelClosed where the
        guild itself cannot be read, RetryLater where its channels cannot be listed, TellPerson and Stop as they come.
        """
        guild = await patiently(lambda: self._history.guild(self._guild_id), self._patience)
        async with self._db.transaction() as tx:
            await guilds.upsert(tx, guild)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._discover())
            for _ in range(self._concurrency):
                group.create_task(self._read())

    async def _discover(self) -> None:
        try:
            await patiently(self._list, self._patience)
            async with self._db.reader() as connection:
                known = await channels.of_guild(connection, self._guild_id)
            # What Discord no longer lists was deleted or closed while we were away: its next page says which.
            for channel in known:
                await self._start(channel)
        finally:
            async with self._changed:
                self._discovering = False
                self._changed.notify_all()

    async def _list(self) -> None:
        async for channel in self._history.channels(self._guild_id):
            if channel.id in self._started:
                continue
            async with self._db.transaction() as tx:
                await channels.upsert(tx, [channel])
                await channels.unpark(tx, channel.id)
            await self._start(channel)

    async def _start(self, channel: Channel) -> None:
        wanted = self._only is None or channel.id in self._only or channel.parent_id in self._only
        if channel.id in self._started or not channel.kind.holds_messages or not wanted:
            return
        self._started.add(channel.id)
        self._tally.channels_total += 1
        async with self._changed:
            # Nothing is known yet about a channel's age: its first page comes before everything.
            heapq.heappush(self._ready, _Turn(-(1 << 63), channel))
            self._changed.notify()

    async def _read(self) -> None:
        while (turn := await self._next()) is not None:
            going_on = True
            try:
                going_on = await self._page(turn)
            finally:
                await self._ended(finished=not going_on)

    async def _next(self) -> _Turn | None:
        """The next channel's turn; None once nothing is left."""
        async with self._changed:
            while True:
                now = time.monotonic()
                while self._resting and self._resting[0][0] <= now:
                    heapq.heappush(self._ready, heapq.heappop(self._resting)[1])
                if self._ready:
                    turn = heapq.heappop(self._ready)
                    self._under_way += 1
                    return turn
                if not (self._discovering or self._under_way or self._resting):
                    self._changed.notify_all()
                    return None
                wait = self._resting[0][0] - now if self._resting else None
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def _ended(self, *, finished: bool) -> None:
        async with self._changed:
            self._under_way -= 1
            self._tally.channels_done += finished
            self._note_depth()
            self._changed.notify_all()

    def _note_depth(self) -> None:
        unread = [turn.before for turn in self._ready] + [turn.before for _, turn in self._resting]
        cursors = [before for before in unread if before is not None]
        if cursors and len(cursors) == len(unread) and not self._discovering:
            self._tally.read_back_to_ms = snowflake_ms(max(cursors))

    async def _page(self, turn: _Turn) -> bool:
        """Reads and stores one page; whether the channel has another turn."""
        channel = turn.channel
        try:
            async with self._slots.hold(self._guild_id):
                self._tally.requests += 1
                page = await self._history.page(channel.id, before=turn.before)
            if not page and not turn.was_empty:
                self._rest(_Turn(turn.sort_key, channel, turn.before, was_empty=True), self._confirm_s)
                return True
            before = await self._store(channel, turn.before, page)
        except ChannelGone:
            log.info("channel %s does not exist any more: deleting what was read of it", channel.id)
            async with self._db.transaction() as tx:
                await channels.delete(tx, [channel.id])
            return False
        except ChannelClosed as error:
            log.info("parked: %s", error)
            self._tally.channels_parked += 1
            async with self._db.transaction() as tx:
                await channels.park(tx, channel.id, str(error))
            return False
        except RetryLater as error:
            return self._again(turn, error)
        if before is None:
            return False
        heapq.heappush(self._ready, _Turn(-before, channel, before))
        return True

    def _again(self, turn: _Turn, error: RetryLater) -> bool:
        failures = turn.failures + 1
        if failures >= self._patience.tries:
            log.warning("left for the next run after %d tries: %s", failures, error)
            self.postponed[turn.channel.id] = str(error)
            return False
        wait_s = self._patience.wait_s(failures, error.retry_after)
        log.info("again in %.1f s: %s", wait_s, error)
        self._rest(_Turn(turn.sort_key, turn.channel, turn.before, failures, turn.was_empty), wait_s)
        return True

    def _rest(self, turn: _Turn, wait_s: float) -> None:
        heapq.heappush(self._resting, (time.monotonic() + wait_s, turn))

    async def _store(self, channel: Channel, before: MessageId | None, page: Sequence[Message]) -> MessageId | None:
        """Stores a page with the span it covers; where the channel's unread history goes on, None at its end."""
        low = int(page[-1].id) if len(page) >= PAGE else 0
        high = int(before) if before is not None else int(page[0].id) if page else 0
        async with self._db.transaction() as tx:
            if await channels.get(tx, channel.id) is None:
                return None  # deleted by an event while the page was on its way
            await self._forget_missing(tx, channel.id, page, high)
            stored = await messages.store(tx, page, keep=self._keep, now_ms=now_ms())
            await spans.cover(tx, channel.id, low, high)
            ranges = await spans.of_channel(tx, channel.id)
        self._tally.messages += len(page)
        await self._sink(page, stored.new_places)
        reached = next(first for first, last in ranges if first <= low <= last)
        return MessageId(reached) if reached > 0 else None

    @staticmethod
    async def _forget_missing(
        tx: aiosqlite.Connection, channel_id: ChannelId, page: Sequence[Message], high: int
    ) -> None:
        """Deletes what is stored between the page's oldest message and `high` but not on the page any more.

        Not what is older than the page's oldest message: that such a thing is missing proves nothing.
        """
        if not page:
            return
        shown = {message.id for message in page}
        settled = ms_snowflake(now_ms() - SETTLED_MS)
        stored = await messages.between(tx, channel_id, page[-1].id, min(high - 1, settled))
        missing = [message_id for message_id in stored if message_id not in shown]
        if missing:
            await messages.delete(tx, missing)
