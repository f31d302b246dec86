"""What the bot takes while nobody asks, and how soon it is there: with 100,000 pictures, all processes counted.

The bot is a process of its own, as an admin starts it; Discord is the sandbox, in the benchmark's process. The model
has ViT-B-32-256's shape and random weights. The page cache is warm.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Final

import psutil

from benchmarks.answers_world import Town, fill, picture, town
from benchmarks.process_memory import memory_mb
from benchmarks.random_model import MODEL, random_checkpoint
from benchmarks.report import Report, run
from bot.command_line.asking import answer_once
from bot.config.loader import load
from indexer.database.database import FILE_NAME, open_database
from indexer.encode.encoder import open_encoder
from indexer.encode.process import WORKER
from indexer.settings import ModelSettings
from indexer.store import embeddings
from indexer.upkeep import MAINTAIN_S
from indexer.vectors.index import REST_S
from sandbox.demo.bot import as_toml, bot_process, environment, raise_if_ended
from sandbox.server import Sandbox, open_sandbox
from sandbox.world import File

_ROWS: Final = 100_000
_IDLE_S: Final = 8.0  # after which the model goes
_REST_S: Final = REST_S + MAINTAIN_S + 5.0  # after which the index has given its memory back
_QUESTIONS: Final = 100
_ROUNDS: Final = 3
_LONGEST_S: Final = 240.0


async def measure(report: Report, folder: Path) -> None:
    """Adds the rows of this file to the report. Writes into `folder`."""
    big = await asyncio.to_thread(town, _ROWS)
    checkpoint = await asyncio.to_thread(random_checkpoint, folder)
    data_dir = folder / "data"
    settings = ModelSettings(MODEL, str(checkpoint), device="cpu", export_dir=data_dir / "models")
    async with open_sandbox(big.world) as sandbox:
        config = folder / "config.toml"
        await asyncio.to_thread(config.write_text, _config(sandbox, data_dir, checkpoint))
        async with (
            open_encoder(settings, data_dir=data_dir) as encoder,
            open_database(data_dir) as db,
            db.transaction() as tx,
        ):
            await fill(tx, big, sandbox, await embeddings.model_id(tx, encoder.spec))
        async with _bot(sandbox, big, config) as (_, _, pid):  # makes the index
            await _question(sandbox, big, 0)
            await _until_covered(data_dir / FILE_NAME)
            await _until_model_gone(pid)
            await asyncio.sleep(_REST_S)
            report.row("at rest, model gone, of the bot that has made the index (PSS)", memory_mb(pid), "MB")
        starts = []
        async with _bot(sandbox, big, config) as (connected_s, answered_s, pid):
            starts.append((connected_s, answered_s))
            await _at_rest(report, sandbox, big, config, pid)
        for _ in range(_ROUNDS - 1):
            async with _bot(sandbox, big, config) as (connected_s, answered_s, _):
                starts.append((connected_s, answered_s))
        connected_s, answered_s = (statistics.median(times) for times in zip(*starts, strict=True))
        report.row("start → connected to the gateway", connected_s, "s", "≤ 2", connected_s <= 2)
        report.row("start → /stats answered", answered_s, "s")
    alone_s = statistics.median([await _searched_s(config, number) for number in range(_ROUNDS)])
    report.row("afterimage search, no bot running", alone_s, "s", "≤ 1.0", alone_s <= 1.0)


async def _at_rest(report: Report, sandbox: Sandbox, big: Town, config: Path, pid: int) -> None:
    """Rows for a bot that runs: at rest, asked while its model is gone, asked from the command line."""
    for number in range(_QUESTIONS):
        await _question(sandbox, big, number)
    await _until_model_gone(pid)
    await asyncio.sleep(_REST_S)
    rest_mb = memory_mb(pid)
    report.row(f"at rest, model gone, after {_QUESTIONS} questions (PSS)", rest_mb, "MB", "≤ 150", rest_mb <= 150)
    for what, goal_s, with_picture in (("words", 1.0, False), ("a picture", 1.2, True)):
        took = []
        for number in range(_ROUNDS):
            await _until_model_gone(pid)
            took.append(await _question(sandbox, big, 1000 + number, with_picture=with_picture) / 1e3)
        cold_s = statistics.median(took)
        report.row(f"/similar with {what} to a bot whose model has gone", cold_s, "s", f"≤ {goal_s}", cold_s <= goal_s)
    await _question(sandbox, big, 2000)
    report.row("the same with the model there: all processes (PSS)", memory_mb(pid), "MB")
    asked = [await _asked_ms(config, 3000 + number) for number in range(_QUESTIONS)]
    p95 = statistics.quantiles(asked, n=20)[-1]
    report.row("a search handed to the running bot, p50", statistics.median(asked), "ms")
    report.row("a search handed to the running bot, p95", p95, "ms", "≤ 100", p95 <= 100)
    beside_s = statistics.median([await _searched_s(config, 100 + number) for number in range(_ROUNDS)])
    report.row("afterimage search, beside the running bot", beside_s, "s", "≤ 0.3", beside_s <= 0.3)


def _config(sandbox: Sandbox, data_dir: Path, checkpoint: Path) -> str:
    values = {
        "data_dir": str(data_dir),
        "discord.api_base": sandbox.api_base,
        "fetch.insecure_hosts": [sandbox.cdn_host],
        "crawl.start": "manual",
        "model.name": MODEL,
        "model.pretrained": str(checkpoint),
        "model.device": "cpu",
        "model.idle_s": _IDLE_S,
        "limits.per_minute": 6000.0,
        "limits.burst": 1000,
    }
    return as_toml(values)


@asynccontextmanager
async def _bot(sandbox: Sandbox, big: Town, config: Path) -> AsyncIterator[tuple[float, float, int]]:
    """Seconds until the gateway had it, seconds until /stats was answered, and its process id."""
    start = time.perf_counter()
    log = config.with_name("bot.log")
    async with bot_process(config, log, environment(sandbox.token)) as process:
        async with asyncio.timeout(_LONGEST_S):
            while not sandbox.gateway.connected(big.guild):
                raise_if_ended(process, log)
                await asyncio.sleep(0.01)
            connected_s = time.perf_counter() - start
            await sandbox.member(big.member).slash(big.talk.id, "stats")
            answered_s = time.perf_counter() - start
        yield connected_s, answered_s, process.pid


async def _question(sandbox: Sandbox, big: Town, number: int, *, with_picture: bool = False) -> float:
    """Milliseconds from the interaction to its hits; what says that the model wakes up comes before them."""
    options: dict[str, object] = {"text": f"w{number} w{number % 7} min:-1"}
    if with_picture:
        asked = File.of("asked.jpg", await asyncio.to_thread(picture, number))
        options = {"image": asked, "text": "min:-1"}
    start = time.perf_counter()
    reply = await sandbox.member(big.member).slash(big.talk.id, "similar", options, timeout_s=_LONGEST_S)
    async with asyncio.timeout(_LONGEST_S):
        while not reply.sections():  # noqa: ASYNC110 -- the sandbox tells nobody of an edit
            await asyncio.sleep(0.005)
    return (time.perf_counter() - start) * 1e3


async def _until_covered(database: Path) -> None:
    """Waits until the segments hold every picture: what is waited for is committed last."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        async with asyncio.timeout(_LONGEST_S):
            while connection.execute("SELECT 1 FROM coverage").fetchone() is None:  # noqa: ASYNC110 -- the bot, another process, tells nobody of it
                await asyncio.sleep(0.2)


async def _until_model_gone(pid: int) -> None:
    """Waits until none of the bot's processes is the model's."""
    async with asyncio.timeout(_LONGEST_S):
        while await asyncio.to_thread(_model_runs, pid):  # noqa: ASYNC110 -- processes tell nobody when they end
            await asyncio.sleep(0.2)


def _model_runs(pid: int) -> bool:
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # one that has just ended has no command line any more
            if any(WORKER in part for part in child.cmdline()):
                return True
    return False


async def _asked_ms(config: Path, number: int) -> float:
    """Milliseconds of what `afterimage search` does when it has started, beside the running bot."""
    values: dict[str, object] = {
        "words": f"w{number} w{number % 7}",
        "guild": None,
        "count": 10,
        "files": [],
        "links": [],
    }
    loaded = load(config, {})
    start = time.perf_counter()
    await answer_once(loaded, "search", {**values, "pictures": False}, lambda _: None)
    return (time.perf_counter() - start) * 1e3


async def _searched_s(config: Path, number: int) -> float:
    """Seconds of `afterimage search`, from its start to its end."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AFTERIMAGE_")}
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "search", "--config", str(config), f"w{number} w{number % 7}", "--json",
        stdout=asyncio.subprocess.DEVNULL, env=environ,
    )  # fmt: skip
    assert await asyncio.wait_for(process.wait(), _LONGEST_S) == 0
    return time.perf_counter() - start


if __name__ == "__main__":
    run("footprint", __doc__, measure)
