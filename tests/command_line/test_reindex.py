"""`afterimage reindex`: beside a running bot, without one, and what it says of jobs in every state."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot import cli
from bot.app import operations
from bot.command_line.reindex import text
from bot.config.tables import Config
from bot.control.client import NoBot, ask
from bot.control.server import open_control
from indexer.encode import cluster_files
from indexer.records.ids import ChannelId, GuildId, OriginId, ms_snowflake
from indexer.records.messages import Channel, ChannelKind, Guild
from indexer.service import Service, open_service
from indexer.settings import DecodeSettings, Settings
from indexer.store import channels, guilds
from sandbox.server import open_sandbox
from tests.worlds.child_bot import child, joining
from tests.worlds.empty_history import EmptyHistory
from tests.worlds.encoder import Encoder
from tests.worlds.json_schemas import assert_schema
from tests.worlds.migrated import migrated
from tests.worlds.running_bot import town
from tests.worlds.waiting import until

MEADOW = GuildId(ms_snowflake(1_600_000_000_000))
HARBOUR = GuildId(MEADOW + 10)

Said = tuple[int, str, str]


def channel(number: int, name: str) -> Channel:
    return Channel(ChannelId(number), MEADOW, ChannelKind.TEXT, name)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text('data_dir = "data"\n[decode]\nworkers = 1\n')


@asynccontextmanager
async def gated(tmp_path: Path) -> AsyncIterator[tuple[Service, EmptyHistory]]:
    """What answers commands while a bot runs. Its jobs wait for their server's gate."""
    history = EmptyHistory()
    settings = Settings(data_dir=migrated(tmp_path / "data"), decode=DecodeSettings(workers=1))
    async with open_service(settings, history, Encoder()) as service:
        for guild_id, name in ((MEADOW, "Meadow"), (HARBOUR, "Harbour")):
            history.gates[guild_id], history.names[guild_id] = asyncio.Event(), name
            await service.live.on_guild_join(Guild(guild_id, name))
        async with open_control(settings.data_dir, operations(Config(settings=settings), service), 5.0):
            yield service, history


@pytest.fixture
def given(capsys: pytest.CaptureFixture[str]) -> Any:
    """Gives a command in a thread of its own."""

    async def give(*words: str) -> Said:
        capsys.readouterr()
        code = await asyncio.to_thread(cli.main, ["reindex", *words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return give


def listed(said: Said) -> list[dict[str, Any]]:
    found = json.loads(said[1])
    assert_schema("reindex", found)
    jobs: list[dict[str, Any]] = found["jobs"]
    return jobs


async def test_a_running_bot_does_it_and_the_command_stays_until_it_is_done(tmp_path: Path, given: Any) -> None:
    async with gated(tmp_path) as (service, history):
        assert (await given("status"))[1] == "nothing was indexed yet: `afterimage reindex` begins\n"
        code, _, err = await given()
        assert code == 1
        assert "Say in which server with --guild NAME" in err
        staying = asyncio.create_task(given("--guild", "meadow", "--json"))
        await until(lambda: history.asked == 1)
        assert not staying.done()
        history.gates[MEADOW].set()
        said = await staying
        assert said[0] == 0
        (job,) = listed(said)
        assert (job["state"], job["scope"], job["guild"]["name"]) == ("done", "server", "Meadow")
        assert await service.consented() == {MEADOW}
        assert (await given("status"))[1].startswith("Meadow: indexing the whole server: done, 0 messages read")
        # Now its channel is known.
        code, out, _ = await given("--guild", str(MEADOW), "--channel", "#Pictures")
        assert (code, out.split(",")[0]) == (0, f"Meadow: indexing channel {MEADOW + 1}: done")


async def test_a_job_is_handed_over_joined_paused_resumed_and_cancelled(tmp_path: Path, given: Any) -> None:
    async with gated(tmp_path):
        code, out, _ = await given("--guild", "Meadow", "--background")
        assert (code, out.split(",")[0]) == (0, "Meadow: indexing the whole server: running")
        assert "already" in (await given("--guild", "Meadow", "--failed"))[2]
        assert "Meadow is being read already" in (await given("--guild", "Meadow", "--background"))[2]
        joined = asyncio.create_task(asyncio.to_thread(cli.main, ["reindex", "--guild", "Meadow", "--quiet"]))
        assert (await given("pause"))[1].startswith("Meadow: indexing the whole server: paused")  # the only one
        assert await joined == 1  # it is not done
        code, _, err = await given("--guild", "Meadow")
        assert code == 1
        assert "afterimage reindex resume goes on with it" in err
        assert (await given("resume", "--guild", "Meadow"))[0] == 0
        assert (await given("--guild", "Harbour", "--background"))[0] == 0
        assert [job["state"] for job in listed(await given("status", "--json"))] == ["running", "running"]
        assert "Say in which server" in (await given("cancel"))[2]
        assert (await given("cancel", "--guild", "Harbour"))[1].startswith("Harbour: indexing the whole server: cancel")
        (left,) = listed(await given("status", "--guild", "Meadow", "--json"))
        assert left["progress"]["messages"] == 0
        assert (await given("cancel", "--guild", "Harbour"))[2].strip().endswith("afterimage reindex begins.")


async def test_what_cannot_be_started_is_said(tmp_path: Path, given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_files, "find_spec", lambda _: None)
    async with gated(tmp_path) as (service, history):
        history.gates[MEADOW].set()
        for words, told in {
            ("--guild", "Nowhere"): "Server Nowhere is not in the index",
            ("--guild", "Meadow", "--channel", "#cats"): "No channel #cats of that server is known",
            ("status", "--failed"): "--failed goes with a start alone",
            ("cancel", "--fleet"): "--fleet goes with a start alone",
            ("--guild", "Meadow", "--fleet"): "pip install 'afterimage[fleet]'",
            ("pause",): "Nothing is being indexed",
        }.items():
            code, _, err = await given(*words)
            assert (code, told in err) == (1, True), (words, err)
        assert await service.consented() == frozenset()
        async with service.db.transaction() as tx:
            await channels.upsert(tx, [channel(MEADOW + 2, "memes"), channel(MEADOW + 3, "Memes")])
            await guilds.upsert(tx, Guild(GuildId(HARBOUR + 10), "Export"), origin_id=OriginId(1))
        for words, told in {
            ("--guild", "Meadow", "--channel", "memes"): f"one of {MEADOW + 2}, {MEADOW + 3}",
            ("--guild", "Export"): "Server Export is known by an archive alone",
        }.items():
            code, _, err = await given(*words)
            assert (code, told in err) == (1, True), (words, err)
        for guild_id in (MEADOW, HARBOUR):
            await service.forget_guild(guild_id)
        assert "The bot is in no server of Discord" in (await given())[2]


async def test_a_job_that_goes_with_its_server_ends_the_command(tmp_path: Path, given: Any) -> None:
    async with gated(tmp_path) as (service, history):
        staying = asyncio.create_task(given("--guild", "Meadow", "--quiet"))
        await until(lambda: history.asked == 1)
        await service.forget_guild(MEADOW)
        code, _, err = await staying
        assert code == 1
        assert "The job went with its server" in err


def test_without_a_bot_nothing_is_handed_over_and_a_token_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AFTERIMAGE_DISCORD_TOKEN", raising=False)
    assert cli.main(["reindex", "--background"]) == 1
    assert "No bot runs on this data folder" in capsys.readouterr().err
    assert cli.main(["reindex"]) == 1
    assert "afterimage setup asks for it" in capsys.readouterr().err
    assert cli.main(["reindex", "status"]) == 1
    assert "There is no database" in capsys.readouterr().err


async def test_without_a_bot_one_runs_until_all_is_read_and_goes_on_after_an_interruption(
    tmp_path: Path, given: Any
) -> None:
    place = town()
    async with open_sandbox(place.world) as sandbox:
        async with child(tmp_path, "reindex", **joining(sandbox, CHILD_WAITS="1")) as command:

            async def begun() -> bool:
                try:
                    return bool((await ask(tmp_path / "data", "jobs", {}, print))["jobs"])
                except NoBot:
                    return False

            await until(begun)
            command.send_signal(signal.SIGINT)
            assert await command.ended() == 130
        assert "what came in stays" in command.said
        assert "Traceback" not in command.said
        assert "no bot runs: it goes on when the bot does" in (await given("status"))[1]
        assert "indexing the whole server: paused" in (await given("pause"))[1]  # written down: nothing runs
        assert "indexing the whole server: running" in (await given("resume"))[1]
        async with child(tmp_path, "reindex", "--json", **joining(sandbox, AFTERIMAGE_LOG_LEVEL="info")) as command:
            assert await command.ended() == 0
        assert "connected as" not in command.said  # the log is for what is wrong
        (job,) = listed((0, command.said[command.said.index("{") :], ""))
        assert (job["state"], job["progress"]["places_done"], job["progress"]["failed"]) == ("done", 8, 0)


def test_a_line_says_how_far_a_job_is() -> None:
    job: dict[str, Any] = {
        "guild": {"id": "1", "name": "Meadow\x1b[31m"},
        "scope": "failed",
        "channel": None,
        "imported": False,
        "state": "running",
        "reason": "",
        "progress": {
            "fraction": 0.451, "channels_parked": 2, "messages": 1200, "places_done": 34, "places_total": 1050,
            "failed": 3, "seconds_left": 181.0,
        },
    }  # fmt: skip
    assert text(job, True) == (
        "Meadow\\x1b[31m: indexing the pictures that failed before: running, 45%, 1,200 messages read,"
        " 34 of 1,050 pictures, about 3 min left, 3 could not be read (`afterimage failures` says why),"
        " 2 channels are closed to the bot"
    )
    assert text(
        {**job, "state": "failed", "imported": True, "progress": None, "reason": "The disk\nbroke."}, False
    ) == ("Meadow\\x1b[31m: indexing an archive: failed\n  The disk\\nbroke.")
