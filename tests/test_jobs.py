"""Jobs under any interleaving: what the database says and what runs agree, and nothing that passes ends the bot."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from indexer.database import database
from indexer.errors import TellPerson
from indexer.jobs import JobRefused, Why
from indexer.progress import Progress, State
from indexer.records.ids import GuildId, OriginId, ms_snowflake
from indexer.records.messages import Guild
from indexer.service import Service, open_service
from indexer.settings import DecodeSettings, Settings
from indexer.store.jobs import JobState, Scope, ScopeKind
from tests.soak import example_count
from tests.worlds.empty_history import EmptyHistory
from tests.worlds.encoder import Encoder
from tests.worlds.migrated import migrated
from tests.worlds.waiting import until

FIRST = ms_snowflake(1_600_000_000_000)
numbers = itertools.count()


@pytest.fixture
def history() -> EmptyHistory:
    return EmptyHistory()


@pytest.fixture
async def service(tmp_path: Path, history: EmptyHistory) -> AsyncIterator[Service]:
    settings = Settings(data_dir=migrated(tmp_path), decode=DecodeSettings(workers=1))
    async with open_service(settings, history, Encoder()) as opened:
        yield opened


async def new_guild(service: Service, history: EmptyHistory) -> GuildId:
    guild_id = GuildId(FIRST + next(numbers) * 10)
    history.gates[guild_id] = asyncio.Event()
    await service.live.on_guild_join(Guild(guild_id, "Town"))
    return guild_id


def live() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if not task.done()}


async def agree(service: Service, guild_id: GuildId) -> bool:
    job = await service.jobs.newest(guild_id)
    if job is None:
        return True
    runs = f"job {job.id}" in live()
    if job.state is JobState.PAUSED:
        return not runs and f"catch up {guild_id}" not in live()
    return runs == (job.state is JobState.RUNNING)


CHANGES = st.sampled_from(["start", "pause", "resume", "cancel", "catch_up", "go_on", "finish"])
STEPS = st.lists(st.tuples(CHANGES, st.integers(0, 12), st.none() | st.integers(0, 12)), min_size=2, max_size=9)


@pytest.mark.soak
@examples(max_examples=example_count(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_comes_at_once_the_database_and_what_runs_agree(
    service: Service, history: EmptyHistory, steps: list[tuple[str, int, int | None]]
) -> None:
    """Each step waits some turns of the loop, begins, and may be cancelled some turns later."""
    guild_id = await new_guild(service, history)
    jobs = service.jobs

    async def change(name: str, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        if name == "finish":
            history.gates[guild_id].set()
            return
        try:
            if name == "go_on":
                await jobs.go_on(frozenset({guild_id}))
            elif name == "catch_up":
                await jobs.catch_up(guild_id)
            else:
                await getattr(jobs, name)(guild_id)
        except JobRefused:
            pass

    async def cancelled(task: asyncio.Task[None], turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()

    tasks = [asyncio.create_task(change(name, turns)) for name, turns, _ in steps]
    ends = [
        asyncio.create_task(cancelled(task, turns + extra))
        for task, (_, turns, extra) in zip(tasks, steps, strict=True)
        if extra is not None
    ]
    for outcome in await asyncio.gather(*tasks, *ends, return_exceptions=True):
        assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
    await until(lambda: agree(service, guild_id))
    await jobs.drop(guild_id)


async def test_a_job_whose_end_meets_a_busy_writer_ends_later(
    service: Service, history: EmptyHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    guild_id = await new_guild(service, history)
    await service.jobs.start(guild_id)
    run = service.pipeline.run_guild
    ran, go_on = asyncio.Event(), asyncio.Event()

    async def then_busy(*arguments: Any, **named: Any) -> object:
        progress = await run(*arguments, **named)
        ran.set()
        await go_on.wait()
        return progress

    monkeypatch.setattr(service.pipeline, "run_guild", then_busy)
    await service.jobs.pause(guild_id)
    await service.jobs.resume(guild_id)
    history.gates[guild_id].set()
    await ran.wait()
    async with service.db.transaction():
        monkeypatch.setattr(database, "TURN_S", 0.01)
        go_on.set()
        await until(lambda: service.faults.count("ending a job") > 0)
    monkeypatch.undo()

    async def done() -> bool:
        job = await service.jobs.newest(guild_id)
        return job is not None and job.state is JobState.DONE

    await until(done)


async def test_who_may_not_allow_it_starts_no_job_where_nobody_else_has(
    service: Service, history: EmptyHistory
) -> None:
    """Also where the consent was there a moment ago: it is looked for in the transaction that makes the job."""
    guild_id = await new_guild(service, history)
    with pytest.raises(JobRefused) as refused:
        await service.jobs.start(guild_id, allows=False)
    assert refused.value.why is Why.NOT_ALLOWED
    assert guild_id not in await service.consented()
    assert await service.jobs.newest(guild_id) is None
    await service.jobs.start(guild_id)
    await service.jobs.cancel(guild_id)
    assert (await service.jobs.start(guild_id, allows=False)).state is JobState.RUNNING


async def test_what_is_missed_during_a_cancelled_job_is_caught_up_with(service: Service, history: EmptyHistory) -> None:
    guild_id = await new_guild(service, history)
    await service.jobs.start(guild_id)
    await service.jobs.catch_up(guild_id)
    assert f"catch up {guild_id}" not in live()
    await service.jobs.cancel(guild_id)
    assert f"catch up {guild_id}" in live()
    await service.jobs.drop(guild_id)


async def test_caught_up_is_said_only_where_no_picture_waits(
    service: Service, history: EmptyHistory, caplog: pytest.LogCaptureFixture
) -> None:
    guild_id = await new_guild(service, history)
    history.gates[guild_id].set()
    await service.jobs.start(guild_id)
    channel_id, message_id = guild_id + 1, guild_id + 2

    async def done() -> bool:
        job = await service.jobs.newest(guild_id)
        return job is not None and job.state is JobState.DONE

    await until(done)
    async with service.db.transaction() as tx:
        await tx.execute_fetchall("INSERT INTO users (user_id, name) VALUES (7, 'u')")
        await tx.execute_fetchall(
            "INSERT INTO messages (message_id, guild_id, channel_id, author_id, checked_ms) VALUES (?, ?, ?, 7, ?)",
            (message_id, guild_id, channel_id, 2**53),
        )
        await tx.execute_fetchall("INSERT INTO texts (message_id) VALUES (?)", (message_id,))
        await tx.execute_fetchall(
            "INSERT INTO places (message_id, guild_id, ordinal, source, link, state, reason, next_attempt_ms)"
            " VALUES (?, ?, 0, 'attachment', 'https://cdn.example/a.png', 'failed', 'unreachable', ?)",
            (message_id, guild_id, 2**53),
        )
    with caplog.at_level(logging.INFO):
        await service.jobs.catch_up(guild_id)
        await until(lambda: f"catch up {guild_id}" not in live())
    assert f"guild {guild_id}: 0 messages read, 1 pictures wait for another try" in caplog.text
    assert "is caught up" not in caplog.text


async def test_archives_of_one_server_are_read_one_after_the_other_by_one_job(
    service: Service, history: EmptyHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    guild_id = await new_guild(service, history)
    begun: list[tuple[int, bool]] = []
    gates = {OriginId(number): asyncio.Event() for number in (1, 2, 3)}

    async def run(guild_id: GuildId, only: object, origin_id: OriginId, *, fleet: bool) -> Progress:
        begun.append((origin_id, fleet))
        await gates[origin_id].wait()
        if origin_id == 2:
            raise TellPerson("closed-archive", archive="x")
        return Progress(guild_id, State.DONE)

    monkeypatch.setattr(service.pipeline, "run_guild", run)
    jobs = [await service.jobs.start(guild_id, Scope(ScopeKind.SERVER, origin_id=OriginId(1)))]
    await until(lambda: begun == [(1, False)])
    jobs += [
        await service.jobs.start(guild_id, Scope(ScopeKind.SERVER, origin_id=OriginId(number), fleet=number == 2))
        for number in (2, 3)
    ]
    assert len({job.id for job in jobs}) == 1
    with pytest.raises(JobRefused):
        await service.jobs.start(guild_id)  # Discord's history waits for nobody's archive
    gates[OriginId(1)].set()
    await until(lambda: begun == [(1, False), (2, True)])
    stored = await service.jobs.newest(guild_id)
    assert stored is not None
    # A restart goes on here, and in the cluster.
    assert stored.scope == Scope(ScopeKind.SERVER, origin_id=OriginId(2), then=(OriginId(3),), fleet=True)
    gates[OriginId(2)].set()
    gates[OriginId(3)].set()
    await until(lambda: service.jobs.idle)
    assert begun == [(1, False), (2, True), (3, True)]
    stored = await service.jobs.newest(guild_id)
    assert stored is not None
    assert (stored.state, stored.reason and stored.reason.key) == (JobState.FAILED, "closed-archive")
