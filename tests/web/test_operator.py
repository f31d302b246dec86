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

from bot.control.client import ask
from sandbox.server import open_sandbox
from tests.web.test_metrics import samples
from tests.worlds.child_bot import Child, child, joining
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
            bot.process.send_signal(signal.SIGTERM)
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


async def test_without_an_address_nothing_listens(tmp_path: Path) -> None:
    async with open_sandbox(town().world) as sandbox, child(tmp_path, "run", **joining(sandbox)) as bot:
        await bot.says("connected as")
        sockets = psutil.Process(bot.process.pid).net_connections("inet")
        assert not [socket for socket in sockets if socket.status == psutil.CONN_LISTEN]
