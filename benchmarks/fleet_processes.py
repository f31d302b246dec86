"""A node of a fleet dies just after a member was told "done": when its process serves elsewhere, and what it knows.

Two real bots with the demo's model on three nodes of a Ray here; the dead node's disk is gone with it. The storage is a
folder. Part of `make bench-fleet`; `python -m benchmarks.fleet_processes` measures it alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import Report
from sandbox.demo.fleet import write_files
from sandbox.server import open_sandbox
from sandbox.world import User
from tests.worlds.ray_nodes import Nodes, open_nodes
from tests.worlds.running_bot import noise
from tests.worlds.sharded_town import ShardedTown, sharded_town

ROUNDS = 3
AUTHORS = ROUNDS  # one is forgotten in each round
PICTURES = 10  # of each author, in the server of shard 0
_LONGEST_S = 180.0
_LATER_S = 5.0  # within which pictures of somebody who was to be forgotten would be back from Discord
_ROOT = Path(__file__).resolve().parents[1]

Rows = dict[str, dict[str, Any]]


async def give(folder: Path, action: str, *options: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "fleet", action, str(folder / "fleet.toml"), *options),
        stdout=asyncio.subprocess.PIPE, cwd=_ROOT, env=kept,
    )  # fmt: skip
    out, _ = await process.communicate()
    return out.decode()


async def until(folder: Path, right: Callable[[Rows], bool]) -> Rows:
    async with asyncio.timeout(_LONGEST_S):
        while True:
            told = json.loads(await give(folder, "status", "--json"))
            rows = {row["process"]: row for row in told["processes"]}
            if right(rows):
                return rows
            await asyncio.sleep(0.1)


def serves(row: Mapping[str, Any], pictures: int) -> bool:
    return row["state"] == "serving" and row["pictures"] == pictures and not row["pending"]


def posted(town: ShardedTown) -> list[User]:
    """More pictures in the server of shard 0, by members who will want to be forgotten."""
    people = [town.world.user(f"author{at}") for at in range(AUTHORS)]
    for at, person in enumerate(people):
        town.guilds[0].join(person)
        for number in range(PICTURES):
            town.channels[0].post(person, f"{number}", files=[noise(1000 + at * PICTURES + number)])
    return people


async def measure_processes(report: Report) -> None:
    town = sharded_town(4)
    people = posted(town)
    numbers = random.Random(7)
    async with open_sandbox(town.world) as sandbox:
        opening = open_nodes(3)
        nodes = await asyncio.to_thread(opening.__enter__)
        try:
            folder = nodes.folder / "fleet"
            (folder / "storage").mkdir(parents=True)
            write_files(folder, sandbox, nodes)
            await give(folder, "up")
            pictures = 2 * 3 + AUTHORS * PICTURES  # of shards 0 and 1
            rows = await until(folder, lambda rows: serves(rows["a"], pictures) and serves(rows["b"], 6))
            spans, kept = [], 0
            for person in people:
                member = sandbox.member(town.guilds[0].members[person.id])
                asked = await member.slash(town.channels[0].id, "privacy")
                sure = await member.press(asked, "Forget me in this server")
                await member.press(sure, "Yes, forget me")
                await asyncio.sleep(numbers.uniform(0.0, 2.0))
                spans.append(await _kill(nodes, folder, rows["a"], pictures := pictures - PICTURES))
                await asyncio.sleep(_LATER_S)
                rows = await until(folder, lambda rows: rows["a"]["state"] == "serving")
                kept += rows["a"]["pictures"] == pictures
                await asyncio.to_thread(nodes.add)
            await give(folder, "down")
        finally:
            await asyncio.to_thread(opening.__exit__, None, None, None)
    report.row("a shard's node killed: seen by Ray after, median", statistics.median(seen for seen, _ in spans), "s")
    slowest = max(served for _, served in spans)
    report.row("serving elsewhere and caught up, from there, slowest", slowest, "s", "≤ 60 s", slowest <= 60)
    report.row("promises lost", ROUNDS - kept, f"of {ROUNDS}", "0", kept == ROUNDS)


async def _kill(nodes: Nodes, folder: Path, row: Mapping[str, Any], pictures: int) -> tuple[float, float]:
    """Seconds from the kill until Ray sees it, and from there until the process serves elsewhere with all but what was
    forgotten."""
    node = row["node"]["id"]
    command = (sys.executable, "-m", "benchmarks.fleet_watch", nodes.address, str(nodes.token_file), node)
    watcher = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=_ROOT)
    assert watcher.stdout is not None
    await _says(watcher.stdout, "watching")
    began_s = time.perf_counter()
    await asyncio.to_thread(nodes.kill, node)
    await asyncio.to_thread(shutil.rmtree, row["folder"], ignore_errors=True)
    await _says(watcher.stdout, "dead")
    seen_s = time.perf_counter()
    await watcher.wait()
    await until(folder, lambda rows: serves(rows["a"], pictures) and rows["a"]["node"]["id"] != node)
    return seen_s - began_s, time.perf_counter() - seen_s


async def _says(watcher: asyncio.StreamReader, word: str) -> None:
    """Ray prints lines of its own there."""
    while (line := await watcher.readline()).decode().strip() != word:
        assert line, "the watcher has ended"


def main() -> None:
    report = Report("fleet")
    asyncio.run(measure_processes(report))
    report.finish_part()


if __name__ == "__main__":
    main()
