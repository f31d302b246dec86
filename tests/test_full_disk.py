"""A full disk: the bot stays, answers and deletes; indexing rests, says why, and goes on by itself."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.observability.health import FILE_NAME, Beat, keep_beating
from indexer.crawl.live import Live
from indexer.database import room as room_module
from indexer.database.room import Room
from indexer.errors import DiskFull
from indexer.progress import State
from indexer.records.messages import Guild
from indexer.service import Service, open_service
from indexer.settings import DecodeSettings, FetchSettings, Settings, StorageSettings
from indexer.store.jobs import JobState
from indexer.supervisor import Faults
from tests.worlds.encoder import Encoder
from tests.worlds.picture_files import picture
from tests.worlds.pipeline_world import GUILD, FakeHistory, open_cdn
from tests.worlds.small_disk import fill_up, small_disk
from tests.worlds.waiting import until

CHANNELS, MESSAGES = 3, 250
TEXT = "words that take some room " * 40


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 96) as folder:
        yield folder


@asynccontextmanager
async def serving(disk: Path, min_free_bytes: int) -> AsyncIterator[tuple[Service, FakeHistory]]:
    async with open_cdn() as cdn:
        history = FakeHistory(cdn=cdn)
        for number in range(1, CHANNELS + 1):
            history.channel(number)
            for at in range(MESSAGES):
                name = f"{number}-{at % 10}.png"
                link = cdn.add(name, picture(number * 10 + at % 10))
                history.post(number, at * 60, link, content=f"{TEXT}{at}")
        settings = Settings(
            data_dir=disk / "data",
            fetch=FetchSettings(insecure_hosts=(cdn.host,), use_media_proxy=False),
            decode=DecodeSettings(workers=1),
            storage=StorageSettings(min_free_bytes=min_free_bytes),
        )
        async with open_service(settings, history, Encoder(size=16)) as service:
            await service.live.on_guild_join(Guild(GUILD, "Test"))
            yield service, history


async def messages(service: Service) -> int:
    async with service.db.reader() as connection:
        ((count,),) = await connection.execute_fetchall("SELECT count(*) FROM messages")
    return int(count)


async def done(service: Service) -> bool:
    job = await service.jobs.newest(GUILD)
    assert job is not None
    assert job.state in (JobState.RUNNING, JobState.DONE), job
    return job.state is JobState.DONE


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "LOOK_S", 0.02)


async def test_indexing_rests_before_the_disk_is_full_and_goes_on_when_there_is_room(disk: Path) -> None:
    async with serving(disk, 4_000_000) as (service, history):
        ballast = fill_up(disk, 3_000_000)
        await until(lambda: service.db.room.low)
        await service.jobs.start(GUILD)
        assert await messages(service) == 0
        progress = service.jobs.progress(GUILD)
        if progress is not None:  # it may not have begun: then the room itself says why
            assert progress.reason is not None
            assert progress.reason.key == "disk-low"
        assert service.db.room.reason is not None
        message = next(iter(history.messages[next(iter(history.listed))].values()))
        live: Live = service.live
        with pytest.raises(DiskFull):
            await live.on_message(message, history.listed[message.channel_id])
        await live.on_delete([message.id])  # deletions are carried out all the same
        assert not service.removals.pending
        ballast.unlink()
        await until(lambda: done(service))
        assert await messages(service) == CHANNELS * MESSAGES - 1
        finished = service.jobs.progress(GUILD)
        assert finished is not None
        assert finished.state is State.DONE


async def test_a_write_that_the_disk_refuses_ends_nothing(disk: Path) -> None:
    async with serving(disk, 0) as (service, _):
        ballast = fill_up(disk, 300_000)
        await service.jobs.start(GUILD)
        await until(lambda: any("disk" in fault.last for fault in service.faults) or service.db.room.low)
        assert not await done(service)
        stored = await messages(service)  # questions are answered
        assert stored < CHANNELS * MESSAGES
        ballast.unlink()
        await until(lambda: done(service))
        assert await messages(service) == CHANNELS * MESSAGES


async def test_a_deletion_is_written_down_where_nothing_else_finds_room(disk: Path) -> None:
    async with serving(disk, 0) as (service, history):
        await service.jobs.start(GUILD)
        await until(lambda: done(service))
        ballast = fill_up(disk, 0)
        gone = [message.id for message in next(iter(history.messages.values())).values()]
        before = await messages(service)
        await service.live.on_delete(gone)
        ballast.unlink()
        await until(lambda: not service.removals.pending)
        assert await messages(service) == before - len(gone)


async def test_a_state_that_finds_no_room_is_one_line_in_the_log_and_no_failure_of_the_bot(
    disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faults = Faults()
    ballast = fill_up(disk, 0)
    beating = asyncio.create_task(keep_beating(disk, lambda: Beat(serving=False), faults))
    await until(lambda: faults.count("health"))
    ballast.unlink()
    await until((disk / FILE_NAME).exists)
    beating.cancel()
    await asyncio.wait({beating})
    assert {(record.levelname, record.exc_info) for record in caplog.records} == {("WARNING", None)}


async def test_resting_begins_below_what_stays_free_and_ends_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 1_000

    class Usage:
        @property
        def free(self) -> int:
            return free

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage())
    room = Room(tmp_path, 100)
    states = []
    for free in (1_000, 100, 99, 105, 110, 50):  # noqa: B007 -- Usage reads it
        await room.look()
        states.append(room.low)
    assert states == [False, False, True, True, False, True]
    with pytest.raises(DiskFull):
        room.check()
