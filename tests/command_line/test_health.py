"""`afterimage health` tells the truth: whether the bot answers, and whether Discord's gateway does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from bot.cli import main
from bot.config.tables import WebSettings
from bot.gateway.shards import Shards
from bot.observability import health
from bot.observability.health import AWAY_S, FILE_NAME, STALE_S, Beat, condition, keep_beating
from bot.web.probes import Check, probe_routes
from bot.web.server import open_web
from indexer.supervisor import Faults
from sandbox import gateway
from sandbox.server import open_sandbox
from tests.worlds.running_bot import Running, running, town
from tests.worlds.waiting import until

FINE = {"serving": True, "at": 100, "shards": 1, "shards_away": 0, "away_since": None}


@pytest.mark.parametrize(
    ("content", "now", "healthy", "said"),
    [
        (None, 0.0, False, "no bot runs"),
        (json.dumps(FINE), 101.0, True, "connected"),
        (json.dumps(FINE | {"serving": False}), 101.0, False, "not connected"),
        (json.dumps(FINE), 100.0 + STALE_S + 1, False, "sign of life"),
        ("half", 0.0, False, "cannot be read"),
        (json.dumps(FINE | {"shards_away": 1, "away_since": 90}), 101.0, True, "cut off the gateway 11 s ago"),
        (json.dumps(FINE | {"shards_away": 1, "away_since": 56}), 101.0, False, "cut off the gateway 45 s ago"),
        (json.dumps(FINE | {"shards": 5, "shards_away": 2, "away_since": 1}), 101.0, False, "2 of 5 gateway"),
    ],
)
def test_health_is_what_the_bot_last_wrote(
    tmp_path: Path, content: str | None, now: float, healthy: bool, said: str
) -> None:
    if content is not None:
        (tmp_path / FILE_NAME).write_text(content)
    found = condition(tmp_path, now)
    assert found.healthy is healthy
    assert said in found.sentence


@pytest.mark.parametrize(
    ("checks", "code", "said"),
    [
        ([Check("gateway", True), Check("model", True)], 0, "ready"),
        (
            [Check("gateway", True), Check("model", False, "the model cannot be loaded")],
            1,
            "the model cannot be loaded",
        ),
    ],
)
async def test_where_http_is_on_readiness_is_asked_too(
    data_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checks: list[Check],
    code: int,
    said: str,
) -> None:
    async def found() -> list[Check]:
        return checks

    data_dir.mkdir()
    (data_dir / FILE_NAME).write_text(json.dumps(FINE | {"at": time.time()}))
    monkeypatch.chdir(data_dir.parent)
    async with open_web(WebSettings(listen="127.0.0.1:0"), probe_routes(found)) as url:
        monkeypatch.setenv("AFTERIMAGE_WEB_LISTEN", url.removeprefix("http://"))
        assert await asyncio.to_thread(main, ["health"]) == code
    told = capsys.readouterr()
    assert said in told.out + told.err
    assert await asyncio.to_thread(main, ["health"]) == 1
    assert "gives no answer to /readyz" in capsys.readouterr().err


async def test_a_bot_that_has_not_begun_to_serve_says_over_http_what_it_waits_for(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def found() -> list[Check]:
        return [
            Check(part, False, "waiting for the lease on home: a goes on renewing it") for part in ("index", "model")
        ]

    data_dir.mkdir()
    monkeypatch.chdir(data_dir.parent)
    async with open_web(WebSettings(listen="127.0.0.1:0"), probe_routes(found)) as url:
        monkeypatch.setenv("AFTERIMAGE_WEB_LISTEN", url.removeprefix("http://"))
        assert await asyncio.to_thread(main, ["health"]) == 1
    assert capsys.readouterr().err.count("waiting for the lease on home") == 1
    assert await asyncio.to_thread(main, ["health"]) == 1
    assert "no bot runs" in capsys.readouterr().err


async def test_a_sign_of_life_that_cannot_be_written_ends_nothing_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "BEAT_S", 0.01)
    faults = Faults()
    in_the_way = tmp_path / "health.new"  # where a draft is written: as on a full disk, it cannot be
    in_the_way.mkdir()
    task = asyncio.create_task(keep_beating(tmp_path, lambda: Beat(serving=True, shards=1), faults))

    async def tried() -> bool:
        return faults.count("health") >= 2 or task.done()

    async def written() -> bool:
        return (tmp_path / FILE_NAME).exists()

    await until(tried)
    assert not task.done()
    in_the_way.rmdir()
    await until(written)
    task.cancel()
    await asyncio.wait({task})
    assert not await written()


@asynccontextmanager
async def beating(bot: Running) -> AsyncIterator[None]:
    task = asyncio.create_task(keep_beating(bot.data_dir, bot.client.beat, bot.service.faults))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def away(bot: Running) -> bool:
    return bot.client.beat().shards_away > 0


async def back(bot: Running) -> bool:
    return bot.client.beat().shards_away == 0


async def test_a_gateway_that_went_away_is_told_with_how_long_ago_until_it_is_back(tmp_path: Path) -> None:
    place = town()
    async with AsyncExitStack() as bots, AsyncExitStack() as first:
        sandbox = await first.enter_async_context(open_sandbox(place.world))
        bot = await bots.enter_async_context(running(sandbox, tmp_path))
        assert await back(bot)
        async with beating(bot):
            port = int(sandbox.base_url.rpartition(":")[2])
            await first.aclose()  # every connection ends, and nobody listens any more
            await until(lambda: away(bot))
            assert bot.client.is_ready()  # what discord.py says of itself
            since = bot.client.beat().away_since
            assert since is not None

            async def written() -> bool:
                return "cut off" in condition(tmp_path).sentence

            (tmp_path / FILE_NAME).write_text(json.dumps({"at": time.time(), **asdict(bot.client.beat())}))
            await until(written)
            assert condition(tmp_path, since + AWAY_S - 1).healthy
            assert not condition(tmp_path, since + AWAY_S + 1).healthy
            async with open_sandbox(place.world, port=port):
                await until(lambda: back(bot))


async def test_a_gateway_that_says_nothing_more_is_away_although_nobody_closed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.gateway.shards.SILENT_S", 0.1)
    place = town()
    async with open_sandbox(place.world) as sandbox:
        sandbox.gateway.heartbeat_ms = 200
        async with running(sandbox, tmp_path) as bot:
            await until(lambda: back(bot))
            monkeypatch.setattr(gateway, "_ACK_S", 3600.0)
            await until(lambda: away(bot))
            assert bot.client.beat().away_since is not None


async def test_a_connection_that_is_moved_is_back_within_its_resume(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        await bot.sandbox.gateway.ask_to_reconnect()

        async def resumed() -> bool:
            return bot.sandbox.gateway.resumed == 1 and await back(bot)

        await until(resumed)


def test_the_first_loss_counts_until_the_shard_is_back() -> None:
    now = [100.0]
    found = Shards(lambda: now[0])
    found.lost(0)
    now[0] = 110.0
    found.lost(0)
    found.lost(1)
    assert found.away({}) == {0: 100.0, 1: 110.0}
    found.back(0)
    assert found.away({2: 4.0}) == {1: 110.0, 2: 106.0}
