"""How long the HTTP side takes: search beside indexing and alone, thumbnails, /metrics.

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
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks import crawl_world
from benchmarks.answers_world import Town, fill, town
from benchmarks.http_client import Connection, Timings, at_rate, connections, readers
from benchmarks.http_plain import open_plain
from benchmarks.http_search import Busy, Served, beside_indexing, nothing_else, warm
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
from sandbox.world import File, Guild

_ROWS: Final = 20_000
_INDEXED: Final = 3_000  # pictures of the other server, which is read meanwhile
_READERS: Final = 50
_READ_S: Final = 6.0
_SHOWN: Final = 200  # different thumbnails
_SCRAPES: Final = 40
_START_S: Final = 240.0
_LISTENING: Final = re.compile(r"HTTP at (http://\S+): ")


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
        async with _bot(sandbox, config, [big.guild, busy.guild]) as (pid, url):
            served = Served(pid, url, f"/api/v1/guilds/{big.guild.id}", keys)
            async with connections(url, _READERS) as opened:
                await warm(served, opened)
                await _thumbnails(report, served, opened)
                await _metrics(report, opened[0], "at rest")
                await nothing_else(report, served, opened)
                await beside_indexing(report, served, opened, sandbox, busy)
                await _metrics(report, opened[0], "beside indexing")


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


def _busy(big: Town) -> Busy:
    """A second server in the same world, each of whose messages shows a picture of its own."""
    owner = big.world.user("reader")
    guild = big.world.guild("Busy Town", owner)
    room, talk = guild.channel("room"), guild.channel("talk")
    for number in range(_INDEXED):
        drawn = partial(crawl_world.picture, number)
        room.post(owner, f"picture {number}", files=[File.drawn(f"{number}.jpg", drawn, crawl_world.SIZE)])
    return Busy(guild, owner, talk, _INDEXED)


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
async def _bot(sandbox: Sandbox, config: Path, guilds: Sequence[Guild]) -> AsyncIterator[tuple[int, str]]:
    """The running bot, connected; gives its process and the address of its HTTP side."""
    log = config.with_name("bot.log")
    async with bot_process(config, log, environment(sandbox.token)) as process:
        async with asyncio.timeout(_START_S):
            while not all(sandbox.gateway.connected(guild) for guild in guilds):
                raise_if_ended(process, log)
                await asyncio.sleep(0.05)
            listening = _LISTENING.search(await asyncio.to_thread(log.read_text))
            assert listening is not None, "it listens before it connects"
        yield process.pid, listening[1]


if __name__ == "__main__":
    run("http", __doc__, measure)
