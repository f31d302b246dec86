"""Reads one guild's history, from Discord or from an archive, newest first into SQLite, page by page.

The next page is always of the channel whose unread history is newest. So the index grows back in time over the whole
guild, and it is useful within the first minute. One transaction stores a page's messages and the span that it covers.
So after a kill, a crawl repeats at most the pages under way. It skips stretches that were read before: a second run
costs one page a channel, and it also reads what was posted while the bot was away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

import aiosqlite

from indexer.backoff import Backoff, with_retries
from indexer.clock import now_ms
from indexer.crawl.crawl_schedule import FIRST, CrawlSchedule, Turn
from indexer.crawl.histories import page_size, seen_ms
from indexer.crawl.search_walk import SearchFailed, SearchWalk, Stretch, missed, sample_points
from indexer.database.database import Database
from indexer.errors import ChannelClosed, ChannelGone, RetryLater
from indexer.fair_semaphore import FairSemaphore
from indexer.ports import PAGE, History, SearchableHistory, SearchPage
from indexer.progress import Progress
from indexer.records.ids import DISCORD, ChannelId, GuildId, MessageId, OriginId, ms_snowflake, snowflake_ms
from indexer.records.messages import Channel, Message
from indexer.settings import CrawlSettings
from indexer.store import channels, guilds, message_lookup, messages, spans
from indexer.store.message_pictures import NewPlace

log = logging.getLogger(__name__)

# A channel is left for the next run after this number of temporary faults in a row: about half an hour.
PAGE_BACKOFF = Backoff(tries=20, first_s=1.0, longest_s=120.0)

# Seconds until an empty page is requested again; a second empty page is believed. Discord answers with an empty page,
# not an error, when the bot has just lost Read Message History. The second request then says that the channel closed.
CONFIRM_S = 2.0

# Pages of a channel that are read before search is considered. They tell how many of its messages show pictures.
PAGES_BEFORE_SEARCH = 2

# After this number of channels in a row without search, the run no longer tries search.
SEARCH_REFUSALS = 3

# A stored message that is missing from a page read anew was deleted. But a page may lack a message that was just
# posted, so messages of the last minute are not deleted.
SETTLED_MS = 60_000

Sink = Callable[[Sequence[NewPlace]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run reads: a guild of one origin. `only`: these channels with their threads; None: all."""

    guild_id: GuildId
    only: frozenset[ChannelId] | None = None
    origin_id: OriginId = DISCORD


@dataclass(frozen=True, slots=True)
class Waits:
    """The pauses after faults, and the seconds until an empty page is requested again."""

    backoff: Backoff
    confirm_s: float


class GuildCrawl:
    """Reads one guild. Call `run()` once."""

    def __init__(
        self,
        db: Database,
        history: History,
        run: Run,
        settings: CrawlSettings,
        slots: FairSemaphore,
        progress: Progress,
        sink: Sink,
        waits: Waits | None = None,
    ) -> None:
        """`history` is that of the run's origin. All guilds share `slots`. `sink` gets the new places of each page
        after they are stored. While it waits, no further page is requested.
        """
        self._db = db
        self._history = history
        self._run = run
        self._guild_id = run.guild_id
        self._from_discord = run.origin_id == DISCORD
        self._settings = settings
        self._slots = slots
        self._progress = progress
        self._sink = sink
        self._waits = waits or Waits(PAGE_BACKOFF, CONFIRM_S)
        wanted = settings.use_search and settings.keep == "pictures" and self._from_discord
        self._searchable = history if wanted and isinstance(history, SearchableHistory) else None
        self._not_by_search: set[ChannelId] = set()
        self._refusals = 0
        self._schedule = CrawlSchedule()
        self._started: set[ChannelId] = set()
        self.postponed: dict[ChannelId, str] = {}

    async def run(self) -> None:
        """Reads every readable channel to the end of its history.

        Channels that Discord closes are parked. Channels that it no longer has are deleted. `postponed` then has the
        channels that were not finished for another reason, with the last fault. Raises ChannelClosed where the guild
        itself cannot be read, RetryLater where its channels cannot be listed, and any TellPerson and Stop.
        """
        guild = await with_retries(lambda: self._history.guild(self._guild_id), self._waits.backoff)
        async with self._db.transaction() as tx:
            await guilds.upsert(tx, guild, self._run.origin_id)
        await self._expect()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._discover())
            for _ in range(self._settings.concurrency):
                group.create_task(self._read())

    async def _discover(self) -> None:
        try:
            await with_retries(self._list, self._waits.backoff)
            async with self._db.reader() as connection:
                known = await channels.of_guild(connection, self._guild_id)
            # A channel that Discord no longer lists was deleted or closed in the meantime. Its next page says which.
            for channel in known:
                if self._from_discord and channel.origin_id == DISCORD:
                    await self._start(channel)
        finally:
            await self._schedule.close()

    async def _list(self) -> None:
        async for channel in self._history.channels(self._guild_id):
            if channel.id in self._started:
                continue
            async with self._db.transaction() as tx:
                await channels.upsert(tx, [replace(channel, origin_id=self._run.origin_id)])
                if self._from_discord:
                    await channels.unpark(tx, channel.id)
            await self._start(channel)

    async def _start(self, channel: Channel) -> None:
        only = self._run.only
        wanted = only is None or channel.id in only or channel.parent_id in only
        if channel.id in self._started or not channel.kind.holds_messages or not wanted:
            return
        self._started.add(channel.id)
        self._progress.channels_total += 1
        await self._schedule.put(Turn(FIRST, channel))

    async def _expect(self) -> None:
        """Asks Discord for the number of messages, for a correct progress bar; only before a first reading."""
        if self._searchable is None or self._run.only is not None:
            return
        async with self._db.reader() as connection:
            if await spans.of_guild(connection, self._guild_id):
                return
        searchable = self._searchable
        try:
            page = await self._ask(lambda: searchable.search(self._guild_id, None, limit=1))
        except (RetryLater, ChannelClosed) as error:
            log.info("no total before the start: %s", error)
            return
        if page is not None and page.total > 0:
            self._progress.messages_expected = page.total

    async def _read(self) -> None:
        while (turn := await self._schedule.next()) is not None:
            try:
                following = await self._serve(turn)
                if following is None:
                    self._progress.channels_done += 1
                elif following is not turn:
                    await self._schedule.put(following)
            finally:
                await self._schedule.ended()
            unread = self._schedule.newest_unread
            self._progress.read_back_to_ms = snowflake_ms(unread) if unread is not None else None

    async def _serve(self, turn: Turn) -> Turn | None:
        """Works on one turn of a channel. Returns the next turn; None when the channel is finished; `turn` itself where
        the turn was put back already.
        """
        channel = turn.channel
        try:
            return await (self._search(turn) if self._by_search(turn) else self._page(turn))
        except ChannelClosed as error:
            await self._closed(channel, error)
            return None
        except RetryLater as error:
            again = turn.again()
            if again.failures >= self._waits.backoff.tries:
                log.warning("left for the next run after %d tries: %s", again.failures, error)
                self.postponed[channel.id] = str(error)
                return None
            wait_s = self._waits.backoff.wait_s(again.failures, error.retry_after)
            log.info("again in %.1f s: %s", wait_s, error)
            await self._schedule.rest(again, wait_s)
            return turn

    async def _closed(self, channel: Channel, error: ChannelClosed) -> None:
        """Stores why Discord closed the channel. An archive that cannot be read changes nothing of the channel."""
        if not self._from_discord:
            log.warning("left for the next run: %s", error)
            self.postponed[channel.id] = str(error)
        elif isinstance(error, ChannelGone):
            log.info("channel %s does not exist any more: deleting what was read of it", channel.id)
            async with self._db.transaction() as tx:
                await channels.delete(tx, [channel.id])
        else:
            log.info("parked: %s", error)
            self._progress.channels_parked += 1
            async with self._db.transaction() as tx:
                await channels.park(tx, channel.id, error.sentence)

    async def _page(self, turn: Turn) -> Turn | None:
        """Reads and stores one page of history."""
        async with self._slots.hold(self._guild_id):
            self._progress.requests += 1
            asked_ms = seen_ms(self._history)
            page = await self._history.page(turn.channel.id, before=turn.before)
        if not page and not turn.was_empty and self._from_discord:
            await self._schedule.rest(replace(turn, failures=0, was_empty=True), self._waits.confirm_s)
            return turn
        before = await self._store(turn.channel, turn.before, page, asked_ms)
        shown = sum(bool(message.pictures) for message in page)
        return None if before is None else turn.onward(before, pages=1, shown=shown)

    def _by_search(self, turn: Turn) -> bool:
        if self._searchable is None or turn.before is None or turn.was_empty:
            return False
        return turn.pages >= PAGES_BEFORE_SEARCH and turn.channel.id not in self._not_by_search

    async def _search(self, turn: Turn) -> Turn | None:
        """Reads a stretch of a channel by search, or decides that search does not save requests."""
        channel, before = turn.channel, turn.before
        assert self._searchable is not None, "see _by_search"
        assert before is not None, "see _by_search"
        try:
            walk = turn.walk
            if walk is None:
                walk = SearchWalk(
                    self._searchable,
                    self._guild_id,
                    channel.id,
                    before,
                    stickers=self._settings.stickers,
                    ask=self._ask,
                )
                worth = await walk.worth_it(turn.shown / (turn.pages * PAGE))
                self._refusals = 0
                if not worth:
                    self._not_by_search.add(channel.id)
                    return replace(turn, failures=0)
            stretch = await walk.stretch()
            reached = await self._store_stretch(channel, stretch, walk)
        except SearchFailed as error:
            log.info("channel %s is read page by page: %s", channel.id, error)
            self._not_by_search.add(channel.id)
            self._refusals += 1
            if self._refusals >= SEARCH_REFUSALS:
                self._searchable = None
            return replace(turn, failures=0, walk=None)
        self._progress.messages += walk.passed()
        if reached is None:
            return None
        return turn.onward(reached, walk=walk if reached == stretch.low else None)

    async def _ask(self, request: Callable[[], Awaitable[SearchPage | None]]) -> SearchPage | None:
        async with self._slots.hold(self._guild_id):
            self._progress.requests += 1
            return await request()

    async def _store_stretch(self, channel: Channel, stretch: Stretch, walk: SearchWalk) -> MessageId | None:
        """Stores what search found, compares it with pages of history, and then records the stretch as read.

        Returns where unread history continues, None at its end. Raises SearchFailed when search had missed something.
        """
        for at in range(0, len(stretch.messages), PAGE):
            await self._store_found(channel, stretch.messages[at : at + PAGE], walk.began_ms)
        for point in sample_points(stretch, walk.samples):
            async with self._slots.hold(self._guild_id):
                self._progress.requests += 1
                asked_ms = now_ms()
                page = await self._history.page(channel.id, before=point)
            if overlooked := missed(stretch, page):
                await self._store_found(channel, overlooked, asked_ms)
                raise SearchFailed(f"search did not find message {overlooked[0].id}, which shows a picture")
        async with self._db.transaction() as tx:
            if await channels.get(tx, channel.id) is None:
                return None
            await spans.cover(tx, channel.id, stretch.low, max(stretch.high, stretch.low))
            ranges = await spans.of_channel(tx, channel.id)
        return _reached(ranges, stretch.low)

    async def _store_found(self, channel: Channel, found: Sequence[Message], asked_ms: int) -> None:
        async with self._db.transaction() as tx:
            if await channels.get(tx, channel.id) is None:
                return
            stored = await messages.store(tx, found, keep=self._settings.keep, seen_ms=asked_ms)
        await self._sink(stored.new_places)

    async def _store(
        self, channel: Channel, before: MessageId | None, page: Sequence[Message], asked_ms: int
    ) -> MessageId | None:
        """Stores a page and the span it covers. Returns where unread history continues, None at the channel's end."""
        low = int(page[-1].id) if len(page) >= page_size(self._history) else 0
        high = int(before) if before is not None else int(page[0].id) if page else 0
        async with self._db.transaction() as tx:
            if await channels.get(tx, channel.id) is None:
                return None  # an event deleted the channel while the page was being requested
            if self._from_discord:
                await self._forget_missing(tx, channel.id, page, high)
            stored = await messages.store(
                tx, page, keep=self._settings.keep, seen_ms=asked_ms, origin_id=self._run.origin_id
            )
            await spans.cover(tx, channel.id, low, high, self._run.origin_id)
            ranges = await spans.of_channel(tx, channel.id, self._run.origin_id)
        self._progress.messages += len(page)
        await self._sink(stored.new_places)
        return _reached(ranges, low)

    @staticmethod
    async def _forget_missing(
        tx: aiosqlite.Connection, channel_id: ChannelId, page: Sequence[Message], high: int
    ) -> None:
        """Deletes stored messages between the page's oldest message and `high` that are not on the page any more.

        Messages older than the page's oldest one stay: the page does not show whether they exist.
        """
        if not page:
            return
        shown = {message.id for message in page}
        settled = ms_snowflake(now_ms() - SETTLED_MS)
        stored = await message_lookup.between(tx, channel_id, page[-1].id, min(high - 1, settled))
        missing = [message_id for message_id in stored if message_id not in shown]
        if missing:
            await messages.delete(tx, missing)


def _reached(ranges: Sequence[spans.Span], low: int) -> MessageId | None:
    """Where unread history continues below `low`, which was just read; None at the channel's beginning."""
    first = next(first for first, last in ranges if first <= low <= last)
    return MessageId(first) if first > 0 else None
