"""Encoders in a Ray cluster: several nodes of a fixed rate on this machine, beside the model's process as it is here.

The nodes are real nodes of Ray; what their encoders do takes a fixed time and no core (fixed_rate_child.py). What is
measured is therefore the way there: processes, serialisation, Ray's object store, the pool.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.fixed_rate_child import PICTURE_S, SIZE
from benchmarks.fleet_files import measure_files
from benchmarks.fleet_processes import measure_processes
from benchmarks.fleet_wire import measure_wire
from benchmarks.process_memory import memory_mb
from benchmarks.report import Report, run
from indexer.encode.encoder import ModelEncoder, open_encoder, open_remote_encoder
from indexer.pictures.decoder import open_decoder
from indexer.settings import ModelSettings
from indexer.supervisor import Faults
from tests.worlds.pipeline_world import GUILD, World, open_world
from tests.worlds.ray_nodes import Nodes, open_nodes
from tests.worlds.waiting import until

WORKER = "benchmarks.fixed_rate_child"
DRIVER = "benchmarks.fixed_rate_driver"
BATCH = 8
ALONE = 100  # batches one after the other
FULL_S = 8.0  # seconds of indexing flat out
QUESTIONS = 40
PAUSE_S = 0.15  # between two questions
IMPORTED = 400  # pictures

MODEL = ModelSettings(name="fixed-rate", pretrained="none", batch_size=BATCH, idle_s=0)


@asynccontextmanager
async def remote(nodes: Nodes, count: int) -> AsyncIterator[ModelEncoder]:
    """That many encoders, each on a node of its own."""
    cluster = nodes.settings(min_replicas=count, max_replicas=count)
    async with open_remote_encoder(MODEL, cluster, Faults(), worker=DRIVER) as encoder:
        await until(lambda: encoder.choice.streams == 2 * count)
        await flat_out(encoder, 1.0)
        yield encoder


def batch(number: int = 0) -> list[np.ndarray]:
    return [np.full((SIZE, SIZE, 3), (number * BATCH + at) % 251, np.uint8) for at in range(BATCH)]


async def flat_out(encoder: ModelEncoder, seconds: float) -> float:
    """Pictures a second, with as many batches waiting as it takes."""
    frames, done, ends_s = batch(), 0, time.perf_counter() + seconds

    async def feed() -> None:
        nonlocal done
        while time.perf_counter() < ends_s:
            await encoder.encode_pixels(frames)
            done += BATCH

    began_s = time.perf_counter()
    await asyncio.gather(*(feed() for _ in range(encoder.choice.streams + 2)))
    return done / (time.perf_counter() - began_s)


async def spans_ms(ask: Callable[[], Awaitable[object]], count: int, pause_s: float = 0.0) -> list[float]:
    """How long each takes, one after the other."""
    spans = []
    for _ in range(count):
        began_s = time.perf_counter()
        await ask()
        spans.append((time.perf_counter() - began_s) * 1000)
        await asyncio.sleep(pause_s)
    return spans


def p95(spans: list[float]) -> float:
    return statistics.quantiles(spans, n=20)[-1]


async def question_beside_indexing(encoder: ModelEncoder) -> float:
    """p95 in ms of a question by words, while it indexes flat out."""
    indexing = asyncio.create_task(flat_out(encoder, QUESTIONS * (PAUSE_S + 0.1)))
    await asyncio.sleep(0.5)
    found = p95(await spans_ms(lambda: encoder.encode_words(["a red bicycle"]), QUESTIONS, PAUSE_S))
    indexing.cancel()
    await asyncio.wait({indexing})
    return found


@dataclass(frozen=True)
class Here:
    """This machine's own model, in ms."""

    batches: list[float]
    question_p95: float


async def measure_here() -> Here:
    async with open_encoder(MODEL, worker=WORKER) as encoder:
        await flat_out(encoder, 1.0)
        frames = batch()
        batches = await spans_ms(lambda: encoder.encode_pixels(frames), ALONE)
        return Here(batches, await question_beside_indexing(encoder))


async def measure_overhead(report: Report, encoder: ModelEncoder, here: Here) -> None:
    frames = batch()
    there = await spans_ms(lambda: encoder.encode_pixels(frames), ALONE)
    p50_ms = statistics.median(there) - statistics.median(here.batches)
    p95_ms = p95(there) - p95(here.batches)
    report.row("a batch of 8 here, p50", statistics.median(here.batches), "ms")
    report.row("a batch of 8, p50, more than here", p50_ms, "ms", "≤ 10 ms", p50_ms <= 10)
    report.row("a batch of 8, p95, more than here", p95_ms, "ms", "≤ 25 ms", p95_ms <= 25)
    assert encoder.pid is not None, "it has just answered"
    report.row("memory of the process that reaches the cluster", memory_mb(encoder.pid), "MB")


async def measure_cluster(report: Report, nodes: Nodes, here: Here) -> None:
    rates = {}
    for count in (1, 2, 4):
        async with remote(nodes, count) as encoder:
            if count == 1:
                await measure_overhead(report, encoder, here)
            rates[count] = await flat_out(encoder, FULL_S)
            report.row(f"encoders: {count}", rates[count], "pictures/s")
            if count == 2:
                asked_ms = await question_beside_indexing(encoder)
                report.row("a question by words here while it indexes flat out, p95", here.question_p95, "ms")
                ratio = asked_ms / here.question_p95
                report.row("the same by two encoders", asked_ms, "ms")
                report.row("the same, against here", ratio, "×", "≤ 1.5 ×", ratio <= 1.5)
    for count, goal in ((2, 1.8), (4, 3.4)):
        gain = rates[count] / rates[1]
        report.row(f"{count} encoders against one", gain, "×", f"≥ {goal} ×", gain >= goal)
    report.row("one encoder, of its fixed rate", rates[1] * PICTURE_S * 100, "%")


async def measure_kill(report: Report, nodes: Nodes, folder: Path) -> None:
    """An import through the pipeline into SQLite; a node is killed when a third of it is done."""
    async with open_world(folder, decodes=False) as world, remote(nodes, 2) as encoder:
        cluster = nodes.settings(min_replicas=2, max_replicas=2)
        world.settings = replace(world.settings, model=replace(MODEL, runtime="ray"), ray=cluster)
        await world.use_model(encoder)
        async with open_decoder(world.settings.decode, encoder.pixel_spec) as world.decoder:
            pictures = world.fill(channels=2, messages=IMPORTED // 2, every=1)
            async with world.pipeline() as pipeline:
                importing = asyncio.create_task(pipeline.run_guild(GUILD))
                stall_s = await _kill_and_watch(world, nodes, importing, pictures)
                await importing
        stored = await world.count("SELECT count(*) FROM embeddings")
        distinct = await world.count("SELECT count(DISTINCT picture_id) FROM embeddings")
        twice = stored - distinct
    report.row("a node killed in mid-import: pictures lost", pictures - stored, "of 400", "0", stored == pictures)
    report.row("the same: embedded twice", twice, "of 400", "0", twice == 0)
    report.row("the same: longest stall", stall_s, "s", "≤ 10 s", stall_s <= 10)


async def _kill_and_watch(world: World, nodes: Nodes, importing: asyncio.Task[object], pictures: int) -> float:
    """The longest time, in seconds, that no further embedding was stored from the kill on."""
    killing: asyncio.Task[None] | None = None
    before, since_s, longest_s = 0, time.perf_counter(), 0.0
    while not importing.done():
        await asyncio.sleep(0.02)
        stored = await world.count("SELECT count(*) FROM embeddings")
        now_s = time.perf_counter()
        if killing is None and stored >= pictures // 3:
            killing = asyncio.create_task(asyncio.to_thread(nodes.kill))
            since_s = now_s
        if stored > before:
            before, since_s = stored, now_s
        elif killing is not None:
            longest_s = max(longest_s, now_s - since_s)
    assert killing is not None, "the import ended before a third of it was stored"
    await killing
    return longest_s


def measure_without(report: Report) -> None:
    """What a bot without a cluster imports."""
    program = "import sys, bot.app, indexer.service; print(sum(name.split('.')[0] == 'ray' for name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = int(ran.stdout)
    report.row("modules of Ray that a bot without a cluster imports", loaded, "modules", "0", loaded == 0)


async def measure(report: Report, folder: Path) -> None:
    measure_without(report)
    here = await measure_here()
    with open_nodes(4) as nodes:
        await measure_cluster(report, nodes, here)
        await measure_wire(report, nodes)
        await measure_kill(report, nodes, folder)
    await measure_files(report, folder)
    await measure_processes(report)


if __name__ == "__main__":
    run("fleet", __doc__, measure)
