"""The bot's life as a process: signals, deadlines, what it says when it cannot start, and that no token gets out."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from bot.app import ECHO_S
from indexer.database.database import open_database
from indexer.records.ids import GuildId
from indexer.reports import status
from indexer.store import jobs
from indexer.store.jobs import JobState
from sandbox.server import open_sandbox
from tests.worlds.child_bot import child, joining
from tests.worlds.running_bot import town
from tests.worlds.waiting import until


async def test_sigterm_ends_it_with_0_and_the_next_start_goes_on(tmp_path: Path) -> None:
    place = town()
    guild_id = GuildId(place.guild.id)
    async with open_sandbox(place.world) as sandbox:
        more = joining(sandbox, AFTERIMAGE_CRAWL_START="auto", CHILD_WAITS="1")
        async with child(tmp_path, "run", **more) as bot:
            await bot.says("connected as")
            assert await asyncio.to_thread(lambda: (tmp_path / "data" / "health.json").exists())
            bot.send_signal(signal.SIGTERM)
            assert await bot.ended() == 0
        assert "SIGTERM: finishing what is in hand" in bot.said
        assert "closed" in bot.said
        assert "Traceback" not in bot.said
        assert sandbox.token not in bot.said
        assert not await asyncio.to_thread(lambda: (tmp_path / "data" / "health.json").exists())
        async with open_database(tmp_path / "data", write=False) as db, db.reader() as connection:
            (job,) = await jobs.of_guild(connection, guild_id)
            assert job.state is JobState.RUNNING
        async with child(tmp_path, "run", **joining(sandbox)) as bot:
            async with open_database(tmp_path / "data", write=False) as db:

                async def all_there() -> bool:
                    async with db.reader() as connection:
                        return (await status.read(connection)).total.embeddings == 8

                await until(all_there)
            bot.send_signal(signal.SIGINT)
            assert await bot.ended() == 0


async def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    async with (
        open_sandbox(town().world) as sandbox,
        child(tmp_path, "run", **joining(sandbox, CHILD_HANGS="1")) as bot,
    ):
        await bot.says("connected as")
        bot.send_signal(signal.SIGINT)
        await bot.says("finishing what is in hand")
        await asyncio.sleep(1.2 * ECHO_S)
        bot.send_signal(signal.SIGINT)
        assert await bot.ended() == 130
        assert "leaving at once" in bot.said


async def test_a_signal_that_comes_twice_at_once_is_one(tmp_path: Path) -> None:
    async with (
        open_sandbox(town().world) as sandbox,
        child(tmp_path, "run", **joining(sandbox)) as bot,
    ):
        await bot.says("connected as")
        bot.send_signal(signal.SIGTERM)
        bot.send_signal(signal.SIGINT)
        assert await bot.ended() == 0
        assert "closed" in bot.said


async def test_what_hangs_while_closing_is_left_at_the_deadline(tmp_path: Path) -> None:
    async with open_sandbox(town().world) as sandbox:
        more = joining(sandbox, CHILD_HANGS="1", AFTERIMAGE_DISCORD_SHUTDOWN_S="1")
        async with child(tmp_path, "run", **more) as bot:
            await bot.says("connected as")
            bot.send_signal(signal.SIGTERM)
            assert await bot.ended() == 1
            assert "not closed within 1 s" in bot.said


async def test_a_signal_while_it_still_connects_ends_it_with_0(tmp_path: Path) -> None:
    async with open_sandbox(town().world) as sandbox:
        sandbox.faults.delay_s = 30.0
        async with child(tmp_path, "run", **joining(sandbox)) as bot:
            await bot.says("logging in")
            bot.send_signal(signal.SIGTERM)
            assert await bot.ended() == 0


async def test_a_signal_while_the_model_loads_ends_it_with_0(tmp_path: Path) -> None:
    async with (
        open_sandbox(town().world) as sandbox,
        child(tmp_path, "run", **joining(sandbox, CHILD_LOADS="1")) as bot,
    ):
        await bot.says("loading")
        bot.send_signal(signal.SIGTERM)
        assert await bot.ended() == 0
        assert "Traceback" not in bot.said


async def test_discord_in_trouble_at_the_login_is_said_in_one_line(tmp_path: Path) -> None:
    async with (
        open_sandbox(town().world) as sandbox,
        child(tmp_path, "run", **joining(sandbox, AFTERIMAGE_LOG_LEVEL="critical")) as bot,
    ):
        sandbox.faults.rates, sandbox.faults.in_a_row = {"503": 1.0}, 1000
        assert await bot.ended() == 1
    assert "Look at its status page" in bot.said
    assert len(bot.said.splitlines()) == 1


async def test_a_refused_token_is_one_line_and_exit_code_1_before_the_model_is_loaded(tmp_path: Path) -> None:
    async with open_sandbox(town().world) as sandbox:
        wrong = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA.GabcdE.abcdefghijklmnopqrstuvwxyz-123456"
        more = joining(sandbox, AFTERIMAGE_DISCORD_TOKEN=wrong, AFTERIMAGE_LOG_LEVEL="error", CHILD_LOADS="1")
        async with child(tmp_path, "run", **more) as bot:
            assert await bot.ended() == 1
    assert bot.said.startswith("afterimage: Discord does not accept the token.")
    assert len(bot.said.splitlines()) == 1
    assert wrong not in bot.said


async def test_a_missing_message_content_intent_is_said_with_the_way_out(tmp_path: Path) -> None:
    place = town()
    place.world.application.message_content = False
    async with (
        open_sandbox(place.world) as sandbox,
        child(tmp_path, "run", **joining(sandbox, AFTERIMAGE_LOG_LEVEL="error")) as bot,
    ):
        assert await bot.ended() == 1
    assert "Message Content Intent" in bot.said
    assert "Traceback" not in bot.said


async def test_an_address_that_answers_nobody_is_named(tmp_path: Path) -> None:
    async with open_sandbox(town().world) as sandbox:
        variables = joining(sandbox, AFTERIMAGE_LOG_LEVEL="error")
    async with child(tmp_path, "run", **variables) as bot:
        assert await bot.ended() == 1
    assert f"{sandbox.api_base} cannot be reached" in bot.said
    assert len(bot.said.splitlines()) == 1


async def test_a_second_bot_on_the_same_data_is_told_who_writes(tmp_path: Path) -> None:
    async with open_sandbox(town().world) as sandbox, child(tmp_path, "run", **joining(sandbox)) as bot:
        await bot.says("connected as")
        async with child(tmp_path, "run", **joining(sandbox, AFTERIMAGE_LOG_LEVEL="error")) as second:
            assert await second.ended() == 1
        assert f"process {bot.pid}" in second.said
        assert len(second.said.splitlines()) == 1
