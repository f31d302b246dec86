"""An import whose files are opened on this machine, and one whose files are opened in a cluster (`--fleet`).

    python -m benchmarks.fleet_files

Two nodes have one core of this machine together, and the bot has another one, so that what is opened there costs
nothing here. Encoders have a fixed rate and need no core. In both imports the vectors are made on the nodes.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import psutil
from PIL import Image

from benchmarks.fixed_rate_child import SIZE
from benchmarks.report import Report
from indexer.encode.cluster_files import ClusterFiles
from indexer.encode.encoder import open_remote_encoder
from indexer.encode.trial_set import trial_pictures
from indexer.pictures.decoder import READERS_VERSION, open_decoder
from indexer.records.pictures import PixelSpec
from indexer.settings import ModelSettings
from indexer.supervisor import Faults
from tests.worlds.pipeline_world import GUILD, World, open_world
from tests.worlds.ray_nodes import Nodes, open_nodes
from tests.worlds.waiting import until

DRIVER = "benchmarks.fixed_rate_driver"
NODES = 2
PICTURES = 600
FETCHED_SIDE, QUALITY = 336, 80  # as Discord's proxy gives them: 20 to 30 KB
MODEL = ModelSettings(name="fixed-rate", pretrained="none", batch_size=8, idle_s=0)


async def measure_files(report: Report, folder: Path) -> None:
    """Needs two cores, and Linux, where a process can be bound to one."""
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            await _measured(report, folder, *cores[:2])


async def _measured(report: Report, folder: Path, here: int, there: int) -> None:
    files = await asyncio.to_thread(pictures)
    with bound_to(there), open_nodes(NODES) as nodes, bound_to(here):
        for name in ("here", "there"):
            await asyncio.to_thread((folder / name).mkdir)
        at_home = await measure_import(folder / "here", nodes, files, fleet=False)
        in_cluster = await measure_import(folder / "there", nodes, files, fleet=True)
    report.row("an import, files opened here on one core", at_home[0], "pictures/s")
    report.row("an import, files opened on two nodes that share one core", in_cluster[0], "pictures/s")
    report.row("an import, files opened on two nodes, against here", in_cluster[0] / at_home[0], "×")
    report.row("this machine's processor, a picture opened here", at_home[1], "ms")
    report.row("this machine's processor, a picture opened in the cluster", in_cluster[1], "ms")


@contextmanager
def bound_to(core: int) -> Iterator[None]:
    """What this thread starts until the block ends runs on that core alone."""
    if sys.platform == "linux":
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)
    else:
        yield


def pictures() -> list[bytes]:
    found = []
    for number, picture in enumerate(trial_pictures(FETCHED_SIDE, PICTURES)):
        picture[0, 0] = number % 256, number // 256, 0  # no two of them are the same file
        file = BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=QUALITY, comment=str(number).encode())
        found.append(file.getvalue())
    return found


async def measure_import(folder: Path, nodes: Nodes, files: list[bytes], *, fleet: bool) -> tuple[float, float]:
    """Pictures a second, and milliseconds of processor time of the bot and all its processes for each.

    The bot's process has the server of the files too.
    """
    cluster = nodes.settings(min_replicas=NODES, max_replicas=NODES)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(open_world(folder, decodes=False))
        world.settings = replace(world.settings, model=replace(MODEL, runtime="ray"), ray=cluster)
        remote = open_remote_encoder(MODEL, cluster, Faults(), worker=DRIVER)
        encoder = await stack.enter_async_context(remote)
        await until(lambda: encoder.choice.streams == 2 * NODES)
        await world.use_model(encoder)
        world.cluster = made = ClusterFiles(world.settings, READERS_VERSION, Faults(), DRIVER)
        opening = open_decoder(world.settings.decode, PixelSpec(SIZE))
        world.decoder = await stack.enter_async_context(opening)
        if fleet:
            await stack.enter_async_context(made.joined())
        pipeline = await stack.enter_async_context(world.pipeline())
        fill(world, files[:60], start=0)  # what is started by the first pictures is there
        await pipeline.run_guild(GUILD, fleet=fleet)
        fill(world, files[60:], start=60)
        began_s, began_cpu_s = time.perf_counter(), processor_s()
        progress = await pipeline.run_guild(GUILD, fleet=fleet)
        took_s, took_cpu_s = time.perf_counter() - began_s, processor_s() - began_cpu_s
        assert progress.embedded == PICTURES - 60
        return progress.embedded / took_s, 1000 * took_cpu_s / progress.embedded


def fill(world: World, files: list[bytes], start: int) -> None:
    if not world.history.listed:
        world.history.channel(1)
    for number, file in enumerate(files, start):
        world.history.post(1, number * 60, world.cdn.add(f"{number}.jpg", file))


def processor_s() -> float:
    """Of this process and those that it has started, but for the nodes'."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children()]:
        if "sandbox.ray_nodes" not in process.cmdline():
            times = process.cpu_times()
            total += times.user + times.system
    return total


async def _alone() -> None:
    report = Report("fleet")
    with tempfile.TemporaryDirectory(prefix="bench-fleet-") as folder:
        await measure_files(report, Path(folder))
    report.finish_part()


if __name__ == "__main__":
    asyncio.run(_alone())
