"""What nobody told: deletions and edits that are found by looking again, and hits that are verified when shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from indexer.backoff import Backoff
from indexer.crawl.hit_verifier import HitVerifier
from indexer.crawl.sweep import TRIES, Sweep, Swept
from indexer.errors import ChannelClosed, ChannelGone, RetryLater
from indexer.fair_semaphore import FairSemaphore
from indexer.ingest import pipeline as stages
from indexer.records.hits import Hit, Place
from indexer.records.ids import ChannelId, GuildId, MessageId, PictureId, PlaceId, UserId
from indexer.records.messages import Message, Source
from indexer.settings import CrawlSettings
from indexer.store import channels, messages
from tests.worlds.picture_files import picture
from tests.worlds.pipeline_world import GUILD, World, busy, open_world
from tests.worlds.waiting import until


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path, decodes=False) as opened:
        yield opened


def sweep_of(world: World, again_days: float = 1.0, busy_guilds: frozenset[GuildId] = frozenset()) -> Sweep:
    return Sweep(
        world.db,
        world.history,
        keep="all",
        slots=FairSemaphore(2),
        again_days=again_days,
        busy=busy_guilds.__contains__,
    )


async def fill(world: World, channel: int, count: int, checked_ms: int = 1000) -> list[Message]:
    """Messages that Discord has and that were checked at `checked_ms`, a long time ago."""
    made = world.history.channel(channel)
    posted = [world.history.post(channel, at, content=f"message {at}") for at in range(count)]
    async with world.db.transaction() as tx:
        await channels.upsert(tx, [made])
        await messages.store(tx, posted, keep="all", seen_ms=checked_ms)
    return posted


async def test_deletions_that_nobody_told_are_found(world: World) -> None:
    posted = await fill(world, 1, 250)
    for gone in posted[20:40] + posted[150:155]:
        del world.history.messages[ChannelId(1)][gone.id]
    sweep = sweep_of(world)
    looks: list[Swept] = []
    while (found := await sweep.look()) is not None:
        looks.append(found)
    assert await world.count("SELECT count(*) FROM messages") == 225
    assert sum(look.gone for look in looks) == 25
    assert world.history.pages[ChannelId(1)] <= 250  # never more requests than messages; 3 where they stand together
    assert await sweep.look() is None  # everything is fresh now


async def test_messages_that_stand_together_are_checked_by_one_request(world: World) -> None:
    await fill(world, 1, 100)
    async with world.db.transaction() as tx:  # the newest is the oldest check
        await tx.execute_fetchall(
            "UPDATE messages SET checked_ms = 10 WHERE message_id = (SELECT max(message_id) FROM messages)"
        )
    sweep = sweep_of(world)
    assert await sweep.look() == Swept(checked=100, gone=0)
    assert await sweep.look() is None


async def test_the_oldest_check_comes_first_and_guilds_take_turns(world: World) -> None:
    await fill(world, 1, 5, checked_ms=2000)
    await fill(world, 2, 5, checked_ms=1000)
    await sweep_of(world).look()
    assert list(world.history.pages) == [2]


async def test_a_guild_that_is_being_read_is_left_alone(world: World) -> None:
    await fill(world, 1, 5)
    assert await sweep_of(world, busy_guilds=frozenset({GUILD})).look() is None


async def test_an_edit_that_nobody_told_is_stored(world: World) -> None:
    posted = await fill(world, 1, 5)
    edited = replace(posted[4], content="quite different", edited_ms=5)
    world.history.messages[ChannelId(1)][edited.id] = edited
    await sweep_of(world).look()
    while await sweep_of(world).look() is not None:
        pass
    assert await world.count("SELECT count(*) FROM words WHERE words MATCH 'different'") == 1


async def test_an_empty_page_alone_deletes_nothing(world: World) -> None:
    posted = await fill(world, 1, 3)
    page = world.history.page

    async def empty(channel_id: ChannelId, **_: object) -> list[Message]:
        await page(channel_id)
        return []

    world.history.page = empty  # type: ignore[method-assign]  # of this history alone
    while await sweep_of(world).look() is not None:
        pass
    assert await world.count("SELECT count(*) FROM messages") == 3
    del world.history.messages[ChannelId(1)][posted[0].id]
    async with world.db.transaction() as tx:
        await tx.execute_fetchall("UPDATE messages SET checked_ms = 1")
    while await sweep_of(world).look() is not None:
        pass
    assert await world.count("SELECT count(*) FROM messages") == 2


async def test_a_channel_that_closed_is_parked_and_one_that_is_gone_is_deleted(world: World) -> None:
    await fill(world, 1, 3)
    world.history.closed[ChannelId(1)] = ChannelClosed("closed-either")
    await sweep_of(world).look()
    assert await world.count("SELECT count(*) FROM channels WHERE parked_reason LIKE '%closed-either%'") == 1
    assert await sweep_of(world).look() is None  # nobody can be asked about a parked channel
    await fill(world, 2, 3)
    world.history.closed[ChannelId(2)] = ChannelGone("unknown channel")
    await sweep_of(world).look()
    assert await world.count("SELECT count(*) FROM messages WHERE channel_id = 2") == 0


async def test_the_pipeline_sweeps_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_world(tmp_path / "own") as world:
        world.settings = replace(world.settings, crawl=CrawlSettings(sweep_per_minute=300, messages="all"))
        posted = await fill(world, 1, 30)
        del world.history.messages[ChannelId(1)][posted[3].id]
        monkeypatch.setattr(stages, "HOUSEKEEPING_S", 100)
        async with world.pipeline():
            await until(lambda: world.count("SELECT count(*) = 29 FROM messages"))


def hit(message: Message, link: str | None = None) -> Hit:
    place = Place(message.id, PlaceId(1), message.channel_id, UserId(7))
    first = link or message.pictures[0].link
    return Hit(PictureId(1), 0.9, place, first, Source.ATTACHMENT, "", "", "", "u", 1, 1)


@pytest.fixture
def verifier(world: World) -> HitVerifier:
    return HitVerifier(world.db, world.history, "pictures", world.faults)


async def shown_messages(world: World, count: int) -> list[Message]:
    channel = world.history.channel(1)
    posted = [world.history.post(1, at, world.cdn.add(f"{at}.png", picture(at))) for at in range(count)]
    async with world.db.transaction() as tx:
        await channels.upsert(tx, [channel])
        await messages.store(tx, posted, keep="pictures", seen_ms=1)
    return posted


async def test_a_hit_whose_message_is_gone_is_dropped_and_purged(world: World, verifier: HitVerifier) -> None:
    posted = await shown_messages(world, 5)
    del world.history.messages[ChannelId(1)][posted[2].id]
    verified = await verifier.verify([hit(message) for message in posted])
    assert [hit.place.message_id for hit in verified.hits] == [posted[n].id for n in (0, 1, 3, 4)]
    assert verified.gone == {posted[2].id}
    assert await world.count("SELECT count(*) FROM messages") == 4


async def test_a_hit_whose_picture_was_edited_away_is_dropped(world: World, verifier: HitVerifier) -> None:
    (message,) = await shown_messages(world, 1)
    world.history.messages[ChannelId(1)][message.id] = replace(message, edited_ms=9, pictures=())
    assert (await verifier.verify([hit(message)])).gone == {message.id}
    assert await world.count("SELECT count(*) FROM places") == 0


async def test_a_hit_of_a_closed_channel_is_not_shown_but_not_deleted(world: World, verifier: HitVerifier) -> None:
    (message,) = await shown_messages(world, 1)
    world.history.closed[ChannelId(1)] = ChannelClosed("closed-either")
    verified = await verifier.verify([hit(message)])
    assert verified.closed == {message.id}
    assert not verified.hits
    assert not verified.gone
    assert await world.count("SELECT count(*) FROM messages") == 1


async def test_what_discord_does_not_answer_in_time_is_shown(world: World, verifier: HitVerifier) -> None:
    posted = await shown_messages(world, 3)
    ask = world.history.message

    async def slow(channel_id: ChannelId, message_id: MessageId) -> Message | None:
        if message_id == posted[0].id:
            await asyncio.Event().wait()
        if message_id == posted[1].id:
            raise busy()
        return await ask(channel_id, message_id)

    world.history.message = slow  # type: ignore[method-assign]  # of this history alone
    verified = await verifier.verify([hit(message) for message in posted], deadline_s=0.1)
    assert len(verified.hits) == 3


async def test_a_verified_hit_is_not_asked_about_again_until_events_were_lost(
    world: World, verifier: HitVerifier
) -> None:
    (message,) = await shown_messages(world, 1)
    for _ in range(3):
        await verifier.verify([hit(message)])
    assert world.history.fetched[message.id] == 1
    verifier.forget()
    await verifier.verify([hit(message)])
    assert world.history.fetched[message.id] == 2


async def test_an_answer_that_comes_after_events_were_lost_is_not_remembered(
    world: World, verifier: HitVerifier
) -> None:
    (message,) = await shown_messages(world, 1)
    ask = world.history.message

    async def meanwhile(channel_id: ChannelId, message_id: MessageId) -> Message | None:
        answer = await ask(channel_id, message_id)
        verifier.forget()
        return answer

    world.history.message = meanwhile  # type: ignore[method-assign]  # of this history alone
    for _ in range(2):
        assert (await verifier.verify([hit(message)])).hits
    assert world.history.fetched[message.id] == 2


async def test_a_fault_of_ours_in_the_sweep_does_not_end_the_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "SWEEP_RESTARTS", Backoff(tries=0, first_s=0.001, longest_s=0.002))
    async with open_world(tmp_path / "own") as world:
        world.settings = replace(world.settings, crawl=CrawlSettings(sweep_per_minute=300, messages="all"))
        posted = await fill(world, 1, 3)
        await fill(world, 2, 3, checked_ms=2000)
        world.history.closed[ChannelId(1)] = KeyError("a shape that nobody knows")
        del world.history.messages[ChannelId(2)][max(world.history.messages[ChannelId(2)])]
        async with world.pipeline():
            await until(lambda: world.count("SELECT count(*) = 5 FROM messages"))
        assert world.faults.count("sweep") == 1
        assert await world.count("SELECT count(*) FROM messages WHERE channel_id = 1") == len(posted)


async def test_a_page_that_always_fails_is_stepped_over(world: World) -> None:
    await fill(world, 1, 150)
    await fill(world, 2, 1, checked_ms=2000)
    world.history.closed[ChannelId(1)] = busy("500, every time")
    sweep = sweep_of(world)
    looks = 0
    while world.history.pages[ChannelId(2)] == 0:
        with suppress(RetryLater):
            await sweep.look()
        looks += 1
        assert looks < 20
    assert world.history.pages[ChannelId(1)] == 2 * TRIES  # two pages, as often as a passing fault is believed
    world.history.closed.clear()
    assert await sweep.look() is None  # they come again another day
    later = sweep_of(world, again_days=0.00001)
    assert (await later.look() or Swept(0, 0)).checked > 0


async def test_a_machine_that_has_just_started_verifies_too(
    world: World, verifier: HitVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    (message,) = await shown_messages(world, 1)
    monkeypatch.setattr(time, "monotonic", lambda: 5.0)
    assert (await verifier.verify([hit(message)], deadline_s=3600)).hits
    assert world.history.fetched[message.id] == 1


async def test_verifying_never_raises(world: World, verifier: HitVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    posted = await shown_messages(world, 2)
    world.history.closed[ChannelId(1)] = KeyError("a shape that nobody knows")
    assert len((await verifier.verify([hit(message) for message in posted])).hits) == 2
    assert world.faults.count("verifying hits") == 2
    world.history.closed.clear()
    del world.history.messages[ChannelId(1)][posted[0].id]

    async def fails(*_: object) -> int:
        raise KeyError("ours")

    monkeypatch.setattr(messages, "delete", fails)
    assert (await verifier.verify([hit(message) for message in posted])).gone == {posted[0].id}
