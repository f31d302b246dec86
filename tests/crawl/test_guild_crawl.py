"""The walk through a guild's history: order, spans, faults, parked and deleted channels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexer.backoff import Backoff
from indexer.crawl import guild_crawl
from indexer.errors import ChannelClosed, ChannelGone
from indexer.fair_semaphore import FairSemaphore
from indexer.progress import Progress, State
from indexer.records.ids import ChannelId, GuildId, MessageId, PlaceId
from indexer.records.messages import ChannelKind, Message
from indexer.sentence import Sentence
from indexer.settings import CrawlSettings
from indexer.store import channels, messages, spans
from indexer.store.message_pictures import NewPlace
from tests.worlds.picture_files import picture
from tests.worlds.pipeline_world import GUILD, World, busy, open_world
from tests.worlds.waiting import DEADLINE_S, until


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, decodes=False) as opened:
        yield opened


async def read(
    world: World, *, concurrency: int = 3, only: set[int] | None = None, keep: str = "all", tries: int = 6
) -> tuple[Progress, guild_crawl.GuildCrawl]:
    """Crawls without the pipeline's other stages."""
    progress = Progress(GUILD)

    async def sink(fresh: object) -> None:
        await asyncio.sleep(0)

    reader = guild_crawl.GuildCrawl(
        world.db,
        world.history,
        guild_crawl.Run(GUILD, None if only is None else frozenset(map(ChannelId, only))),
        CrawlSettings(messages=keep, concurrency=concurrency),
        FairSemaphore(concurrency),
        progress,
        sink,
        guild_crawl.Waits(Backoff(tries, 0.001, 0.01), confirm_s=0.01),
    )
    await reader.run()
    return progress, reader


async def stored(world: World, channel: int | None = None) -> int:
    where = "" if channel is None else f" WHERE channel_id = {channel}"
    return await world.count(f"SELECT count(*) FROM messages{where}")


async def test_a_channel_is_read_newest_first_page_by_page(world: World) -> None:
    world.fill(channels=1, messages=350)
    progress, _ = await read(world)
    assert await stored(world) == progress.messages == 350
    cursors = [before for _, before in world.history.order]
    assert cursors[0] is None
    assert cursors[1:] == sorted((cursor for cursor in cursors[1:] if cursor is not None), reverse=True)
    assert len(cursors) == 4
    async with world.db.reader() as connection:
        ((low, high),) = await spans.of_channel(connection, ChannelId(1))
    assert (low, high) == (0, max(world.history.messages[ChannelId(1)]))


async def test_the_channel_with_the_newest_unread_history_goes_next(world: World) -> None:
    world.history.channel(1)
    world.history.channel(2)
    for at in range(299):
        world.history.post(1, at)  # a long time ago
        world.history.post(2, 100_000 + at)
    await read(world, concurrency=1)
    later = [channel for channel, before in world.history.order if before is not None]
    assert later == [2, 2, 1, 1]


async def test_only_what_was_posted_since_is_read_the_second_time(world: World) -> None:
    world.fill(channels=1, messages=1000)
    await read(world)
    world.fill(channels=1, messages=150, start=1000)
    world.history.order.clear()
    await read(world)
    assert await stored(world) == 1150
    assert len(world.history.order) == 2


async def test_a_gap_between_two_spans_is_filled_and_nothing_else(world: World) -> None:
    world.fill(channels=1, messages=1000)
    await read(world)
    ids = sorted(world.history.messages[ChannelId(1)])
    async with world.db.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM spans")
        await spans.cover(tx, ChannelId(1), 0, ids[400])
        await spans.cover(tx, ChannelId(1), ids[600], ids[999])
        await tx.execute_fetchall("DELETE FROM messages WHERE message_id > ? AND message_id < ?", (ids[400], ids[600]))
    world.history.order.clear()
    await read(world)
    assert await stored(world) == 1000
    assert len(world.history.order) == 3  # the newest page, and the 199 missing ones


async def test_a_page_that_fails_is_asked_for_again(world: World) -> None:
    world.fill(channels=2, messages=220)
    world.history.faults = [busy() for _ in range(5)]
    _, reader = await read(world)
    assert await stored(world) == 440
    assert not reader.postponed


async def test_a_channel_that_keeps_failing_is_left_and_the_others_are_finished(world: World) -> None:
    world.fill(channels=3, messages=120)
    world.history.closed[ChannelId(2)] = busy("Discord answered 503")
    _, reader = await read(world)
    assert reader.postponed == {ChannelId(2): "Discord answered 503"}
    assert (await stored(world, 1), await stored(world, 2), await stored(world, 3)) == (120, 0, 120)


async def test_a_channel_that_may_not_be_read_is_parked_with_its_reason_and_comes_back(world: World) -> None:
    world.fill(channels=2, messages=30)
    world.history.closed[ChannelId(2)] = ChannelClosed("closed-history", channel="2")
    progress, _ = await read(world)
    assert progress.channels_parked == 1
    async with world.db.reader() as connection:
        assert await channels.parked(connection, GUILD) == {ChannelId(2): Sentence("closed-history", {"channel": "2"})}
    world.history.closed.clear()
    await read(world)
    async with world.db.reader() as connection:
        assert await channels.parked(connection, GUILD) == {}
    assert await stored(world, 2) == 30


async def test_a_channel_deleted_while_the_bot_was_away_goes_with_all_it_held(world: World) -> None:
    world.fill(channels=2, messages=30)
    await read(world)
    del world.history.listed[ChannelId(2)]
    world.history.closed[ChannelId(2)] = ChannelGone("unknown channel")
    await read(world)
    assert await stored(world) == 30
    assert await world.count("SELECT count(*) FROM channels") == 1


async def test_a_channel_that_is_no_longer_listed_but_exists_is_parked_not_deleted(world: World) -> None:
    world.fill(channels=2, messages=30)
    await read(world)
    del world.history.listed[ChannelId(2)]
    world.history.closed[ChannelId(2)] = ChannelClosed("closed-view", channel="2")
    await read(world)
    assert await stored(world) == 60
    assert await world.count("SELECT count(*) FROM channels WHERE parked_reason IS NOT NULL") == 1


async def test_an_empty_page_is_not_believed_until_it_is_confirmed(world: World) -> None:
    """Read Message History was just lost: the first answer is an empty page, the second says so."""
    world.fill(channels=1, messages=200)
    history = world.history
    ask = history.page

    async def losing(
        channel_id: ChannelId, *, before: MessageId | None = None, after: MessageId | None = None
    ) -> list[Message]:
        if history.pages[channel_id] == 1:
            history.pages[channel_id] += 1
            history.closed[channel_id] = ChannelClosed("closed-history", channel="2")
            return []
        return list(await ask(channel_id, before=before, after=after))

    history.page = losing  # type: ignore[method-assign]  # of this history alone
    await read(world)
    assert await stored(world) == 100
    async with world.db.reader() as connection:
        ((low, _),) = await spans.of_channel(connection, ChannelId(1))
    assert low > 0  # the rest does not count as read
    history.closed.clear()
    history.page = ask  # type: ignore[method-assign]  # of this history alone
    await read(world)
    assert await stored(world) == 200


async def test_an_empty_channel_is_finished(world: World) -> None:
    world.history.channel(1)
    progress, _ = await read(world)
    assert (progress.channels_done, progress.messages) == (1, 0)
    assert world.history.pages[ChannelId(1)] == 2


async def test_forums_have_no_history_of_their_own_but_their_threads_do(world: World) -> None:
    world.history.channel(1, ChannelKind.FORUM)
    world.history.channel(2, ChannelKind.PUBLIC_THREAD, parent=1)
    world.history.post(2, 1)
    await read(world)
    assert world.history.pages == {ChannelId(2): 1}
    assert await stored(world) == 1


async def test_one_channel_is_read_with_its_threads_and_nothing_else(world: World) -> None:
    world.fill(channels=3, messages=5)
    world.history.channel(9, ChannelKind.PUBLIC_THREAD, parent=2)
    world.history.post(9, 1)
    await read(world, only={2})
    assert (await stored(world, 1), await stored(world, 2), await stored(world, 9)) == (0, 5, 1)


async def test_what_was_deleted_while_the_bot_was_away_goes_when_its_page_is_read_again(world: World) -> None:
    world.fill(channels=1, messages=50)
    await read(world)
    ids = sorted(world.history.messages[ChannelId(1)])
    for gone in ids[10:20]:
        del world.history.messages[ChannelId(1)][gone]
    await read(world)
    assert await stored(world) == 40


async def test_a_message_deleted_while_its_page_was_on_the_way_does_not_come_back(world: World) -> None:
    world.fill(channels=1, messages=50)
    victim = max(world.history.messages[ChannelId(1)])
    world.history.gate = asyncio.Event()
    task = asyncio.create_task(read(world))
    await until(lambda: world.history.pages)
    async with world.db.transaction() as tx:
        await messages.delete(tx, [victim])
    world.history.gate.set()
    await task
    assert await world.count("SELECT count(*) FROM messages WHERE message_id = ?", victim) == 0
    assert await stored(world) == 49


async def test_threads_are_listed_again_after_a_fault_in_the_middle(world: World) -> None:
    world.fill(channels=3, messages=5)
    ask = world.history.channels
    faults = [busy()]

    async def stumbling(guild_id: GuildId) -> AsyncIterator[object]:
        async for channel in ask(guild_id):
            if channel.id == 2 and faults:
                raise faults.pop()
            yield channel

    world.history.channels = stumbling  # type: ignore[assignment, method-assign]  # of this history alone
    progress, _ = await read(world)
    assert (progress.channels_total, await stored(world)) == (3, 15)


async def test_new_places_reach_the_sink_only_after_they_are_stored(world: World) -> None:
    world.history.channel(1)
    world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    found: list[PlaceId] = []

    async def sink(fresh: Sequence[NewPlace]) -> None:
        for place in fresh:
            assert await world.count("SELECT count(*) FROM places WHERE place_id = ?", place.id) == 1
        found.extend(place.id for place in fresh)

    reader = guild_crawl.GuildCrawl(
        world.db, world.history, guild_crawl.Run(GUILD), CrawlSettings(), FairSemaphore(1), Progress(GUILD), sink
    )
    await reader.run()
    assert len(found) == 1


async def test_a_guild_of_many_channels_leaves_room_for_a_small_one() -> None:
    slots, served = FairSemaphore(2), list[int]()
    big, small = GuildId(1), GuildId(2)

    async def use(guild: GuildId) -> None:
        async with slots.hold(guild):
            served.append(guild)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(use(big))
        await asyncio.sleep(0)
        for _ in range(5):
            group.create_task(use(small))
    assert served.index(small) <= 4
    assert [guild for guild in served[:16] if guild == small] == [small] * 5


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 3))
async def test_cancelled_waiters_never_lose_a_slot(fates: list[int], count: int) -> None:
    slots = FairSemaphore(count)

    async def use(number: int) -> None:
        async with slots.hold(GuildId(number % 2)):
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(use(number)) for number in range(len(fates))]
    for task, fate in zip(tasks, fates, strict=True):
        if fate == 1:
            task.cancel()
        if fate == 2:
            await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(count):
            await slots._take(GuildId(9))
    assert slots._free == 0


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.tuples(st.integers(0, 449), st.integers(0, 449)), max_size=4),
    faults=st.integers(0, 4),
)
async def test_whatever_was_read_before_the_end_is_the_whole_history(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, int]], faults: int
) -> None:
    async with open_world(tmp_path_factory.mktemp("any"), decodes=False) as world:
        channel = world.history.channel(1)
        for at in range(450):
            world.history.post(1, at)
        ids = sorted(world.history.messages[ChannelId(1)])
        async with world.db.transaction() as tx:
            await channels.upsert(tx, [channel])
            for cut in cuts:  # stretches that an earlier run read
                low, high = sorted(cut)
                page = [world.history.messages[ChannelId(1)][message] for message in ids[low : high + 1]]
                await messages.store(tx, page, keep="all", seen_ms=1)
                await spans.cover(tx, ChannelId(1), ids[low], ids[high])
        world.history.faults = [busy() for _ in range(faults)]
        progress, _ = await read(world)
        assert progress.state is State.RUNNING  # the pipeline ends it, not the crawl
        assert await stored(world) == 450
        async with world.db.reader() as connection:
            assert await spans.of_channel(connection, ChannelId(1)) == [(0, ids[-1])]
