"""The service: everything opens, everything closes, whatever happens in between; promises to people are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.control.operations import upkeep
from indexer import service as service_module
from indexer import upkeep as upkeep_module
from indexer.backoff import Backoff
from indexer.errors import AfterimageError, RetryLater, StorageError, TellPerson
from indexer.jobs import JobRefused, Why
from indexer.offline_store import open_store
from indexer.opening import accelerator_of
from indexer.read_only_search import open_search
from indexer.records.ids import ChannelId, GuildId, MessageId, UserId, ms_snowflake
from indexer.records.messages import Channel, ChannelKind, Guild, Message
from indexer.sentence import Sentence
from indexer.service import Service, open_service
from indexer.settings import DecodeSettings, ModelSettings, Settings
from indexer.store import audit, channels, guilds, jobs, messages, opt_outs
from indexer.store.jobs import JobState, Scope, ScopeKind
from indexer.vectors.index import VectorIndex
from tests.worlds.empty_history import EmptyHistory
from tests.worlds.encoder import Encoder
from tests.worlds.migrated import migrated
from tests.worlds.waiting import DEADLINE_S, until

GUILD = Guild(GuildId(ms_snowflake(1_600_000_000_000)), "Town")
CHANNEL = Channel(ChannelId(GUILD.id + 1), GUILD.id, ChannelKind.TEXT, "pictures")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", decode=DecodeSettings(workers=1))


@pytest.fixture
def history() -> EmptyHistory:
    return EmptyHistory()


@pytest.fixture
async def service(settings: Settings, history: EmptyHistory) -> AsyncIterator[Service]:
    migrated(settings.data_dir)
    async with open_service(settings, history, Encoder()) as opened:
        await opened.live.on_guild_join(GUILD)
        yield opened


async def state(service: Service) -> JobState | None:
    job = await service.jobs.newest(GUILD.id)
    return job.state if job else None


async def ended(service: Service) -> None:
    async def holds() -> bool:
        return await state(service) is not JobState.RUNNING

    await until(holds)


async def test_closing_gives_the_folder_free_for_the_next_writer(settings: Settings, history: EmptyHistory) -> None:
    async with open_service(settings, history, Encoder()):
        with pytest.raises(StorageError, match="being written by"):
            async with open_service(settings, history, Encoder()):
                pass
    async with open_service(settings, history, Encoder()):
        pass


async def test_it_closes_also_when_its_user_fails(settings: Settings, history: EmptyHistory) -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_service(settings, history, Encoder()):
            raise ZeroDivisionError
    async with open_service(settings, history, Encoder()):
        pass


async def test_a_start_gives_consent_and_leaves_a_line_in_the_audit_log(service: Service) -> None:
    assert await service.consented() == frozenset()
    await service.jobs.start(GUILD.id, by=UserId(7))
    assert await service.consented() == {GUILD.id}
    await ended(service)
    assert await state(service) is JobState.DONE
    async with service.db.reader() as connection:
        (line,) = await audit.recent(connection, 5)
    assert (line.action, line.actor_id, line.detail["scope"]) == ("reindex.start", 7, "server")


async def test_a_job_is_refused_in_a_state_that_does_not_fit(service: Service, history: EmptyHistory) -> None:
    history.gates[GUILD.id] = asyncio.Event()
    for change, why in (
        (service.jobs.pause, Why.NONE),
        (service.jobs.resume, Why.NONE),
        (service.jobs.cancel, Why.NONE),
    ):
        with pytest.raises(JobRefused) as refused:
            await change(GUILD.id)
        assert refused.value.why is why
    await service.jobs.start(GUILD.id)
    with pytest.raises(JobRefused) as refused:
        await service.jobs.resume(GUILD.id)
    assert refused.value.why is Why.RUNNING
    await service.jobs.pause(GUILD.id)
    with pytest.raises(JobRefused) as refused:
        await service.jobs.pause(GUILD.id)
    assert refused.value.why is Why.PAUSED
    await service.jobs.cancel(GUILD.id)
    assert await state(service) is JobState.CANCELLED


async def test_a_job_that_cannot_be_done_ends_as_failed_with_the_reason(
    service: Service, history: EmptyHistory
) -> None:
    history.fault = TellPerson("history-no-content")
    await service.jobs.start(GUILD.id)
    await ended(service)
    job = await service.jobs.newest(GUILD.id)
    assert job is not None
    assert (job.state, job.reason) == (JobState.FAILED, Sentence("history-no-content"))
    history.fault = None
    await service.jobs.start(GUILD.id)
    await ended(service)
    assert await state(service) is JobState.DONE


async def test_a_job_that_was_kept_waiting_does_not_blame_discord_alone(
    service: Service, history: EmptyHistory
) -> None:
    history.fault = AfterimageError("the database is held by another writer")  # as RetryLater after its last try
    await service.jobs.start(GUILD.id)
    await ended(service)
    job = await service.jobs.newest(GUILD.id)
    assert job is not None
    assert (job.state, job.reason) == (JobState.FAILED, Sentence("job-kept-waiting", {"job": str(job.id)}))


async def test_a_job_with_a_fault_of_ours_ends_as_failed_and_the_service_goes_on(
    service: Service, history: EmptyHistory
) -> None:
    history.fault = ZeroDivisionError("ours")
    await service.jobs.start(GUILD.id)
    await ended(service)
    job = await service.jobs.newest(GUILD.id)
    assert job is not None
    assert job.state is JobState.FAILED
    assert job.reason == Sentence("job-bot-failed", {"job": str(job.id)})


async def test_what_nobody_can_go_on_with_ends_the_service(settings: Settings, history: EmptyHistory) -> None:
    history.fault = StorageError("the disk is full")
    with pytest.raises((StorageError, BaseExceptionGroup)) as caught:
        async with open_service(settings, history, Encoder()) as service:
            await service.live.on_guild_join(GUILD)
            await service.jobs.start(GUILD.id)
            await asyncio.sleep(30)
    text = str(caught.value.exceptions if isinstance(caught.value, BaseExceptionGroup) else caught.value)
    assert "the disk is full" in text


async def test_a_paused_job_stays_paused_over_a_restart_and_a_running_one_goes_on(
    settings: Settings, history: EmptyHistory
) -> None:
    other = Guild(GuildId(GUILD.id + 100), "Other")
    history.gates = {GUILD.id: asyncio.Event(), other.id: asyncio.Event()}
    async with open_service(settings, history, Encoder()) as service:
        for guild in (GUILD, other):
            await service.live.on_guild_join(guild)
            await service.jobs.start(guild.id)
        await service.jobs.pause(other.id)
    history.gates.clear()
    async with open_service(settings, history, Encoder()) as service:
        going = await service.jobs.go_on(frozenset({GUILD.id, other.id}))
        assert [job.guild_id for job in going] == [GUILD.id]
        assert await service.jobs.go_on(frozenset({GUILD.id, other.id})) == []  # connected anew: it is at work already
        await ended(service)
        assert await state(service) is JobState.DONE
        paused = await service.jobs.newest(other.id)
        assert paused is not None
        assert paused.state is JobState.PAUSED


async def test_catching_up_waits_for_what_runs_and_rests_while_paused(service: Service, history: EmptyHistory) -> None:
    history.gates[GUILD.id] = asyncio.Event()
    await service.jobs.start(GUILD.id)
    await service.jobs.catch_up(GUILD.id, frozenset({CHANNEL.id}))
    await service.jobs.catch_up(GUILD.id, frozenset({ChannelId(5)}))
    await until(lambda: _reached(history, 1))
    history.gates[GUILD.id].set()
    await until(lambda: _reached(history, 2))
    await ended(service)
    await service.jobs.drop(GUILD.id)
    asked = history.asked
    await service.jobs.start(GUILD.id)
    await service.jobs.pause(GUILD.id)
    await service.jobs.catch_up(GUILD.id)
    await asyncio.sleep(0)
    assert history.asked <= asked + 1


async def _reached(history: EmptyHistory, count: int) -> bool:
    return history.asked >= count


async def test_a_guild_that_was_left_is_gone_and_its_opt_outs_stay(service: Service) -> None:
    await service.jobs.start(GUILD.id)
    await ended(service)
    await service.forget_user(UserId(9), GUILD.id)
    await service.forget_guild(GUILD.id)
    async with service.db.reader() as connection:
        assert await guilds.known(connection) == []
        assert await jobs.of_guild(connection, GUILD.id) == []
        assert await opt_outs.of_user(connection, UserId(9)) == [GUILD.id]
        actions = [line.action for line in await audit.recent(connection, 10)]
    assert actions[:2] == ["guild.forget", "privacy.forget"]


async def test_the_index_is_looked_after_and_a_fault_there_ends_nothing(
    settings: Settings, history: EmptyHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_module, "MAINTAIN_S", 0.01)
    monkeypatch.setattr(service_module, "UPKEEP_RESTARTS", Backoff(tries=0, first_s=0.001, longest_s=0.002))
    looked: list[Exception | None] = [RetryLater("busy"), ZeroDivisionError("ours"), None, None]
    done = asyncio.Event()

    async def maintain(*_: object) -> None:
        fault = looked.pop(0) if looked else None
        if not looked:
            done.set()
        if fault is not None:
            raise fault

    monkeypatch.setattr(VectorIndex, "maintain", maintain)
    async with open_service(settings, history, Encoder()), asyncio.timeout(DEADLINE_S):
        await done.wait()


async def test_the_index_is_looked_after_as_soon_as_a_job_ends(
    settings: Settings, history: EmptyHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_module, "MAINTAIN_S", 1_000.0)
    looked = asyncio.Event()

    async def maintain(*_: object) -> None:
        looked.set()

    monkeypatch.setattr(VectorIndex, "maintain", maintain)
    async with open_service(settings, history, Encoder()) as service, asyncio.timeout(DEADLINE_S):
        await service.live.on_guild_join(GUILD)
        assert not looked.is_set()
        await service.jobs.start(GUILD.id)
        await looked.wait()
        assert await state(service) is JobState.DONE


async def test_a_search_of_an_index_without_this_model_says_what_to_do(
    settings: Settings, history: EmptyHistory
) -> None:
    async with open_service(settings, history, Encoder()):
        pass
    with pytest.raises(TellPerson, match="index-other-model"):
        async with open_search(settings, Encoder(dimension=8)):
            pass
    async with open_search(settings, Encoder()) as reader:
        assert reader.searcher is not None


async def test_compact_and_retry_work_on_an_empty_folder(settings: Settings, history: EmptyHistory) -> None:
    direct = replace(settings, index=replace(settings.index, engine="direct"))
    for chosen in (settings, direct):
        async with open_store(chosen) as store:
            done = await upkeep(store)["compact"]({}, print)
            assert done["rewritten"]
            assert await upkeep(store)["retry"]({}, print) == {"places": 0}


async def words_of_a_deleted_message(service: Service) -> bytes:
    """A word that a message said and that is deleted by now, though its bytes still lie in the files."""
    word = "quetzalcoatlus"
    message = Message(MessageId(GUILD.id + 5), CHANNEL.id, GUILD.id, UserId(7), "Ada", f"a {word} at dawn")
    async with service.db.transaction() as tx:
        await channels.upsert(tx, [CHANNEL])
        await messages.store(tx, [message], keep="all", seen_ms=1)
    await service.db.checkpoint()
    async with service.db.transaction() as tx:
        await messages.delete(tx, [message.id])
    return word.encode()


def lies_on_disk(data_dir: Path, text: bytes) -> bool:
    return any(text in file.read_bytes() for file in data_dir.rglob("*") if file.is_file())


async def test_compact_leaves_no_byte_of_a_deleted_message(settings: Settings, history: EmptyHistory) -> None:
    async with open_service(settings, history, Encoder()) as service:
        await service.live.on_guild_join(GUILD)
        word = await words_of_a_deleted_message(service)
        assert await asyncio.to_thread(lies_on_disk, settings.data_dir, word)
        done = await upkeep(service)["compact"]({}, print)
        assert done["rewritten"]
        assert not await asyncio.to_thread(lies_on_disk, settings.data_dir, word)


async def test_a_running_bot_purges_what_was_deleted_by_itself(
    settings: Settings, history: EmptyHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_module, "MAINTAIN_S", 0.05)
    soon = replace(settings, index=replace(settings.index, purge_after_s=0.0))
    async with open_service(soon, history, Encoder()) as service:
        await service.live.on_guild_join(GUILD)
        word = await words_of_a_deleted_message(service)

        async def gone() -> bool:
            return not await asyncio.to_thread(lies_on_disk, settings.data_dir, word)

        await until(gone)


def test_a_scope_names_a_channel_exactly_where_it_is_one() -> None:
    with pytest.raises(ValueError, match="scope"):
        Scope(ScopeKind.CHANNEL)


@pytest.mark.xdist_group("torch")
def test_scans_run_on_the_gpu_where_the_configuration_says_so_and_nothing_of_it_is_loaded_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from indexer.encode import gpu_scan

    scanner = gpu_scan.GpuScan("cpu")
    monkeypatch.setattr(gpu_scan, "gpu_scan", lambda device: scanner if device == "cuda" else None)
    assert accelerator_of(ModelSettings(device="cuda")) is scanner
    monkeypatch.setattr(gpu_scan, "gpu_scan", lambda _: pytest.fail("asked for a GPU"))
    assert accelerator_of(ModelSettings(device="auto")) is None
    assert accelerator_of(ModelSettings(device="cpu")) is None
