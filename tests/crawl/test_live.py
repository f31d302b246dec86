"""Events of the gateway → rows: there, changed or gone, whatever order they come in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.crawl.live import Live
from indexer.crawl.removals import GuildLeft, OptedOut
from indexer.ingest import pipeline, stages
from indexer.records.ids import ChannelId, GuildId, UserId
from indexer.records.messages import Channel, ChannelKind, Message
from indexer.sentence import Sentence
from indexer.store import channels, guilds
from tests.worlds.picture_files import picture
from tests.worlds.pipeline_world import GUILD, World, open_world
from tests.worlds.waiting import until, until_equals


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as opened:
        yield opened


@pytest.fixture
async def live(world: World) -> AsyncIterator[Live]:
    async with world.pipeline() as running:
        yield world.live(running)


async def embedded(world: World, count: int) -> None:
    await until_equals(count, lambda: world.count("SELECT count(*) FROM embeddings"))


def shown(world: World, message: Message) -> Message:
    return world.history._shown(message)


@pytest.fixture
def channel(world: World) -> Channel:
    return world.history.channel(1)


async def test_a_new_picture_is_embedded_without_a_crawl(world: World, live: Live, channel: Channel) -> None:
    message = world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    await live.on_message(shown(world, message), channel)
    await live.on_message(shown(world, message), channel)  # an event that comes twice
    await embedded(world, 1)
    assert await world.count("SELECT count(*) FROM places") == 1
    assert not world.history.pages


async def test_words_without_a_picture_are_not_kept_by_default(world: World, live: Live, channel: Channel) -> None:
    await live.on_message(world.history.post(1, 1, content="hello"), channel)
    assert await world.count("SELECT count(*) FROM messages") == 0


async def test_nothing_is_kept_of_a_server_that_did_not_consent(world: World, live: Live, channel: Channel) -> None:
    async with world.db.transaction() as tx:
        await guilds.set_consent(tx, GUILD, False)
    message = world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    await live.on_message(shown(world, message), channel)
    await live.on_channel(channel)
    assert await world.count("SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM channels)") == 0


async def test_an_edit_that_removes_the_picture_removes_it_from_the_index(
    world: World, live: Live, channel: Channel
) -> None:
    message = world.history.post(1, 1, world.cdn.add("a.png", picture(1)), world.cdn.add("b.png", picture(2)))
    await live.on_message(shown(world, message), channel)
    await embedded(world, 2)
    edited = replace(shown(world, message), edited_ms=5, pictures=shown(world, message).pictures[1:])
    await live.on_edit(edited, channel)
    assert await world.count("SELECT count(*) FROM pictures") == 1
    await live.on_edit(replace(edited, edited_ms=6, pictures=()), channel)
    assert await world.count("SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM embeddings)") == 0


async def test_an_edit_that_adds_a_picture_adds_it_to_the_index(world: World, live: Live, channel: Channel) -> None:
    """As when Discord unfurls a link a second after it was posted."""
    message = world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    await live.on_message(replace(message, pictures=()), channel)
    await live.on_edit(shown(world, message), channel)
    await embedded(world, 1)


async def test_a_deletion_takes_message_picture_vector_and_words(world: World, live: Live, channel: Channel) -> None:
    first = world.history.post(1, 1, world.cdn.add("a.png", picture(1)), content="black cat")
    second = world.history.post(1, 2, world.cdn.add("b.png", picture(2)))
    for message in (first, second):
        await live.on_message(shown(world, message), channel)
    await embedded(world, 2)
    await live.on_delete([first.id])
    for table in ("messages", "texts", "places", "pictures", "embeddings"):
        assert await world.count(f"SELECT count(*) FROM {table}") == 1, table
    assert await world.count("SELECT count(*) FROM words WHERE words MATCH 'black'") == 0
    await live.on_delete([first.id, second.id])  # bulk, one of them gone already
    assert await world.count("SELECT count(*) FROM embeddings") == 0


async def test_a_deletion_that_overtakes_its_message_still_wins(world: World, live: Live, channel: Channel) -> None:
    message = world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    await live.on_delete([message.id])
    await live.on_message(shown(world, message), channel)
    assert await world.count("SELECT count(*) FROM messages") == 0


async def test_a_message_deleted_while_its_picture_is_downloaded_leaves_no_picture(
    world: World, live: Live, channel: Channel
) -> None:
    world.cdn.held = asyncio.Event()
    message = world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    await live.on_message(shown(world, message), channel)
    await until(lambda: world.cdn.open_requests)
    await live.on_delete([message.id])
    world.cdn.held.set()
    other = world.history.post(1, 2, world.cdn.add("b.png", picture(2)))
    await live.on_message(shown(world, other), channel)
    await embedded(world, 1)
    assert await world.count("SELECT count(*) FROM pictures") == 1


async def test_a_deleted_channel_takes_its_threads_along(world: World, live: Live, channel: Channel) -> None:
    thread = world.history.channel(9, ChannelKind.PUBLIC_THREAD, parent=1)
    await live.on_message(shown(world, world.history.post(1, 1, world.cdn.add("a.png", picture(1)))), channel)
    await live.on_message(shown(world, world.history.post(9, 1, world.cdn.add("b.png", picture(2)))), thread)
    await embedded(world, 2)
    await live.on_channel_delete(channel.id)
    for table in ("channels", "messages", "pictures", "embeddings"):
        assert await world.count(f"SELECT count(*) FROM {table}") == 0, table


async def test_age_restriction_reaches_the_threads_of_a_channel(world: World, live: Live, channel: Channel) -> None:
    thread = world.history.channel(9, ChannelKind.PUBLIC_THREAD, parent=1)
    await live.on_channel(channel)
    await live.on_channel(thread)
    await live.on_channel(replace(channel, age_restricted=True, name="renamed"))
    async with world.db.reader() as connection:
        assert all(channel.age_restricted for channel in await channels.of_guild(connection, GUILD))
        renamed = await channels.get(connection, channel.id)
    assert renamed is not None
    assert renamed.name == "renamed"


async def test_a_guild_that_removes_the_bot_is_forgotten(world: World, live: Live, channel: Channel) -> None:
    await live.on_message(shown(world, world.history.post(1, 1, world.cdn.add("a.png", picture(1)))), channel)
    await embedded(world, 1)
    await world.removals.carry_out(GuildLeft(GUILD))
    for table in ("guilds", "channels", "messages", "pictures", "embeddings", "users"):
        assert await world.count(f"SELECT count(*) FROM {table}") == 0, table


async def test_guilds_that_have_been_absent_for_long_are_told(world: World, live: Live) -> None:
    assert await live.on_guilds_present([GUILD, GuildId(5)], 0.0) == []
    assert await live.on_guilds_present([GuildId(5)], 3600.0) == []
    assert await live.on_guilds_present([GuildId(5)], 0.0) == [GUILD]
    assert await live.on_guilds_present([GUILD], 0.0) == []
    assert await world.count("SELECT count(*) FROM guilds") == 1


async def test_channels_close_and_reopen_as_permissions_change(world: World, live: Live, channel: Channel) -> None:
    other = world.history.channel(2)
    await live.on_channel(channel)
    await live.on_channel(other)
    closed = {channel.id: Sentence("closed-view", {"channel": "1"})}
    assert await live.on_permissions(GUILD, closed.get) == frozenset()
    async with world.db.reader() as connection:
        assert await channels.parked(connection, GUILD) == closed
    message = world.history.post(1, 1, world.cdn.add("a.png", picture(1)))
    await live.on_message(shown(world, message), channel)
    assert await world.count("SELECT count(*) FROM messages") == 0  # nothing new of a closed channel
    assert await live.on_permissions(GUILD, lambda _: None) == {channel.id}


async def test_who_opts_out_is_gone_at_once_and_stays_out(world: World, live: Live, channel: Channel) -> None:
    first = world.history.post(1, 1, world.cdn.add("a.png", picture(1)), author=7)
    second = world.history.post(1, 2, world.cdn.add("b.png", picture(2)), author=8)
    for message in (first, second):
        await live.on_message(shown(world, message), channel)
    await embedded(world, 2)
    assert await world.removals.carry_out(OptedOut(UserId(7), GUILD)) == 1
    assert await world.count("SELECT count(*) FROM embeddings") == 1
    await live.on_edit(shown(world, first), channel)
    async with world.pipeline() as again:
        await again.run_guild(GUILD)
    assert await world.count("SELECT count(*) FROM messages WHERE author_id = 7") == 0


async def test_live_pictures_that_find_no_room_are_taken_up_by_housekeeping(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "HOUSEKEEPING_S", 0.05)
    monkeypatch.setattr(stages, "LINK_LANE", 2)
    channel = world.history.channel(1)
    async with world.pipeline() as running:
        flooded = world.live(running)
        for at in range(40):
            message = world.history.post(1, at, world.cdn.add(f"{at}.png", picture(at)))
            await flooded.on_message(shown(world, message), channel)
        await embedded(world, 40)
    assert ChannelId(1) in world.history.messages
