"""Crawl and pipeline: does the network hold the model back, and indexing the members? `python -m benchmarks.crawl`.

The model has ViT-B-32-256's shape and random weights. Ratios are of one run; AFTERIMAGE_BENCH_QUICK=1 takes a tenth of
everything, to try the benchmark itself.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import numpy as np
import open_clip
import psutil
import torch
from safetensors.torch import save_file

from benchmarks.crawl_search import search_against_paging
from benchmarks.crawl_world import GUILD, PICTURES, ComputedHistory, FromMemory, open_cdn, picture
from benchmarks.report import Report
from indexer.crawl.histories import Histories
from indexer.encode.encoder import open_encoder
from indexer.ingest.pipeline import Pipeline
from indexer.ports import Encoder, History, Priority
from indexer.progress import Progress, State
from indexer.query.query import Query
from indexer.records.hits import Filter
from indexer.records.ids import ChannelId, UserId
from indexer.records.messages import Guild
from indexer.records.pictures import ModelSpec, Pixels, PixelSpec, Vectors
from indexer.service import Service, open_service
from indexer.settings import CrawlSettings, FetchSettings, ModelSettings, Settings
from indexer.store import guilds
from tests.loop_guard import LoopGuard

QUICK: Final = os.environ.get("AFTERIMAGE_BENCH_QUICK") == "1"
MODEL: Final = "ViT-B-32-256"
CHANNELS: Final = 10
ROUNDS: Final = 3
BLOCK_S: Final = 0.010  # blocks shorter than this are not looked at


def _scaled(count: int) -> int:
    return count // 10 if QUICK else count


class LightEncoder:
    """A model that costs nothing, where something else than the model is measured."""

    spec = ModelSpec("light", "none", 64, "00")
    pixel_spec = PixelSpec(256)
    awake = True

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        flat = np.stack([frame[::32, ::32].reshape(-1)[:64] for frame in frames]).astype(np.float32) + 1.0
        return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True), np.float32)

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        return np.full((len(texts), 64), 1 / 8, np.float32)


@asynccontextmanager
async def _open(
    folder: Path, history: History, encoder: Encoder, host: str = "", **crawl: str
) -> AsyncIterator[Service]:
    settings = Settings(
        data_dir=folder,
        fetch=FetchSettings(insecure_hosts=(host,) if host else ()),
        crawl=CrawlSettings(messages=crawl.get("messages", "pictures")),
    )
    async with open_service(settings, history, encoder) as service:
        async with service.db.transaction() as tx:
            await guilds.upsert(tx, Guild(GUILD, "Bench"))
            await guilds.set_consent(tx, GUILD, True)
        yield service


def _checkpoint(folder: Path) -> Path:
    torch.manual_seed(0)
    path = folder / f"{MODEL}.safetensors"
    save_file(open_clip.create_model(MODEL).state_dict(), path)
    return path


async def _timed(running: asyncio.Task[Progress]) -> tuple[float, Progress]:
    start = time.perf_counter()
    progress = await running
    assert progress.state is State.DONE, progress.reason
    return time.perf_counter() - start, progress


async def _pictures(report: Report, folder: Path, encoder: Encoder, host: str) -> None:
    """Pictures a second over the network, from memory, and the model alone."""
    each = _scaled(600) // CHANNELS
    history = ComputedHistory(CHANNELS, each, 1, host)
    numbers = range(each, each * (CHANNELS + 1))
    files = await asyncio.to_thread(lambda: {f"{number}.jpg": picture(number) for number in numbers})
    speeds: dict[str, list[float]] = {"network": [], "memory": []}
    for turn in range(1 if QUICK else 2):  # in turns, so that a machine that tires is unfair to neither
        async with _open(folder / f"network{turn}", history, encoder, host) as service:
            taken, progress = await _timed(asyncio.create_task(service.pipeline.run_guild(GUILD)))
            speeds["network"].append(progress.places_done / taken)
        async with (
            _open(folder / f"memory{turn}", history, encoder, host) as service,
            Pipeline(
                service.db,
                Histories(service.db, history),
                FromMemory(files),
                service.decoder,
                encoder,
                service.model_id,
                service.settings,
                service.faults,
            ) as pipeline,
        ):
            taken, progress = await _timed(asyncio.create_task(pipeline.run_guild(GUILD)))
            speeds["memory"].append(progress.places_done / taken)
    frames = [np.zeros((256, 256, 3), np.uint8)] * 8
    start = time.perf_counter()
    for _ in range(12):
        await encoder.encode_pixels(frames)
    alone = 96 / (time.perf_counter() - start)
    network, memory = max(speeds["network"]), max(speeds["memory"])
    report.row("pictures, end to end from a local CDN", network, "pictures/s")
    report.row("the same pictures, their files in memory", memory, "pictures/s")
    report.row("network against memory", network / memory, "×", "≥ 0.9", network / memory >= 0.9)
    report.row("the model alone, pixels in memory", alone, "pictures/s")


async def _rerun(report: Report, folder: Path, host: str) -> None:
    """A second run of an unchanged guild."""
    history = ComputedHistory(CHANNELS, _scaled(2000) // CHANNELS, 4, host)
    async with _open(folder / "rerun", history, LightEncoder(), host) as service:
        await service.pipeline.run_guild(GUILD)
        first = history.pages
        counting = _Counting(service)
        async with Pipeline(
            service.db,
            Histories(service.db, history),
            counting,
            service.decoder,
            counting,
            service.model_id,
            service.settings,
            service.faults,
        ) as pipeline:
            await pipeline.run_guild(GUILD)
        report.row("re-run on an unchanged guild: downloads", counting.fetched, "", "0", counting.fetched == 0)
        report.row("re-run on an unchanged guild: embeddings", counting.encoded, "", "0", counting.encoded == 0)
        report.row("re-run on an unchanged guild: pages of history", history.pages - first, "", f"{CHANNELS}",
                   history.pages - first == CHANNELS)  # fmt: skip


class _Counting(LightEncoder):
    """A Fetcher and an Encoder that count."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.fetched = 0
        self.encoded = 0

    async def fetch(
        self,
        url: str,
        *,
        proxy_url: str | None = None,
        width: int | None = None,
        height: int | None = None,
        max_bytes: int | None = None,
    ) -> bytes:
        self.fetched += 1
        return await self._service.fetcher.fetch(url, proxy_url=proxy_url, width=width, height=height)

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        self.encoded += len(frames)
        return await super().encode_pixels(frames, priority)


async def _messages(report: Report, folder: Path) -> None:
    """Messages a second from payloads to SQLite."""
    for count in (30_000, 100_000):
        history = ComputedHistory(CHANNELS, _scaled(count) // CHANNELS, 0)
        async with _open(folder / f"messages{count}", history, LightEncoder(), messages="all") as service:
            before = time.process_time()
            taken, progress = await _timed(asyncio.create_task(service.pipeline.run_guild(GUILD)))
            worked = time.process_time() - before
        speed = progress.messages / taken
        report.row(
            f"{count:,} messages without pictures, crawl to SQLite", speed, "messages/s", "≥ 5000", speed >= 5000
        )
        report.row(f"{count:,} messages, for each second of processor time", progress.messages / worked, "messages/s")


async def _queries(report: Report, folder: Path, encoder: Encoder, host: str) -> None:
    """A member's picture query (open, embed, search) while nothing else runs, and while indexing runs flat out.

    In turns, so that both see the same machine.
    """
    history = ComputedHistory(CHANNELS, _scaled(6000) // CHANNELS, 1, host)
    idle: list[float] = []
    busy: list[float] = []
    async with _open(folder / "queries", history, encoder, host) as service:
        for _ in range(ROUNDS):
            running = asyncio.create_task(service.pipeline.run_guild(GUILD))
            await asyncio.sleep(5)  # until every stage has work
            busy += await _query_ms(service)
            assert not running.done(), "indexing ended before the queries did: take more pictures"
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
            await asyncio.sleep(3)  # until what is in hand has ended
            idle += await _query_ms(service)
    for name, values in (("idle", idle), ("while indexing flat out", busy)):
        report.row(f"picture query, {name}, p50", float(np.median(values)), "ms")
        report.row(f"picture query, {name}, p95", float(np.percentile(values, 95)), "ms")
    ratio = float(np.percentile(busy, 95) / np.percentile(idle, 95))
    report.row("picture query, p95, indexing against idle", ratio, "×", "≤ 2", ratio <= 2)


async def _query_ms(service: Service) -> list[float]:
    visible = Filter(frozenset(ChannelId(number) for number in range(1, CHANNELS + 1)))
    taken = []
    for number in range(25):
        upload = picture(1_000_000 + number)
        start = time.perf_counter()
        async with service.decoder.turn_of(UserId(1)) as turn:
            decoded = await turn.decode(upload)
        query = await service.searcher.prepare(Query.for_pictures(GUILD, visible, (decoded,)))
        await service.searcher.search(query)
        taken.append((time.perf_counter() - start) * 1e3)
        await asyncio.sleep(0.1)
    return taken[5:]  # the first ones load what later ones find loaded


async def _memory(report: Report, folder: Path, host: str) -> None:
    """Memory of the bot's own process over 100,000 messages with 10,000 pictures; a model that costs nothing."""
    history = ComputedHistory(CHANNELS, _scaled(100_000) // CHANNELS, 10, host)
    own = psutil.Process()
    samples: list[int] = []
    async with _open(folder / "memory", history, LightEncoder(), host) as service:
        before = own.memory_info().rss
        running = asyncio.create_task(service.pipeline.run_guild(GUILD))
        while not running.done():
            samples.append(own.memory_info().rss)
            await asyncio.sleep(0.2)
        progress = await running
    quarter = len(samples) // 4
    early, late = np.median(samples[quarter : 2 * quarter]), np.median(samples[-quarter:])
    mib = 1024**2
    report.row(f"{progress.messages:,} messages, {progress.places_done:,} pictures: peak memory above the start",
               (max(samples) - before) / mib, "MiB")  # fmt: skip
    report.row("memory, last quarter against second", float(late / early), "×", "≤ 1.1", float(late / early) <= 1.1)


async def main() -> None:
    report = Report("crawl")
    guard = LoopGuard(bound_s=BLOCK_S)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        model = ModelSettings(MODEL, str(_checkpoint(folder)), device="cpu")
        for number in range(PICTURES):
            picture(number)  # drawn now, not while the loop is watched
        gc.collect()  # takes 0.3 s once torch is loaded
        async with open_cdn() as host:
            with guard.watching():
                await _messages(report, folder)
                await _rerun(report, folder, host)
                await _memory(report, folder, host)
                async with open_encoder(model) as encoder:
                    await _pictures(report, folder, encoder, host)
                    await _queries(report, folder, encoder, host)
        longest = max((float(block.partition(" s in ")[0]) for block in guard.blocks), default=BLOCK_S) * 1e3
        report.row("longest block of the event loop during all of it", longest, "ms", "≤ 50", longest <= 50)
        for block in sorted(guard.blocks, reverse=True)[:2]:
            print(block)
        await search_against_paging(report, folder, _scaled(100_000))
    report.finish()


if __name__ == "__main__":
    asyncio.run(main())
