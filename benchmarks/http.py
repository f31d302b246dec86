"""How long the HTTP side takes: search at 20 requests a second beside indexing, thumbnails, /metrics.

The bot is a process of its own, as an admin starts it, with 20,000 pictures; it answers over a real socket. Discord is
the sandbox, in the process of the benchmark, where those who ask live too: what they take is taken from the bot's two
cores. The model has ViT-B-32-256's shape and random weights.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from benchmarks import crawl_world
from benchmarks.answers_world import VOCABULARY, Town, fill, town
from benchmarks.http_client import Connection, Timings, at_rate, connections, readers
from benchmarks.http_plain import open_plain
from benchmarks.random_model import MODEL, random_checkpoint
from benchmarks.report import Report, run
from indexer.api_keys import ApiKeys
from indexer.database.database import open_database
from indexer.encode.encoder import open_encoder
from indexer.records.api_keys import KeyScope
from indexer.settings import ModelSettings
from indexer.store import embeddings
from sandbox.demo.bot import as_toml, bot_process, environment, raise_if_ended
from sandbox.server import Sandbox, open_sandbox
from sandbox.world import Channel, File, Guild, User

_ROWS: Final = 20_000
_INDEXED: Final = 3_000  # pictures of the other server, which is read meanwhile
_PER_S: Final = 20.0
_SEARCHES: Final = 400
_READERS: Final = 50
_READ_S: Final = 6.0
_SHOWN: Final = 200  # different thumbnails
_SCRAPES: Final = 40
_WARM: Final = 40
_START_S: Final = 240.0
_LISTENING: Final = re.compile(r"HTTP at (http://\S+): ")


@dataclass
class Busy:
    """A server that waits to be read."""

    guild: Guild
    owner: User
    talk: Channel


@dataclass
class Served:
    """The bot's address, and what its readers ask with. Words are asked once, so that no answer is remembered."""

    url: str
    guild: str
    keys: Sequence[str]
    number: int = 0

    def questions(self, count: int) -> list[tuple[str, str]]:
        rng = np.random.default_rng(7 + self.number)
        asked = []
        for _ in range(count):
            self.number += 1
            words = " ".join(f"w{min(int(rng.zipf(1.3)), VOCABULARY - 1)}" for _ in range(3))
            q = quote(f"{words} w{self.number} min:-1")
            asked.append((f"{self.guild}/search?per_page=20&q={q}", self.keys[self.number % len(self.keys)]))
        return asked


async def measure(report: Report, folder: Path) -> None:
    """Adds the rows of this file to the report. Writes into `folder`."""
    big = await asyncio.to_thread(town, _ROWS)
    busy = _busy(big)
    checkpoint = await asyncio.to_thread(random_checkpoint, folder)
    data_dir = folder / "data"
    settings = ModelSettings(MODEL, str(checkpoint), device="cpu", export_dir=data_dir / "models")
    async with open_sandbox(big.world) as sandbox:
        config = folder / "config.toml"
        await asyncio.to_thread(config.write_text, _config(sandbox, data_dir, checkpoint))
        async with open_encoder(settings, data_dir=data_dir) as encoder, open_database(data_dir) as db:
            async with db.transaction() as tx:
                await fill(tx, big, sandbox, await embeddings.model_id(tx, encoder.spec))
            keys = [(await ApiKeys(db).create(f"reader {at}", KeyScope.READ))[1] for at in range(4)]
        async with _bot(sandbox, config, [big.guild, busy.guild]) as url:
            served = Served(url, f"/api/v1/guilds/{big.guild.id}", keys)
            async with connections(url, _READERS) as opened:
                await at_rate(opened, served.questions(_WARM), 4.0)
                await _thumbnails(report, served, opened)
                await _metrics(report, opened[0], "at rest")
                idle = await at_rate(opened, served.questions(_SEARCHES // 2), _PER_S)
                report.row("search at 20 requests/s, nothing else running: p50", idle.percentile(50), "ms")
                report.row("search at 20 requests/s, nothing else running: p95", idle.percentile(95), "ms")
                await _again(report, served, opened)
                await _beside_indexing(report, served, opened, sandbox, busy)


async def _beside_indexing(
    report: Report, served: Served, opened: Sequence[Connection], sandbox: Sandbox, busy: Busy
) -> None:
    jobs = f"/api/v1/guilds/{busy.guild.id}/jobs"
    await sandbox.member(busy.owner, busy.guild).slash(busy.talk.id, "reindex start")
    async with asyncio.timeout(_START_S):
        while not (before := await _job(opened[0], jobs, served))["places_done"]:  # noqa: ASYNC110 -- only asking again tells whether it has begun
            await asyncio.sleep(0.2)
    found = await at_rate(opened, served.questions(_SEARCHES), _PER_S)
    after = await _job(opened[0], jobs, served)
    if after["places_done"] >= _INDEXED:
        raise RuntimeError("indexing ended before the questions did: give the other server more pictures")
    indexed = (after["places_done"] - before["places_done"]) / found.seconds
    report.row("pictures indexed meanwhile", indexed, "pictures/s")
    p95 = found.percentile(95)
    report.row("search at 20 requests/s beside indexing: p50", found.percentile(50), "ms")
    report.row("search at 20 requests/s beside indexing: p95", p95, "ms", "≤ 150", p95 <= 150)
    await _metrics(report, opened[0], "beside indexing")


async def _again(report: Report, served: Served, opened: Sequence[Connection]) -> None:
    """The same questions of the same keys, each of which was answered a moment ago."""
    questions = served.questions(int(_PER_S) * 4)
    first = await at_rate(opened, questions, _PER_S)
    again = await at_rate(opened, questions, _PER_S)
    report.row("the same questions again: p95", again.percentile(95), "ms")
    report.row("the same questions again", first.percentile(50) / again.percentile(50), "× faster")


async def _thumbnails(report: Report, served: Served, opened: Sequence[Connection]) -> None:
    found: list[dict[str, Any]] = []
    for page in range(1, _SHOWN // 50 + 1):
        answer = await opened[0].get(f"{served.guild}/search?per_page=50&page={page}", served.keys[0])
        found += json.loads(answer.body)["hits"]
    key = served.keys[1]  # one key, as the console's page has
    asked = [(hit["thumbnail"], key, "") for hit in found]
    made = await _once(opened[:8], asked)
    report.row("thumbnails made anew, picture fetched from Discord", made.per_s, "thumbnails/s")
    shown = await opened[0].get(asked[0][0], key)
    kept = await readers(opened, asked, _READ_S)
    report.row(f"thumbnails under {_READERS} readers", kept.per_s, "thumbnails/s", "≥ 1,000", kept.per_s >= 1000)
    p95 = kept.percentile(95)
    report.row(f"thumbnails under {_READERS} readers: p95", p95, "ms", "≤ 100", p95 <= 100)
    unchanged = await readers(opened, [(asked[0][0], key, shown.tag)], _READ_S)
    report.row(f"thumbnails that a browser has (304) under {_READERS} readers", unchanged.per_s, "answers/s")
    async with open_plain(len(shown.body)) as url, connections(url, _READERS) as plain:
        peer = await readers(plain, [("/thumbnail", "", "")], _READ_S)
    report.row(f"plain aiohttp, the same {len(shown.body):,} bytes, no key, no check", peer.per_s, "answers/s")
    report.row("thumbnails against plain aiohttp", kept.per_s / peer.per_s, "×")


async def _once(opened: Sequence[Connection], asked: Sequence[tuple[str, str, str]]) -> Timings:
    """Each of `asked` one time."""
    return await at_rate(opened, [(path, key) for path, key, _ in asked], 1e6)


async def _metrics(report: Report, connection: Connection, when: str) -> None:
    timings = await at_rate([connection], [("/metrics", "")] * _SCRAPES, 10.0)
    p95 = timings.percentile(95)
    report.row(f"/metrics {when}: p95", p95, "ms", "≤ 20", p95 <= 20)


async def _job(connection: Connection, path: str, served: Served) -> dict[str, Any]:
    """How far the newest job is."""
    found = json.loads((await connection.get(path, served.keys[0])).body)["jobs"]
    progress = found[0]["progress"] if found else None
    return progress or {"places_done": 0}


def _busy(big: Town) -> Busy:
    """A second server in the same world, each of whose messages shows a picture of its own."""
    owner = big.world.user("reader")
    guild = big.world.guild("Busy Town", owner)
    room, talk = guild.channel("room"), guild.channel("talk")
    for number in range(_INDEXED):
        drawn = partial(crawl_world.picture, number)
        room.post(owner, f"picture {number}", files=[File.drawn(f"{number}.jpg", drawn, crawl_world.SIZE)])
    return Busy(guild, owner, talk)


def _config(sandbox: Sandbox, data_dir: Path, checkpoint: Path) -> str:
    values = {
        "data_dir": str(data_dir),
        "discord.api_base": sandbox.api_base,
        "fetch.insecure_hosts": [sandbox.cdn_host],
        "crawl.start": "manual",
        "model.name": MODEL,
        "model.pretrained": str(checkpoint),
        "model.device": "cpu",
        "web.listen": "127.0.0.1:0",
    }
    return as_toml(values)


@asynccontextmanager
async def _bot(sandbox: Sandbox, config: Path, guilds: Sequence[Guild]) -> AsyncIterator[str]:
    """The running bot, connected; gives the address of its HTTP side."""
    log = config.with_name("bot.log")
    async with bot_process(config, log, environment(sandbox.token)) as process:
        async with asyncio.timeout(_START_S):
            while not all(sandbox.gateway.connected(guild) for guild in guilds):
                raise_if_ended(process, log)
                await asyncio.sleep(0.05)
            listening = _LISTENING.search(await asyncio.to_thread(log.read_text))
            assert listening is not None, "it listens before it connects"
        yield listening[1]


if __name__ == "__main__":
    run("http", __doc__, measure)
