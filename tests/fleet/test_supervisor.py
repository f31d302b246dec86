"""A real bot as a child of its supervisor, against the sandbox: it dies, hangs, cannot start, ends. No Ray."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from bot.fleet import supervisor
from bot.fleet.plan import ProcessPlan, digest_of
from bot.fleet.report import metrics, report
from bot.fleet.supervisor import CHILD, State, Supervisor
from bot.fleet.words import RESTORING
from indexer.backoff import Backoff
from indexer.database.database import open_database
from indexer.records.ids import UserId
from sandbox.demo.bot import as_toml
from sandbox.server import Sandbox, open_sandbox
from tests.worlds import promising
from tests.worlds.promising import fill
from tests.worlds.running_bot import town
from tests.worlds.waiting import DEADLINE_S, until

BOT = "tests.worlds.fleet_child"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with open_sandbox(town().world) as opened:
        yield opened


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTARTS", Backoff(tries=0, first_s=0.1, longest_s=0.1))


def planned(sandbox: Sandbox, folder: Path) -> ProcessPlan:
    token, config = folder / "token", folder / "config.toml"
    token.write_text(sandbox.token)
    token.chmod(0o600)
    values = {
        "discord.api_base": sandbox.api_base,
        "discord.token_file": str(token),
        "fetch.insecure_hosts": [sandbox.cdn_host],
    }
    config.write_text(as_toml(values))
    return ProcessPlan("a", "1", str(folder / "data"), str(config), digest_of(config))


@asynccontextmanager
async def supervised(plan: ProcessPlan, child: str = BOT) -> AsyncIterator[Supervisor]:
    opened = Supervisor(plan, os.environ, child)
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(opened.run())
        try:
            yield opened
        finally:
            await opened.stop()


async def in_state(opened: Supervisor, state: State, starts: int = 1) -> int:
    """Waits for it; the id of the bot's process."""
    await until(lambda: opened.standing.state is state and opened.standing.starts >= starts)
    return opened.standing.pid or 0


async def test_a_bot_that_dies_is_started_again_and_one_that_is_stopped_ends_as_with_sigterm(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    async with supervised(planned(sandbox, tmp_path)) as opened:
        first = await in_state(opened, State.SERVING)
        psutil.Process(first).kill()
        second = await in_state(opened, State.SERVING, starts=2)
        assert second != first
        await until(lambda: psutil.pid_exists(second))
        row = await report(opened)
        assert (row["state"], row["starts"], row["servers"], row["reason"], row["notes"]) == ("serving", 2, 1, "", [])
        assert "afterimage_gateway_shards 1.0" in await metrics(opened.folder)
        await opened.stop()
        assert (opened.standing.state, opened.standing.pid) == (State.STOPPED, None)
        assert not psutil.pid_exists(second)
        assert not (opened.folder / "health.json").exists(), "it was killed and has not ended by itself"
        assert await metrics(opened.folder) == ""


async def test_a_bot_that_hangs_is_ended_and_started_again(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_KILL_AFTER_S", 0.1)
    async with supervised(replace(planned(sandbox, tmp_path), shutdown_s=0.1)) as opened:
        first = await in_state(opened, State.SERVING)
        psutil.Process(first).suspend()
        beat = opened.folder / "health.json"
        told = json.loads(beat.read_text())
        beat.write_text(json.dumps(told | {"at": time.time() - supervisor.HANGS_S - 1}))  # as if it had hung so long
        await in_state(opened, State.SERVING, starts=2)
        assert not psutil.pid_exists(first)


async def test_why_a_bot_cannot_start_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    plan = planned(sandbox, tmp_path)
    Path(plan.config).write_text("nonsense = true\n")
    async with supervised(plan, CHILD) as opened:
        await in_state(opened, State.PAUSED)
        row = await report(opened)
        assert "there is no key nonsense" in row["reason"]
        assert "is not the file that `fleet up` has read" in row["notes"][0]
        assert (row["servers"], row["backup"]) == (None, None)


async def test_without_a_token_no_sandbox_is_joined(sandbox: Sandbox, tmp_path: Path) -> None:
    plan = planned(sandbox, tmp_path)
    Path(plan.config).write_text("")
    async with supervised(plan, CHILD) as opened:
        await in_state(opened, State.PAUSED)
        assert "has no token" in opened.standing.reason


def with_storage(plan: ProcessPlan, folder: Path, lease_s: float = 0.0) -> ProcessPlan:
    storage = folder / "storage"
    storage.mkdir(exist_ok=True)
    settings = {"FLEET_STORAGE": str(storage), "FLEET_NAME": "one", "FLEET_LEASE_S": str(lease_s)}
    return replace(plan, settings=tuple((f"AFTERIMAGE_{name}", value) for name, value in settings.items()))


async def test_a_folder_that_is_new_to_its_node_is_restored_from_the_storage_and_keeps_what_was_promised(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    data = tmp_path / "lost"
    await fill(data, authors=3)
    async with promising.folder(data, tmp_path / "storage") as store:  # its name there is "one"
        assert await store.backups.look() is not None
        await store.backups.put_elsewhere(1)
        await store.forget_user(UserId(1))
        assert await store.made_safe()
    plan = with_storage(planned(sandbox, tmp_path), tmp_path)
    async with supervised(plan) as opened:
        await in_state(opened, State.SERVING)
        assert any(RESTORING in line for line in opened._words)
        async with open_database(opened.folder, write=False) as db, db.reader() as connection:
            rows = await connection.execute_fetchall("SELECT DISTINCT author_id FROM messages")
        assert {2, 3} <= {author for (author,) in rows}, "Discord does not have them: they come from the backup"
        assert 1 not in {author for (author,) in rows}


async def test_of_two_supervisors_for_one_name_the_second_waits_until_the_first_has_ended(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    plan = with_storage(planned(sandbox, tmp_path), tmp_path, lease_s=5.0)
    async with supervised(plan) as first:
        await in_state(first, State.SERVING)
        async with supervised(replace(plan, folder=str(tmp_path / "elsewhere"))) as second:
            await in_state(second, State.WAITING)
            assert (await report(second))["state"] == "waiting"
            await first.stop()
            await in_state(second, State.SERVING)
