"""One queue for each guild: a guild's events in order, different guilds at the same time, in bounded memory."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from indexer.errors import AfterimageError, RetryLater
from indexer.records.ids import GuildId, MessageId
from indexer.supervisor import Faults, contained, supervised

logger = logging.getLogger(__name__)

# New messages and edits that may wait, about 2 kB each. One guild's limit holds a minute of the busiest guild; the
# limit for all guilds together is 40 MB.
QUEUED = 2_000
QUEUED_IN_ALL = 20_000

# Dropped edits whose message ids are remembered, for one guild: about 1 MB of ids. The sweep finds later ones.
MISSED_EDITS = 10_000

Event = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Waiting:
    """One guild's events. `deletions` come first: a deletion that arrives before its message still takes effect."""

    deletions: deque[Event] = field(default_factory=deque)
    events: deque[tuple[Event, bool, MessageId | None]] = field(default_factory=deque)  # see `put` and `offer`
    missed: bool = False
    missed_edits: set[MessageId] = field(default_factory=set)

    def miss(self, edited: MessageId | None) -> None:
        self.missed = True
        if edited is not None and len(self.missed_edits) < MISSED_EDITS:
            self.missed_edits.add(edited)


class GuildQueues:
    """Processes each guild's events in a task of its own, which ends when nothing waits. `run` is its parent."""

    def __init__(self, faults: Faults, read_again: Callable[[GuildId, frozenset[MessageId]], Awaitable[None]]) -> None:
        """`read_again` reads a guild again after events were dropped; it gets the messages whose edits were dropped."""
        self._faults = faults
        self._read_again = read_again
        self._waiting: dict[GuildId, _Waiting] = {}
        self._additions = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._ended = False

    async def run(self) -> None:
        """Runs until it is cancelled. Raises Stop where nothing can go on; any other error is logged and counted."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for guild_id in self._waiting:
                    self._start(guild_id)
                await asyncio.Event().wait()
        finally:
            self._tasks, self._ended = None, True
            self._idle.set()

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return sum(len(guild.deletions) + len(guild.events) for guild in self._waiting.values())

    async def settled(self) -> None:
        """Waits until no event waits, or until `run` has ended and nothing would process the events."""
        await self._idle.wait()

    def offer(self, guild_id: GuildId, event: Event, edited: MessageId | None = None) -> None:
        """Queues a new message or the edit of an old one. If there is no room, the event is dropped and the guild is
        read again later. That reading finds new messages; of a dropped edit, the message id is remembered.
        """
        waiting = self._of(guild_id)
        if len(waiting.events) >= QUEUED or self._additions >= QUEUED_IN_ALL:
            if not waiting.missed:
                logger.warning("guild %d: more events than can be held; it is read again afterwards", guild_id)
            waiting.miss(edited)
        else:
            self._additions += 1
            waiting.events.append((event, False, edited))

    def put(self, guild_id: GuildId, event: Event) -> None:
        """Queues an event that no later reading would find. It is never dropped.
        It is repeated while the database is busy.
        """
        self._of(guild_id).events.append((event, True, None))

    def put_first(self, guild_id: GuildId, deletion: Event) -> None:
        """As `put`, but ahead of all other events: for deleted messages, which a flood must not delay."""
        self._of(guild_id).deletions.append(deletion)

    def lost(self, guild_id: GuildId) -> None:
        """An event of the guild could not be parsed: the guild is read again."""
        self._of(guild_id).missed = True

    def _of(self, guild_id: GuildId) -> _Waiting:
        """The guild's queue, made if it is missing: for an event that is about to be added."""
        if guild_id not in self._waiting:
            self._waiting[guild_id] = _Waiting()
            if not self._ended:
                self._idle.clear()
            if self._tasks is not None:
                self._start(guild_id)
        return self._waiting[guild_id]

    def _start(self, guild_id: GuildId) -> None:
        assert self._tasks is not None, "called below `run` only"
        work = supervised("events", lambda: self._work(guild_id), self._faults)
        self._tasks.create_task(work, name=f"events of guild {guild_id}")

    async def _work(self, guild_id: GuildId) -> None:
        """Processes events until none of the guild waits.
        After RetryLater the current event still waits: call it again.
        """
        waiting = self._waiting[guild_id]
        while waiting.deletions or waiting.events or waiting.missed:
            if waiting.deletions:
                await self._lasting(waiting.deletions[0]())
                waiting.deletions.popleft()
            elif waiting.events:
                event, lasting, edited = waiting.events[0]
                if lasting:
                    await self._lasting(event())
                waiting.events.popleft()
                if not lasting:
                    self._additions -= 1
                    await self._passing(waiting, event(), edited)
            else:
                edits = frozenset(waiting.missed_edits)
                await self._lasting(self._read_again(guild_id, edits))
                waiting.missed_edits -= edits
                waiting.missed = bool(waiting.missed_edits)
        del self._waiting[guild_id]
        if not self._waiting:
            self._idle.set()

    async def _lasting(self, work: Awaitable[None]) -> None:
        retry: RetryLater | None = None
        with contained("events", self._faults):
            try:
                await work
            except RetryLater as later:
                retry = later
        if retry is not None:
            raise retry

    async def _passing(self, waiting: _Waiting, work: Awaitable[None], edited: MessageId | None) -> None:
        with contained("events", self._faults):
            try:
                await work
            except AfterimageError:
                waiting.miss(edited)
                raise
