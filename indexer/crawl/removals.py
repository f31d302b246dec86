"""Deletions, opt-outs and edits that remove something: written to the journal first, then repeated until stored.

Discord reports a deletion only once. So the receiver of its event calls, as early as possible,

    await service.removals.write_down(MessagesDeleted((message_id,)))    # on the disk when this returns, some 5 ms

and carries it out later: with the event's method of `Live` or `Service` (`on_delete`, `on_channel_delete`,
`forget_guild`, …), or with `carry_out`. These methods write a removal down if that was not done before. Two equal
removals count as one. If the database is busy or full, the removal stays in the journal and `repeat` tries it again,
also after a kill.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from indexer.clock import now_ms
from indexer.database.connections import ALONE_CACHE_KIB
from indexer.database.database import Database
from indexer.database.journal import Journal
from indexer.errors import ChannelClosed, ChannelGone, RetryLater
from indexer.ports import History
from indexer.records.ids import EVERYWHERE, ChannelId, GuildId, MessageId, UserId
from indexer.settings import Keep
from indexer.store import audit, channels, deleted_here, guilds, messages, opt_outs, origins, promises
from indexer.store.emptying import empty
from indexer.supervisor import Faults, contained

log = logging.getLogger(__name__)

NAME = "removals"  # the name of this work among the faults
MARKS_AT_ONCE = 5_000  # marks of messages that were deleted here, in one transaction: some 20 ms


@dataclass(frozen=True, slots=True)
class MessagesDeleted:
    """One message or many, of any channels."""

    message_ids: tuple[MessageId, ...]


@dataclass(frozen=True, slots=True)
class MessageChanged:
    """An edit that removes words or pictures. The journal never has the message; the message is requested again."""

    channel_id: ChannelId
    message_id: MessageId


@dataclass(frozen=True, slots=True)
class ChannelDeleted:
    """A channel with its threads, or a thread."""

    channel_id: ChannelId


@dataclass(frozen=True, slots=True)
class GuildLeft:
    """The bot was removed from a guild, or left it."""

    guild_id: GuildId


@dataclass(frozen=True, slots=True)
class OptedOut:
    """A person who does not want to be found: in a guild, or everywhere (guild 0). `by`: who requested it."""

    user_id: UserId
    guild_id: GuildId
    by: UserId | None = None


Removal = MessagesDeleted | MessageChanged | ChannelDeleted | GuildLeft | OptedOut

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (MessagesDeleted, MessageChanged, ChannelDeleted, GuildLeft, OptedOut)
}


@dataclass(slots=True)
class _Pending:
    """A removal with its `number` in the journal. The task that carries it out holds `turn`."""

    number: int
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Removals:
    """Carries removals out. Belongs to one event loop. `repeat` runs under the supervisor."""

    def __init__(self, db: Database, history: History, journal: Journal, keep: Keep, faults: Faults) -> None:
        self._db = db
        self._history = history
        self._journal = journal
        self._keep = keep
        self._faults = faults
        self._watchers: list[Callable[[Removal], None]] = []
        self._pending: dict[Removal, _Pending] = {}
        for number, what in journal.pending.items():
            removal = _read(what)
            if removal is not None:
                self._pending[removal] = _Pending(number)
        self._left = asyncio.Event()
        if self._pending:
            self._left.set()

    @property
    def pending(self) -> tuple[Removal, ...]:
        """The removals in the journal that are not carried out yet, oldest first."""
        return tuple(self._pending)

    def leaving(self, guild_id: GuildId) -> frozenset[UserId]:
        """Members who want to be forgotten in this guild and whose messages are not all deleted yet. Callers must show
        nothing of them.
        """
        return frozenset(
            removal.user_id
            for removal in self._pending
            if isinstance(removal, OptedOut) and removal.guild_id in (guild_id, EVERYWHERE)
        )

    @contextmanager
    def watched(self, watcher: Callable[[Removal], None]) -> Iterator[None]:
        """Inside the block `watcher` is told of each removal before that is written down, perhaps more than once."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    async def take_up(self) -> None:
        """Writes down what is to be deleted and was not written down: opt-outs that `afterimage forget` began and did
        not finish, and what the journal of promises brought.
        """
        async with self._db.reader() as connection:
            unfinished = await opt_outs.unfinished(connection)
            going = await promises.guilds_to_forget(connection)
        for user_id, guild_id in unfinished:
            if user_id not in self.leaving(guild_id):
                await self.write_down(OptedOut(user_id, guild_id))
                self._left.set()
        for guild_id in going:
            await self.write_down(GuildLeft(guild_id))
            self._left.set()

    async def write_down(self, removal: Removal) -> None:
        """Returns when the removal is on the disk. If the journal cannot be written, that is logged and the removal is
        kept in memory; no error is raised.
        """
        for watcher in self._watchers:
            watcher(removal)
        if removal not in self._pending:
            self._pending[removal] = _Pending(self._journal.add({"kind": type(removal).__name__, **asdict(removal)}))
        await self._journal.flush()

    async def carry_out(self, removal: Removal, work: Callable[[], Awaitable[int]] | None = None) -> int | None:
        """Writes the removal down and carries it out now. Returns how many messages were deleted.

        None: it could not be stored, and `repeat` tries it again. `work` replaces the usual deletion. Raises Stop.
        """
        await self.write_down(removal)
        deleted_count: int | None = None
        with contained(NAME, self._faults):
            deleted_count = await self._perform(removal, work)
        if deleted_count is None:
            self._left.set()
        return deleted_count

    async def settle(self, wanted: Callable[[Removal], bool]) -> None:
        """Carries out the pending removals for which `wanted` is true, before conflicting work. Raises RetryLater."""
        for removal in filter(wanted, self.pending):
            await self._perform(removal, None)

    async def repeat(self) -> None:
        """Carries out pending removals until it is cancelled. Raises RetryLater where some remain."""
        while True:
            await self._left.wait()
            self._left.clear()
            failures = 0
            for removal in self.pending:
                with contained(NAME, self._faults) as attempt:
                    await self._perform(removal, None)
                failures += attempt.failed
            if failures:
                self._left.set()
                raise RetryLater(f"{failures} deletions wait until they can be stored.")

    async def _perform(self, removal: Removal, work: Callable[[], Awaitable[int]] | None) -> int:
        """Carries the removal out. Returns 0 where another task did it first. Raises the error that prevented it."""
        entry = self._pending.get(removal)
        if entry is None:
            return 0
        async with entry.turn:
            if self._pending.get(removal) is not entry:
                return 0
            deleted_count = await (work() if work is not None else self._remove(removal))
            del self._pending[removal]
            self._journal.done(entry.number)
            await self._journal.flush()
            return deleted_count

    async def _remove(self, removal: Removal) -> int:
        match removal:
            case MessagesDeleted(message_ids):
                async with self._db.transaction() as tx:
                    return await messages.delete(tx, message_ids)
            case MessageChanged(channel_id, message_id):
                return await self._read_again(channel_id, message_id)
            case ChannelDeleted(channel_id):
                return await self._delete_channel(channel_id)
            case GuildLeft(guild_id):
                return await forget_guild(self._db, guild_id)
            case OptedOut(user_id, guild_id, by):
                return await opt_out(self._db, user_id, guild_id, by)

    async def _read_again(self, channel_id: ChannelId, message_id: MessageId) -> int:
        asked_ms = now_ms()
        try:
            message = await self._history.message(channel_id, message_id)
        except ChannelGone:
            return await self._delete_channel(channel_id)
        except ChannelClosed as error:
            log.info("what changed in message %d is read when its channel opens again: %s", message_id, error)
            return 0
        async with self._db.transaction() as tx:
            if message is None:
                return await messages.delete(tx, [message_id])
            await messages.store(tx, [message], keep=self._keep, seen_ms=asked_ms)
        return 0

    async def _delete_channel(self, channel_id: ChannelId) -> int:
        async with self._db.reader() as connection:
            channel = await channels.get(connection, channel_id)
            known = await channels.of_guild(connection, channel.guild_id) if channel is not None else []
        gone = 0
        for going in [thread.id for thread in known if thread.parent_id == channel_id] + [channel_id]:
            gone += await empty(self._db, channel_id=going)
        async with self._db.transaction() as tx:
            await channels.delete(tx, [channel_id])
        return gone


async def forget_guild(db: Database, guild_id: GuildId, *, alone: bool = False) -> int:
    """Deletes all that was read of the guild in steps, what was to be kept out of it, and the archives that told of
    nothing else.

    `alone`: nobody else waits for the writer, so steps are large (2.4 times as fast). Returns how many messages it
    deleted. After a kill call it again.
    """
    async with db.transaction() as tx:
        await guilds.set_consent(tx, guild_id, False)
        told_by = await origins.of_guild(tx, guild_id)
    if alone:
        async with db.cached(ALONE_CACHE_KIB):
            gone = await empty(db, guild_id=guild_id, alone=True)
    else:
        gone = await empty(db, guild_id=guild_id)
    marks = MARKS_AT_ONCE
    while marks == MARKS_AT_ONCE:
        async with db.transaction() as tx:
            marks = await deleted_here.forget(tx, guild_id, MARKS_AT_ONCE)
    async with db.transaction(durable=True) as tx:
        await guilds.forget(tx, guild_id)
        await origins.remove_unused(tx, told_by)
        await audit.add(tx, "guild.forget", guild_id=guild_id)
    return gone


async def opt_out(db: Database, user_id: UserId, where: GuildId, by: UserId | None = None) -> int:
    """Stores the opt-out, deletes the author's messages in steps, and writes a line into the audit log.

    Returns how many messages it deleted. After a kill call it again. The audit log then counts only the messages of the
    last call.
    """
    async with db.transaction(durable=True) as tx:
        await opt_outs.add(tx, user_id, where)
    guild_id = None if where == EVERYWHERE else where
    deleted = await empty(db, guild_id=guild_id, author_id=user_id)
    async with db.transaction(durable=True) as tx:
        detail = {"user": user_id, "messages": deleted}
        await audit.add(tx, "privacy.forget", guild_id=guild_id, actor_id=by, detail=detail)
    return deleted


def _read(what: Mapping[str, Any]) -> Removal | None:
    """A record of the file. None, with a line in the log, where a newer version wrote a kind that this one lacks."""
    try:
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in what.items()}
        removal: Removal = _KINDS[str(values.pop("kind"))](**values)
    except (KeyError, TypeError, AttributeError):
        log.warning("a removal that this version does not know stays in the journal: %s", what)
        return None
    return removal
