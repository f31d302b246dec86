"""The HTTP side of a whole bot: a process against a sandbox, asked as an orchestrator and Prometheus ask."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from http import HTTPStatus
from pathlib import Path

import aiohttp
import psutil
import pytest

from bot.command_line.status import bot_text
from bot.config.tables import Config
from bot.control.client import ask
from bot.control.operations import running_status
from bot.observability.health import Beat
from bot.web.operator import Operator
from bot.web.probes import Check
from indexer.fleet.lease import open_lease
from indexer.service import open_service
from indexer.settings import DecodeSettings, FleetSettings, Settings
from sandbox.server import open_sandbox
from tests.web.test_metrics import samples
from tests.worlds.child_bot import Child, child, joining
from tests.worlds.encoder import Encoder
from tests.worlds.migrated import migrated
from tests.worlds.running_bot import town
from tests.worlds.waiting import until


def base_url(bot: Child) -> str:
    found = re.search(r"HTTP at (http://[\d.]+:\d+):", bot.said)
    assert found is not None, bot.said
    return found[1]


async def test_a_bot_is_ready_once_it_serves_and_counts_what_it_stored(tmp_path: Path) -> None:
    place = town()
    async with open_sandbox(place.world) as sandbox, aiohttp.ClientSession() as session:
        more = joining(sandbox, AFTERIMAGE_CRAWL_START="auto", AFTERIMAGE_WEB_LISTEN="127.0.0.1:0")
        async with child(tmp_path, "run", **more) as bot:
            await bot.says("HTTP at")
            url = base_url(bot)

            async with session.get(f"{url}/api/v1/guilds") as response:
                assert response.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.UNAUTHORIZED)

            async def readiness() -> tuple[int, dict[str, dict[str, object]]]:
                async with session.get(f"{url}/readyz") as response:
                    return response.status, (await response.json())["checks"]

            async def ready() -> bool:
                await asyncio.sleep(0.2)
                return (await readiness())[0] == HTTPStatus.OK

            async with session.get(f"{url}/healthz") as response:
                assert response.status == HTTPStatus.OK  # from the first second, ready or not
            await until(ready)
            _, checks = await readiness()
            assert checks == {part: {"ok": True, "reason": ""} for part in ("gateway", "database", "index", "model")}

            text = ""

            async def counted() -> bool:
                nonlocal text
                await asyncio.sleep(0.2)  # an address may ask ten times a second
                async with session.get(f"{url}/metrics") as response:
                    text = await response.text()
                return samples(text).get(("afterimage_messages", (("guild", str(place.guild.id)),)), 0) > 0

            await until(counted)
            found = samples(text)
            assert found["afterimage_gateway_shards", ()] == 1
            assert found["afterimage_history_read_ratio", (("guild", str(place.guild.id)),)] == 1
            embedded = found["afterimage_embeddings", (("guild", str(place.guild.id)),)]
            for stage in ("download", "decode", "encode", "store"):
                assert found["afterimage_indexing_stage_seconds_count", (("stage", stage),)] >= embedded > 0
            for queue in ("download", "decode", "encode", "store", "questions", "events", "search"):
                assert ("afterimage_queue_items", (("stage", queue),)) in found
            assert found["afterimage_memory_bytes", (("process", "bot"),)] > 0
            assert found["afterimage_ready", (("part", "gateway"),)] == 1
            assert found["afterimage_event_loop_lag_seconds_count", ()] > 0
            everything = text + json.dumps(checks)
            assert sandbox.token not in everything
            for person in place.guild.members.values():
                assert str(person.id) not in everything
            for word in ("picture number", "only words", "secret", "Town"):
                assert word not in everything
            made = await ask(tmp_path / "data", "keys-create", {"name": "test", "scope": "read"}, print)
            headers = {"Authorization": f"Bearer {made['secret']}"}
            async with session.get(f"{url}/api/v1/guilds", headers=headers) as response:
                assert [guild["name"] for guild in (await response.json())["guilds"]] == ["Town"]
            path = f"/api/v1/guilds/{place.guild.id}/jobs/events"
            watching = await session.get(url + path, headers=headers)
            assert (await watching.content.readline()) == b"event: jobs\n"
            bot.send_signal(signal.SIGTERM)
            assert await bot.ended() == 0
            await watching.read()  # a stream ends with the bot, and does not hold it up
            assert made["secret"].split("_", 2)[2] not in bot.said


async def test_a_bot_that_still_starts_is_alive_and_not_ready_and_says_why(tmp_path: Path) -> None:
    async with open_sandbox(town().world) as sandbox, aiohttp.ClientSession() as session:
        more = joining(sandbox, CHILD_LOADS="1", AFTERIMAGE_WEB_LISTEN="127.0.0.1:0")
        async with child(tmp_path, "run", **more) as bot:
            await bot.says("loading")
            async with session.get(f"{base_url(bot)}/readyz") as response:
                assert response.status == HTTPStatus.SERVICE_UNAVAILABLE
                checks = (await response.json())["checks"]
            assert checks["gateway"]["reason"].startswith("the bot runs but is not connected to Discord")
            assert checks["model"] == {"ok": False, "reason": "the bot is still starting"}
            async with session.get(f"{base_url(bot)}/api/v1/guilds") as response:
                assert response.status == HTTPStatus.SERVICE_UNAVAILABLE
                assert (await response.json())["error"]["code"] == "starting"


@pytest.mark.usefixtures("reader_processes")
async def test_a_lease_that_another_process_has_or_that_cannot_be_renewed_is_seen(tmp_path: Path) -> None:
    storage, data_dir = tmp_path / "storage", migrated(tmp_path / "data")
    storage.mkdir()
    fleet = FleetSettings(str(storage), "home", lease_s=6.0)
    settings = Settings(data_dir=data_dir, decode=DecodeSettings(workers=1), fleet=fleet)
    operator = Operator(Config(settings=settings), "1", lambda: Beat(serving=True, shards=1))

    def shown() -> dict[str, Check]:
        return {check.name: check for check in operator.checks()}

    async def held() -> float:
        return samples(operator.metrics.render().decode())["afterimage_lease_held", ()]

    async with open_lease(fleet):
        opened = asyncio.Event()

        async def opens() -> None:
            async with open_service(settings, None, Encoder(), waits=operator.waits) as service:
                operator.service = service
                opened.set()
                await until(lambda: "cannot be renewed" in shown()["lease"].reason)
                status = await running_status(service, {}, print)
                assert "lease on home: cannot be renewed" in bot_text(status)
                assert shown()["lease"].ok  # until it ends
                storage_back()
                await until(lambda: not shown()["lease"].reason)
                assert "lease on home: held, and renewed" in bot_text(await running_status(service, {}, print))

        def storage_back() -> None:
            (tmp_path / "away").rename(storage)

        opening = asyncio.create_task(opens())
        await until(lambda: "waiting for the lease on home" in shown()["database"].reason)
        assert "goes on renewing it" in shown()["database"].reason
        assert await held() == 0
    await asyncio.wait({opening, asyncio.create_task(opened.wait())}, return_when=asyncio.FIRST_COMPLETED)
    assert shown()["lease"] == Check("lease", True)
    assert await held() == 1
    storage.rename(tmp_path / "away")
    await opening


async def test_without_an_address_nothing_listens(tmp_path: Path) -> None:
    async with open_sandbox(town().world) as sandbox, child(tmp_path, "run", **joining(sandbox)) as bot:
        await bot.says("connected as")
        sockets = psutil.Process(bot.pid).net_connections("inet")
        assert not [socket for socket in sockets if socket.status == psutil.CONN_LISTEN]
