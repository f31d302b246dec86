"""Events wait by guild, in bounded memory; what takes something away is never left out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.gateway import guild_queue
from bot.gateway.guild_queue import GuildQueues
from indexer.database import database
from indexer.errors import RetryLater, StorageError
from indexer.records.ids import GuildId, MessageId
from indexer.service import Service
from indexer.supervisor import Faults
from tests.worlds.running_bot import indexed, noise, town
from tests.worlds.waiting import DEADLINE_S, until

A, B = GuildId(1), GuildId(2)


class Index:
    """What the queues ask for, as written down; `busy` refusals come first."""

    def __init__(self, busy: int = 0) -> None:
        self.done: list[object] = []
        self.busy = busy

    async def read_again(self, guild_id: GuildId, edited: frozenset[MessageId]) -> None:
        self._free()
        self.done.append(("read again", guild_id, *sorted(edited)))

    def event(self, name: str) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            self._free()
            self.done.append(name)

        return work

    def _free(self) -> None:
        if self.busy:
            self.busy -= 1
            raise RetryLater("the writer was busy for 60 s", retry_after=0.01)


@asynccontextmanager
async def open_queues(index: Index) -> AsyncIterator[GuildQueues]:
    queues = GuildQueues(Faults(), index.read_again)
    task = asyncio.create_task(queues.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield queues
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_guild_whose_event_takes_long_keeps_nobody_else_waiting() -> None:
    index, over = Index(), asyncio.Event()

    async def endless() -> None:
        await over.wait()

    async with open_queues(index) as queues:
        queues.offer(A, endless)
        queues.offer(A, index.event("after it"))
        queues.offer(B, index.event("elsewhere"))
        await until(lambda: index.done)
        assert index.done == ["elsewhere"]
        assert queues.waiting == 1
        over.set()
        await queues.settled()
    assert index.done == ["elsewhere", "after it"]


async def test_what_finds_no_room_is_read_again_and_deletions_always_find_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guild_queue, "QUEUED", 2)
    index = Index()
    async with open_queues(index) as queues:
        for number in range(5):
            queues.offer(A, index.event(f"message {number}"))
        for number in range(5):
            queues.put_first(A, index.event(f"deleted {number}"))
        queues.put(A, index.event("channel gone"))
        await queues.settled()
    assert index.done == [
        *(f"deleted {number}" for number in range(5)),
        "message 0",
        "message 1",
        "channel gone",
        ("read again", A),
    ]


async def test_the_messages_of_edits_that_found_no_room_are_remembered_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guild_queue, "QUEUED", 1)
    monkeypatch.setattr(guild_queue, "MISSED_EDITS", 2)
    index = Index()
    async with open_queues(index) as queues:
        for number in range(5):
            queues.offer(A, index.event(f"edit {number}"), MessageId(number))
        await queues.settled()
        queues.offer(A, index.event("edit 9"), MessageId(9))
        await queues.settled()
    assert index.done == ["edit 0", ("read again", A, 1, 2), "edit 9"]


async def test_an_edit_that_meets_a_busy_database_is_remembered() -> None:
    index = Index(busy=1)
    async with open_queues(index) as queues:
        queues.offer(A, index.event("edit"), MessageId(7))
        await queues.settled()
    assert index.done == [("read again", A, 7)]


async def test_all_guilds_together_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guild_queue, "QUEUED_IN_ALL", 2)
    index = Index()
    async with open_queues(index) as queues:
        for number in range(4):
            queues.offer(GuildId(number), index.event(f"message {number}"))
        await queues.settled()
        assert set(index.done) == {"message 0", "message 1", ("read again", 2), ("read again", 3)}
        queues.offer(A, index.event("room again"))
        await queues.settled()
    assert index.done[-1] == "room again"


@pytest.mark.parametrize("kind", ["deleted", "channel gone", "read again"])
async def test_a_busy_database_is_asked_again_until_it_is_stored(kind: str) -> None:
    index = Index(busy=3)
    async with open_queues(index) as queues:
        match kind:
            case "deleted":
                queues.put_first(A, index.event("deleted"))
            case "channel gone":
                queues.put(A, index.event("channel gone"))
            case _:
                queues.lost(A)
        await queues.settled()
    assert len(index.done) == 1


async def test_a_message_that_meets_a_busy_database_is_left_to_reading_again() -> None:
    index = Index(busy=1)
    async with open_queues(index) as queues:
        queues.offer(A, index.event("message"))
        await queues.settled()
    assert index.done == [("read again", A)]


async def test_an_event_that_fails_costs_itself_only_and_a_stop_ends_all() -> None:
    index = Index()

    async def broken() -> None:
        raise KeyError("author")

    async def full() -> None:
        raise StorageError("no room left")

    queues = GuildQueues(Faults(), index.read_again)
    task = asyncio.create_task(queues.run())
    queues.offer(A, broken)
    queues.put(A, broken)
    queues.offer(A, index.event("after them"))
    await queues.settled()
    assert index.done == ["after them"]
    queues.put(A, full)
    with pytest.raises(ExceptionGroup) as told:
        await task
    assert told.value.subgroup(StorageError) is not None
    queues.offer(A, index.event("never"))
    async with asyncio.timeout(DEADLINE_S):
        await queues.settled()  # nobody works it off any more: closing does not wait for it
    assert index.done == ["after them"]


async def test_a_deletion_that_meets_a_busy_writer_is_carried_out_when_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        monkeypatch.setattr(database, "TURN_S", 0.05)
        async with bot.service.db.transaction():
            message = next(iter(place.pictures.messages()))
            bot.person(place.member).delete(message)
            await until(lambda: sum(fault.count for fault in bot.service.faults) > 0)
        await bot.embedded(7)


async def test_reading_again_that_meets_a_busy_database_does_not_end_the_bot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        consented, refusals = Service.consented, [RetryLater("all readers were busy for 60 s")]

        async def busy_at_first(service: Service) -> frozenset[GuildId]:
            if refusals:
                raise refusals.pop()
            return await consented(service)

        monkeypatch.setattr(Service, "consented", busy_at_first)
        monkeypatch.setitem(bot.client._connection.parsers, "MESSAGE_CREATE", lambda data: None)
        bot.person(place.member).post(place.pictures.id, "not heard of", files=[noise(77)])
        bot.client._events.lost(place.guild.id)
        await bot.embedded(9)
        assert not refusals
