"""The sweep finds messages that were deleted or edited without an event. It reads slowly, the oldest check first.

Discord never repeats a deletion that the bot missed. So each stored message is compared with a page of history from
time to time. A message that is missing there is deleted here. A message that was edited is stored as it is now. One
request checks all stored messages among up to 100 neighbours.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.errors import ChannelClosed, ChannelGone, RetryLater, Stop
from indexer.fair_semaphore import FairSemaphore
from indexer.ports import PAGE, History
from indexer.records.ids import ChannelId, GuildId, MessageId
from indexer.records.messages import Message
from indexer.settings import Keep
from indexer.store import channels, guilds, message_checks, message_lookup, messages

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
TRIES = 3  # tries of one page, before a temporary fault counts as a permanent one


@dataclass(frozen=True, slots=True)
class Swept:
    """One check: how many stored messages were checked, and how many of them were deleted."""

    checked: int
    gone: int


class Sweep:
    """Checks the stored messages of all guilds that consented, one page at a time. The guilds take turns."""

    def __init__(
        self,
        db: Database,
        history: History,
        *,
        keep: Keep,
        slots: FairSemaphore,
        again_days: float,
        busy: Callable[[GuildId], bool],
    ) -> None:
        """A message is checked again after `again_days`. Guilds that `busy` names are not checked at that time."""
        self._db = db
        self._history = history
        self._keep = keep
        self._slots = slots
        self._again_ms = round(again_days * DAY_MS)
        self._busy = busy
        self._schedule: deque[GuildId] = deque()
        # Failures in a row of the page below that message; at most one entry a guild.
        self._failures: dict[MessageId, int] = {}

    async def forever(self, per_minute: float) -> None:
        """One check each 60 / `per_minute` seconds; 0: none. Raises what `look` raises: the supervisor handles it."""
        if per_minute <= 0:
            return
        while True:
            await asyncio.sleep(60 / per_minute)
            await self.look()

    async def look(self) -> Swept | None:
        """Checks the page around the message whose last check is oldest. None where no message is due.

        Raises the error that prevented the check. A page that fails TRIES times in a row, or once for a permanent
        reason, is skipped for a day.
        """
        async with self._db.reader() as connection:
            consented = await guilds.consented(connection)
            waiting = [guild_id for guild_id in self._schedule if guild_id in consented]
            self._schedule = deque(waiting or consented)
            due = None
            for _ in range(len(self._schedule)):
                guild_id = self._schedule.popleft()
                if self._busy(guild_id):
                    continue
                oldest = await message_checks.oldest_checked(connection, guild_id, now_ms() - self._again_ms, 1)
                if oldest:
                    due = (guild_id, *oldest[0])
                    break
        if due is None:
            return None
        try:
            swept = await self._check(*due)
        except Stop:
            raise
        except Exception as error:
            await self._count_failure(due, passing=isinstance(error, RetryLater))
            raise
        self._failures.pop(due[2], None)
        return swept

    async def _count_failure(self, due: tuple[GuildId, ChannelId, MessageId], *, passing: bool) -> None:
        _, channel_id, message_id = due
        failures = self._failures.pop(message_id, 0) + 1
        if passing and failures < TRIES:
            self._failures[message_id] = failures
            return
        log.warning("channel %d: the page below message %d is skipped for a day", channel_id, message_id)
        again_ms = now_ms() - self._again_ms + min(DAY_MS, self._again_ms // 2)
        async with self._db.transaction() as tx:
            page = await message_lookup.newest(tx, channel_id, message_id, PAGE)
            await message_checks.mark_checked(tx, page, again_ms)

    async def _check(self, guild_id: GuildId, channel_id: ChannelId, message_id: MessageId) -> Swept:
        asked_ms = now_ms()
        try:
            async with self._slots.hold(guild_id):
                page = list(await self._history.page(channel_id, before=MessageId(message_id + 1)))
                if not page:  # an empty page does not prove that the messages were deleted
                    message = await self._history.message(channel_id, message_id)
                    page = [] if message is None else [message]
        except ChannelGone:
            async with self._db.transaction() as tx:
                await channels.delete(tx, [channel_id])
            return Swept(0, 0)
        except ChannelClosed as error:
            async with self._db.transaction() as tx:
                await channels.park(tx, channel_id, error.sentence)
            return Swept(0, 0)
        return await self._settle(channel_id, message_id, page, asked_ms)

    async def _settle(self, channel_id: ChannelId, message_id: MessageId, page: list[Message], asked_ms: int) -> Swept:
        """Makes the stored messages between the page's oldest message and `message_id` equal to what Discord shows."""
        shown = {message.id for message in page}
        low = min((*shown, message_id))
        async with self._db.transaction() as tx:
            stored = await message_lookup.between(tx, channel_id, low, message_id)
            deleted_ids = [stored_id for stored_id in stored if stored_id not in shown]
            if deleted_ids:
                await messages.delete(tx, deleted_ids)
            # Storing the page again stores edits and marks its messages as checked. Housekeeping fetches new places.
            await messages.store(tx, page, keep=self._keep, seen_ms=asked_ms)
            await message_checks.mark_checked(tx, stored, asked_ms)
        if deleted_ids:
            log.info("channel %s: %d messages were deleted and no event told of it", channel_id, len(deleted_ids))
        return Swept(len(stored), len(deleted_ids))
