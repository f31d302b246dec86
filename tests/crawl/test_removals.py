"""What takes something away is written down first, and repeated until it is stored: busy writer, kill, restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.backoff import Backoff
from indexer.crawl.live import Live
from indexer.crawl.removals import NAME, ChannelDeleted, GuildLeft, MessagesDeleted, OptedOut
from indexer.database import database
from indexer.errors import ChannelClosed
from indexer.records.ids import ChannelId, UserId
from indexer.records.messages import Guild
from indexer.store import guilds
from indexer.supervisor import supervised
from tests.worlds.killed_child import run_and_kill
from tests.worlds.pipeline_world import GUILD, World, open_world
from tests.worlds.waiting import until
from tests.worlds.written_down import fill

SOON = Backoff(tries=0, first_s=0.001, longest_s=0.01)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, decodes=False) as opened:
        yield opened


class Nobody:
    """Takes no pictures: these tests embed none."""

    def submit(self, *_: object) -> None: ...


@pytest.fixture
def live(world: World) -> Live:
    return Live(world.db, Nobody(), world.removals, "pictures")


@asynccontextmanager
async def busy_writer(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The writer is held by somebody else, and nobody waits for it for long."""
    held, over = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with world.db.transaction():
            held.set()
            await over.wait()

    monkeypatch.setattr(database, "TURN_S", 0.01)
    holder = asyncio.create_task(hold())
    await held.wait()
    try:
        yield
    finally:
        over.set()
        await holder
        monkeypatch.undo()


@asynccontextmanager
async def repeating(world: World) -> AsyncIterator[None]:
    task = asyncio.create_task(supervised(NAME, world.removals.repeat, world.faults, backoff=SOON))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def stored(world: World) -> int:
    return await world.count("SELECT count(*) FROM messages")


async def test_deletions_that_meet_a_busy_writer_are_repeated_until_they_are_stored(
    world: World, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = await fill(world)
    async with repeating(world):
        async with busy_writer(world, monkeypatch):
            await live.on_delete([posted[0].id, posted[1].id])
            await live.on_channel_delete(ChannelId(2))
            assert await world.removals.carry_out(OptedOut(UserId(8), GUILD)) is None
            assert len(world.removals.pending) == 3
            assert await stored(world) == 6
        await until(lambda: not world.removals.pending)
    assert await stored(world) == 2
    assert world.faults.count(NAME) >= 3  # it is counted, and its cause is in the log


async def test_an_edit_that_meets_a_busy_writer_is_read_again(
    world: World, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = await fill(world)
    edited = replace(posted[0], content="no secret", edited_ms=5)
    world.history.messages[ChannelId(1)][edited.id] = edited
    async with repeating(world):
        async with busy_writer(world, monkeypatch):
            await live.on_edit(edited, world.history.listed[ChannelId(1)])
        await until(lambda: not world.removals.pending)
    assert await world.count("SELECT count(*) FROM texts WHERE content = 'no secret'") == 1
    assert await world.count("SELECT count(*) FROM texts WHERE content = 'message 0'") == 0


async def test_an_edit_that_takes_nothing_away_is_not_written_down(
    world: World, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = await fill(world)
    channel = world.history.listed[ChannelId(1)]
    more = replace(posted[0], pictures=(*posted[0].pictures, replace(posted[1].pictures[0], ordinal=1)))
    monkeypatch.setattr(world.removals, "carry_out", None)
    await live.on_edit(more, channel)
    assert await world.count("SELECT count(*) FROM places WHERE message_id = ?", more.id) == 2


async def test_what_a_closed_channel_does_not_tell_is_left_to_its_opening(
    world: World, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted = await fill(world)
    world.history.closed[ChannelId(1)] = ChannelClosed("closed-either")
    async with repeating(world):
        async with busy_writer(world, monkeypatch):
            await live.on_edit(replace(posted[0], content="other"), world.history.listed[ChannelId(1)])
        await until(lambda: not world.removals.pending)
    assert await stored(world) == 6


async def test_killed_before_it_was_stored_it_is_stored_by_the_next_start(tmp_path: Path) -> None:
    await run_and_kill("killed_removals", tmp_path)
    async with open_world(tmp_path, decodes=False) as world:
        assert len(world.removals.pending) == 3
        async with repeating(world):
            await until(lambda: not world.removals.pending)
        assert await stored(world) == 2
        assert await world.count("SELECT count(*) FROM opt_outs") == 1
    async with open_world(tmp_path, decodes=False) as world:
        assert not world.removals.pending  # done once


async def test_the_same_removal_is_written_down_once(world: World, live: Live) -> None:
    posted = await fill(world)
    removal = MessagesDeleted((posted[0].id,))
    await asyncio.gather(*(world.removals.write_down(removal) for _ in range(5)))
    assert list(world.removals.pending) == [removal]
    await live.on_delete([posted[0].id])
    assert not world.removals.pending
    assert await stored(world) == 5


async def test_a_guild_that_comes_back_is_forgotten_before_it_is_known_again(world: World, live: Live) -> None:
    await fill(world)
    await world.removals.write_down(GuildLeft(GUILD))
    await live.on_guild_join(Guild(GUILD, "Test"))
    assert not world.removals.pending
    assert await stored(world) == 0
    async with world.db.reader() as connection:
        assert await guilds.known(connection) == [Guild(GUILD, "Test")]
        assert await guilds.consented(connection) == []


async def test_one_removal_that_always_fails_holds_back_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    posted = await fill(world)
    broken = ChannelDeleted(ChannelId(2))

    async def fails(channel_id: ChannelId) -> int:
        raise KeyError(channel_id)

    monkeypatch.setattr(world.removals, "_delete_channel", fails)
    await world.removals.write_down(broken)
    assert await world.removals.carry_out(broken) is None
    await world.removals.write_down(MessagesDeleted((posted[0].id,)))
    async with repeating(world):
        await until(lambda: world.removals.pending == (broken,))
    assert await stored(world) == 5
