"""The gateway's events, end to end: what changes on the server changes in the index, whatever comes in which order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.config.tables import Config
from bot.gateway import guild_queue
from indexer.crawl.live import Live
from indexer.errors import StorageError
from indexer.settings import IndexSettings
from sandbox.permissions import Permission
from sandbox.world import ChannelKind
from tests.worlds.running_bot import indexed, noise, running, town, with_auto_start
from tests.worlds.waiting import until


async def test_a_new_message_is_indexed(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        bot.person(place.member).post(place.pictures.id, "new", files=[noise(50)])
        await bot.embedded(9)


async def test_a_deleted_message_takes_its_picture_with_it(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        message = next(iter(place.pictures.messages()))
        bot.person(place.member).delete(message)
        await bot.embedded(7)


async def test_messages_deleted_in_bulk_are_all_gone(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        ids = [message.id for message in place.pictures.messages()][:4]
        place.pictures.remove(ids, bulk=True)
        await bot.embedded(4)


async def test_a_picture_that_an_edit_takes_away_is_gone(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        message = next(iter(place.pictures.messages()))
        bot.person(place.member).edit(message, "without", files=[])
        await bot.embedded(7)


async def test_a_deleted_channel_and_its_threads_are_gone(tmp_path: Path) -> None:
    place = town()
    thread = place.pictures.thread("side", place.member.user)
    thread.post(place.member.user, "in the thread", files=[noise(60)])
    async with indexed(place, tmp_path) as bot:
        await bot.embedded(9)
        place.pictures.delete()
        await bot.embedded(2)


async def test_a_message_in_a_new_channel_and_in_a_new_thread_is_indexed(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        fresh = place.guild.channel("fresh")
        fresh.post(place.member.user, "first", files=[noise(70)])
        forum = place.guild.channel("forum", ChannelKind.FORUM)
        forum.thread("post", place.member.user).post(place.member.user, "second", files=[noise(71)])
        await bot.embedded(10)


async def test_a_channel_that_closes_to_the_bot_is_parked_and_read_when_it_opens_again(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        place.pictures.allow(place.guild.me, deny=Permission.VIEW_CHANNEL)
        await until(lambda: bot.parked(place.pictures))
        place.pictures.post(place.member.user, "unseen", files=[noise(80)])
        place.pictures.allow(place.guild.me)
        await bot.embedded(9)
        assert not await bot.parked(place.pictures)


async def test_a_server_that_removes_the_bot_is_forgotten(tmp_path: Path) -> None:
    place = town()

    def sealing_soon(config: Config) -> Config:
        return replace(config, settings=replace(config.settings, index=IndexSettings(seal_rows=2)))

    async with running(place.world, tmp_path, lambda config: sealing_soon(with_auto_start(config))) as bot:
        await bot.indexed(place.guild)
        await bot.service.index.maintain(bot.service.db)
        assert (await bot.service.status()).total.segments > 0
        place.guild.remove_bot()

        async def forgotten() -> bool:
            return not (await bot.service.status()).guilds

        await until(forgotten)
        await bot.client._events.settled()
        assert (await bot.service.status()).total.embeddings == 0
        left = [path for path in (tmp_path / "segments").rglob("*") if path.is_file()]
        assert left == []


async def test_what_nobody_can_go_on_with_ends_the_bot_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = town()

    async def full(*_: object) -> None:
        raise StorageError("no room left")

    with pytest.raises(StorageError, match="no room left"):
        async with running(place.world, tmp_path) as bot:
            monkeypatch.setattr(bot.service.live, "on_guild_join", full)
            place.guild.rename("Village")
            await until(lambda: False)


async def test_joining_a_server_reads_nothing_of_it(tmp_path: Path) -> None:
    place = town()
    place.guild.remove_bot()
    async with running(place.world, tmp_path) as bot:
        place.guild.add_bot()

        async def known() -> bool:
            return [guild.name for guild in (await bot.service.status()).guilds] == ["Town"]

        await until(known)
        assert bot.sandbox.record.counts["GET /channels/{channel_id}/messages"] == 0


async def test_a_renamed_server_is_known_by_its_new_name(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        place.guild.rename("Village")

        async def renamed() -> bool:
            return [guild.name for guild in (await bot.service.status()).guilds] == ["Village"]

        await until(renamed)


async def test_a_flood_that_the_queue_cannot_hold_is_read_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guild_queue, "QUEUED", 2)
    place = town()
    async with indexed(place, tmp_path) as bot:
        for seed in range(30):
            place.pictures.post(place.member.user, f"flood {seed}", files=[noise(200 + seed)])
        await bot.embedded(38)


async def test_an_edit_that_the_queue_cannot_hold_is_read_next_by_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = town()

    def sweeping(config: Config) -> Config:
        crawl = replace(config.settings.crawl, start="auto", sweep_per_minute=300.0)  # nothing is due for a week
        return replace(config, settings=replace(config.settings, crawl=crawl))

    async with running(place.world, tmp_path, sweeping) as bot:
        await bot.indexed(place.guild)
        monkeypatch.setattr(guild_queue, "QUEUED", 0)
        message = next(iter(place.pictures.messages()))
        bot.person(place.member).edit(message, "without", files=[])
        await bot.embedded(7)


async def test_an_event_that_fails_is_logged_and_the_next_one_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:

        async def broken(*_: object) -> None:
            raise RuntimeError("an event from the future")

        async def logged() -> bool:
            return "an event from the future" in caplog.text

        with monkeypatch.context() as patch:
            patch.setattr(Live, "on_message", broken)
            place.pictures.post(place.member.user, "not stored", files=[noise(90)])
            await until(logged)
        place.pictures.post(place.member.user, "stored", files=[noise(91)])
        await bot.embedded(9)
