"""`python -m sandbox.demo.fleet`: the demo over 4 shards in two processes on two nodes of a Ray, of which one dies.

Exit 0 only if every step was right: both processes serve, the node's death is seen, its process serves elsewhere, and
every question is answered as in the demo.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from sandbox.demo.asking import ask_all
from sandbox.demo.bot import as_toml
from sandbox.demo.fleet_world import SHARDS, SmallGuild, fleet_world, shard_of
from sandbox.demo.hits import hits
from sandbox.demo.world import DemoWorld
from sandbox.model import CONFIG, EXPORT, NAME, RESIZE_MODE, WEIGHTS
from sandbox.ray_nodes import DISK, RayNodes, open_ray_nodes
from sandbox.server import Sandbox, open_sandbox

ROOT: Final = Path(__file__).resolve().parents[2]
PROCESSES: Final = {"a": range(2), "b": range(2, 4)}
_STEP_S: Final = 120.0
_LOOK_S: Final = 1.0


class Failed(Exception):
    """A step was not right. The message says which, and what was seen."""


class Demo:
    """The steps, each with a line on the console."""

    def __init__(self, sandbox: Sandbox, nodes: RayNodes, folder: Path, console: Console) -> None:
        self._sandbox, self._nodes, self._folder, self._console = sandbox, nodes, folder, console

    async def run(self, demo: DemoWorld, small: Sequence[SmallGuild]) -> bool:
        await self._command("up")
        rows = await self._until("both processes serve, on two nodes", self._on_two_nodes)
        lost = next(name for name, shards in PROCESSES.items() if shard_of(demo.guild) in shards)
        node = str(rows[lost]["node"]["id"])
        await self._until("the demo's server is being indexed", lambda rows: rows[lost]["pictures"] >= 20)
        gone_s = time.monotonic()
        await asyncio.to_thread(self._nodes.kill, node)
        await asyncio.to_thread(shutil.rmtree, rows[lost]["folder"])
        self._right(f"the node of process {lost} is killed while it indexes, and its disk is gone")
        await self._until(f"process {lost} serves on the other node", lambda rows: self._elsewhere(rows[lost], node))
        self._console.print(f"  {time.monotonic() - gone_s:.0f} s after the node's death", style="dim")
        await self._until("all servers are indexed", self._indexed)
        well = await self._ask(demo, small)
        await self._command("down")
        self._right("`afterimage fleet down` has ended both")
        return well

    async def _ask(self, demo: DemoWorld, small: Sequence[SmallGuild]) -> bool:
        _, right, asked, well = await ask_all(self._sandbox, demo, self._console)
        for village in small:
            person = self._sandbox.member(village.member)
            reply = await person.slash(village.channel.id, "similar", {"text": village.words})
            found = hits(reply, demo)
            first = bool(found) and found[0].jump.message_id == village.expected.id
            asked, right, well = asked + 1, right + first, well and first
            sign, style = ("✓", "green") if first else ("✗", "red")
            self._console.print(
                f'{village.guild.name}, shard {shard_of(village.guild)}: "{village.words}"', style="bold"
            )
            self._console.print(f"  {sign} the message came first ({reply.reply_ms:.0f} ms)", style=style)
        self._console.print(f"\ndemo-fleet: {right}/{asked} queries found their message")
        return well

    def _on_two_nodes(self, rows: Mapping[str, Any]) -> bool:
        return len(rows) == len(PROCESSES) == len({row["node"]["id"] for row in rows.values() if _serves(row)})

    def _elsewhere(self, row: Mapping[str, Any], node: str) -> bool:
        return _serves(row) and row["node"]["id"] != node

    async def _indexed(self, rows: Mapping[str, Any]) -> bool:
        """By the metrics of all processes: each server's history is read, and nothing waits."""
        text = await self._command("metrics")
        read = re.findall(r"^afterimage_history_read_ratio\{.*\} (\S+)$", text, re.MULTILINE)
        pending = re.findall(r"^afterimage_pending_places\{.*\} (\S+)$", text, re.MULTILINE)
        working = re.findall(r"^afterimage_jobs\{.*state=\"running\".*\} (\S+)$", text, re.MULTILINE)
        left = sum(map(float, [*pending, *working]))
        return len(read) == SHARDS and all(float(share) == 1.0 for share in read) and not left

    async def _until(self, what: str, right: Any) -> dict[str, Any]:
        """Looks at `fleet status --json` until it is right. Returns its rows by process."""
        deadline_s = time.monotonic() + _STEP_S
        while True:
            rows = {row["process"]: row for row in json.loads(await self._command("status", "--json"))["processes"]}
            found = right(rows)
            if await found if asyncio.iscoroutine(found) else found:
                self._right(what)
                return rows
            if time.monotonic() > deadline_s:
                raise Failed(f"{what}: not within {_STEP_S:.0f} s\n{await self._command('status')}")
            await asyncio.sleep(_LOOK_S)

    async def _command(self, action: str, *options: str) -> str:
        """`afterimage fleet ACTION`; what it prints. Raises Failed where it cannot be done."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "fleet", action, str(self._folder / "fleet.toml"), *options),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT, env=kept,
        )  # fmt: skip
        out, errors = await process.communicate()
        if process.returncode and not (action == "status" and out):  # 1 also says that a process does not serve
            raise Failed(f"afterimage fleet {action}: {errors.decode().strip()}")
        return out.decode()

    def _right(self, what: str) -> None:
        self._console.print(f"✓ {what}", style="green")


def _serves(row: Mapping[str, Any]) -> bool:
    return bool(row["state"] == "serving")


def write_files(folder: Path, sandbox: Sandbox, nodes: RayNodes) -> None:
    """config.toml, fleet.toml and the token. Each node has its data on its own disk."""
    token = folder / "token"
    token.touch(0o600)
    token.write_text(sandbox.token)
    values = {
        "discord.api_base": sandbox.api_base,
        "discord.token_file": str(token),
        "fetch.insecure_hosts": [sandbox.cdn_host],
        "ray.address": nodes.address,
        "ray.token_file": str(nodes.token_file),
        "crawl.start": "auto",
        "model.name": NAME,
        "model.pretrained": str(WEIGHTS),
        "model.folder": str(EXPORT),
        "model.config_file": str(CONFIG),
        "model.resize_mode": RESIZE_MODE,
        "limits.per_minute": 600.0,
        "limits.burst": 100,
    }
    (folder / "config.toml").write_text(as_toml(values))
    fleet = as_toml({"config": "config.toml", "storage": str(folder / "storage"), "shards": SHARDS})
    for name, shards in PROCESSES.items():
        process = {"name": name, "shards": f"{shards[0]}-{shards[-1]}", "folder": f"${DISK}/{name}"}
        fleet += "[[process]]\n" + as_toml(process)
    (folder / "fleet.toml").write_text(fleet)


async def run(console: Console) -> bool:
    """The whole demo; True if everything was right. Raises Failed where a step was not."""
    started_s = time.monotonic()
    demo, small = await asyncio.to_thread(fleet_world)
    async with open_sandbox(demo.world) as sandbox:
        console.print(f"{len(demo.world.guilds)} servers on {SHARDS} shards; starting a Ray of three nodes …")
        with open_ray_nodes(2, cores=2) as nodes:
            folder = nodes.folder / "fleet"
            (folder / "storage").mkdir(parents=True)
            write_files(folder, sandbox, nodes)
            well = await Demo(sandbox, nodes, folder, console).run(demo, small)
    console.print(f"{time.monotonic() - started_s:.0f} s in all")
    return well


def main() -> int:
    """Returns the exit code. SIGTERM ends it as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False, soft_wrap=True)
    try:
        return 0 if asyncio.run(run(console)) else 1
    except Failed as error:
        console.print(f"✗ {error}", markup=False, style="red")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
