"""`afterimage fleet` with a real Ray of three nodes here, and real bots in it: made, shown, changed, lost, ended."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from sandbox.demo.fleet import write_files
from sandbox.server import Sandbox, open_sandbox
from tests.soak import SOAK
from tests.worlds.child_bot import environment
from tests.worlds.json_schemas import assert_schema
from tests.worlds.ray_nodes import Nodes, open_nodes
from tests.worlds.sharded_town import sharded_town
from tests.worlds.waiting import DEADLINE_S, until

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'afterimage[fleet]'"),
    pytest.mark.xdist_group("ray"),
    pytest.mark.skipif(sys.platform == "win32", reason="Ray kills no node there"),
]


@dataclass
class World:
    """Four servers, two processes of `fleet.toml`, two nodes with cores."""

    sandbox: Sandbox
    nodes: Nodes
    folder: Path
    said: list[str] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "fleet.toml"

    async def give(self, action: str, *options: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "fleet", action, str(self.file), *options),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(),
        )  # fmt: skip
        out, errors = await process.communicate()
        self.said += [out.decode(), errors.decode()]
        return process.returncode or 0, out.decode()

    async def scraped(self) -> str:
        """/metrics of `fleet metrics --listen`, which ends with SIGTERM."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "fleet", "metrics", str(self.file), "--listen", "127.0.0.1:0"),
            stderr=asyncio.subprocess.PIPE, env=environment(),
        )  # fmt: skip
        assert process.stderr is not None
        async with asyncio.timeout(DEADLINE_S):
            while (found := re.search(rb"http://\S+/metrics", await process.stderr.readline())) is None:
                assert process.returncode is None
            async with aiohttp.ClientSession() as http, http.get(found[0].decode()) as answer:
                text = await answer.text()
            process.terminate()
            assert await process.wait() == 0
        return text

    async def rows(self) -> dict[str, Any]:
        _, out = await self.give("status", "--json")
        told = json.loads(out)
        assert_schema("fleet", told)
        return {row["process"]: row for row in told["processes"]}

    async def until(self, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async def seen() -> bool:
            found.append(await self.rows())
            return right(found[-1])

        found: list[dict[str, Any]] = []
        await until(seen)
        return found[-1]


@asynccontextmanager
async def opened() -> AsyncIterator[World]:
    async with open_sandbox(sharded_town(4).world) as sandbox:
        nodes_open = open_nodes(2, cores=2)
        nodes = await asyncio.to_thread(nodes_open.__enter__)
        try:
            folder = nodes.folder / "fleet"
            (folder / "storage").mkdir(parents=True)
            write_files(folder, sandbox, nodes)
            yield World(sandbox, nodes, folder)
        finally:
            await asyncio.to_thread(nodes_open.__exit__, None, None, None)


def bots(folder: Path) -> list[psutil.Process]:
    """The processes of bots of this fleet."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any("bot.child" in word and str(folder) in word for word in words):
            found.append(process)
    return found


def serving(rows: dict[str, Any]) -> bool:
    return all(row["state"] == "serving" for row in rows.values())


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="a minute of a processor: AFTERIMAGE_SOAK=1 runs it")
async def test_a_fleet_from_its_start_over_the_loss_of_a_node_to_its_end() -> None:
    async with opened() as world:
        code, out = await world.give("up")
        assert (code, out.split()) == (0, ["a:", "started", "b:", "started"])
        rows = await world.until(lambda rows: serving(rows) and all(row["pictures"] == 6 for row in rows.values()))
        assert {row["shards"] for row in rows.values()} == {"0-1/4", "2-3/4"}
        assert rows["a"]["node"]["id"] != rows["b"]["node"]["id"], "two processes on one of two free nodes"
        assert (await world.give("up"))[1].count("stays as it is") == 2
        assert len(bots(world.folder)) == 2

        text = await world.scraped()
        assert 'afterimage_fleet_process_up{fleet_process="a"} 1' in text
        assert re.search(r'afterimage_gateway_shards\{fleet_process="b"\} 2', text)

        before = rows["a"]["node"]["id"]
        await asyncio.to_thread(world.nodes.kill, before)
        await asyncio.to_thread(shutil.rmtree, rows["a"]["folder"], ignore_errors=True)
        rows = await world.until(
            lambda rows: serving(rows) and rows["a"]["node"]["id"] != before and rows["a"]["pictures"] == 6
        )
        assert rows["a"]["folder"] != rows["b"]["folder"]

        config = world.folder / "config.toml"
        config.write_text(config.read_text() + "log.level = 'debug'\n")
        rows = await world.rows()
        assert all("is not the file that `fleet up` has read" in row["notes"][0] for row in rows.values())
        assert (await world.give("up"))[1].count("changed") == 2
        await world.until(lambda rows: serving(rows) and not any(row["notes"] for row in rows.values()))

        code, out = await world.give("down")
        assert (code, out.split()) == (0, ["a:", "ended", "b:", "ended"])
        assert not bots(world.folder)
        assert {row["state"] for row in (await world.rows()).values()} == {"missing"}
        assert_no_token(world)


def assert_no_token(world: World) -> None:
    """Neither what the commands said nor a log of Ray's has it; the token's file does, so it is looked for well."""
    secret = world.sandbox.token.encode()
    assert secret in (world.folder / "token").read_bytes()
    assert not [said for said in world.said if world.sandbox.token in said]
    logs = [path for path in world.nodes.folder.rglob("*") if path.is_file() and "session_" in str(path)]
    assert any(b"FleetProcess" in path.read_bytes() for path in logs), "these are not the logs of its actors"
    assert not [path for path in logs if secret in path.read_bytes()]


async def test_without_a_cluster_this_machine_has_a_ray_until_it_is_told_to_end(tmp_path: Path) -> None:
    async with open_sandbox(sharded_town(4).world) as sandbox:
        nowhere = Nodes(None, "", tmp_path / "ray_token", tmp_path)  # type: ignore[arg-type]  # no process: it has no nodes
        (tmp_path / "storage").mkdir()
        write_files(tmp_path, sandbox, nowhere)
        config = tmp_path / "config.toml"
        config.write_text("\n".join(line for line in config.read_text().splitlines() if "ray.address" not in line))
        world = World(sandbox, nowhere, tmp_path)
        up = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ON_OTHER_PORTS.format(up=["fleet", "up", str(world.file)], port=free_port()),
            stderr=asyncio.subprocess.PIPE, env=environment(NODE_DISK="disk"),
        )  # fmt: skip
        assert up.stderr is not None
        async with asyncio.timeout(DEADLINE_S):
            while b"Ctrl-C ends them" not in (line := await up.stderr.readline()):
                assert line, "it ended"
        await until(lambda: all((tmp_path / "disk" / name / "health.json").exists() for name in ("a", "b")))
        assert len(bots(tmp_path)) == 2
        up.terminate()
        async with asyncio.timeout(DEADLINE_S):
            await up.communicate()
        assert up.returncode == 0
        assert not bots(tmp_path)


# Where a fleet's own Ray listens is fixed; here other tests may have one.
ON_OTHER_PORTS = """
import sys
from bot import cli
from bot.command_line import fleet
fleet.PORT, fleet.CLIENT_PORT = {port}, {port} + 1
sys.exit(cli.main({up}))
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
