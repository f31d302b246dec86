"""What a backup costs whoever indexes meanwhile, and what it takes itself, beside SQLite's own VACUUM INTO.

Run by `make bench-backup`. 40,000 messages of one picture each are stored. Then pictures are indexed flat out, by a
model of ViT-B-32-256's shape with random weights: in turns alone, beside backups as the bot makes its daily one, and
beside `afterimage backup`, one backup after the other. The model has a process of its own, and so has the command.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np

from benchmarks.random_model import MODEL, random_checkpoint
from benchmarks.report import RESULTS, Report
from benchmarks.storage import PAGE, settle, store, timed, world
from indexer.backup.make import make_backup
from indexer.backup.own_process import Order, make_in_process
from indexer.backup.restore import restore_backup
from indexer.backup.verify import verify
from indexer.database.database import Database, open_database
from indexer.encode.encoder import open_encoder
from indexer.ports import Encoder, Priority
from indexer.records.ids import ModelId
from indexer.records.pictures import DecodedPicture
from indexer.settings import ModelSettings
from indexer.store import embeddings, pictures, places
from indexer.store.places import PendingPlace

MESSAGES = 40_000
BATCH = 8  # pictures
UNDER_WAY = 3  # batches, as in the pipeline
TURN_S = 20.0
ROUNDS = 3  # of indexing alone and indexing beside a backup, in turns
GOAL = 0.8


def quietly(*_: object) -> None:
    """Nobody looks how far it is."""


async def index(
    database: Database, model_id: ModelId, encoder: Encoder, todo: Iterator[PendingPlace]
) -> tuple[float, float]:
    """Pictures a second in a turn, and the longest transaction in milliseconds. As many batches are under way as the
    model takes at once, and one more."""
    size = encoder.pixel_spec.size
    frames = list(np.random.default_rng(2).integers(0, 256, (BATCH, size, size, 3), np.uint8))
    longest, done = 0.0, 0
    begun = time.perf_counter()

    async def batches() -> None:
        nonlocal longest, done
        while time.perf_counter() < begun + TURN_S:
            vectors = await encoder.encode_pixels(frames, Priority.INDEXING)
            async with timed() as clock, database.transaction() as tx:
                new = []
                for place, vector in zip(itertools.islice(todo, BATCH), vectors, strict=True):
                    shown = DecodedPicture(os.urandom(32), (), 800, 600, "PNG", 1, 90_000, random.getrandbits(64))
                    picture_id = await pictures.add(tx, shown)
                    await places.attach(tx, place.place_id, picture_id)
                    new.append((picture_id, vector))
                await embeddings.add(tx, model_id, new)
            longest = max(longest, clock.ms)
            done += BATCH

    async with asyncio.TaskGroup() as group:
        for _ in range(UNDER_WAY):
            group.create_task(batches())
    return done / (time.perf_counter() - begun), longest


async def daily_backups(folder: Path) -> None:
    """One after the other until cancelled, as the bot makes its daily one."""
    for number in itertools.count():
        file = folder / f"daily-{number}.tar"
        try:
            await make_in_process(Order(str(folder / "data"), str(file), "", 0, make_folder=False))
        finally:
            file.unlink(missing_ok=True)


async def backup_commands(folder: Path) -> None:
    """One after the other until cancelled, each a process of its own."""
    for number in itertools.count():
        file = folder / f"beside-{number}.tar"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "backup", "--quiet", str(file)),
            env={**os.environ, "AFTERIMAGE_DATA_DIR": str(folder / "data")},
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            assert await process.wait() == 0, "a backup failed"
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            file.unlink(missing_ok=True)


ALONE, DAILY, COMMANDS = "alone", "beside the bot's own backups", "beside backups by command"
BESIDE: dict[str, Callable[[Path], Coroutine[None, None, None]] | None] = {
    ALONE: None,
    DAILY: daily_backups,
    COMMANDS: backup_commands,
}


async def beside(database: Database, encoder: Encoder, report: Report, folder: Path) -> None:
    everything = world(1)[:MESSAGES]
    await settle(database)
    await store(database, [everything[start : start + PAGE] for start in range(0, MESSAGES, PAGE)])
    async with database.transaction() as tx:
        model_id = await embeddings.model_id(tx, encoder.spec)
    async with database.reader() as reader:
        todo = iter(await places.pending(reader, MESSAGES, 0))
    await index(database, model_id, encoder, todo)  # the model's process warms up
    rates: dict[str, list[float]] = {what: [] for what in BESIDE}
    waits: dict[str, list[float]] = {what: [] for what in BESIDE}
    for what, backups in list(BESIDE.items()) * ROUNDS:
        making = asyncio.create_task(backups(folder)) if backups is not None else None
        rate, longest = await index(database, model_id, encoder, todo)
        print(f"{what}: {rate:.2f} pictures/s", flush=True)
        rates[what].append(rate)
        waits[what].append(longest)
        if making is not None:
            making.cancel()
            with suppress(asyncio.CancelledError):
                await making
    alone_rate = float(np.median(rates[ALONE]))
    report.row(f"pictures indexed, {ALONE}, p50 of {ROUNDS} turns of {TURN_S:.0f} s", alone_rate, "a second")
    for what in (DAILY, COMMANDS):
        rate = float(np.median(rates[what]))
        report.row(f"pictures indexed, {what}", rate, "a second")
        report.row(f"{what}, against alone", rate / alone_rate, "×", f"≥ {GOAL}", rate / alone_rate >= GOAL)
    for what, longest_ms in waits.items():
        report.row(f"longest transaction, {what}", max(longest_ms), "ms")


async def alone(report: Report, folder: Path) -> None:
    """The backup itself: time, size, and whether what it restores is sound."""
    database = folder / "data" / "afterimage.sqlite3"
    megabytes = database.stat().st_size / 1e6
    report.row("the database", megabytes, "MB")
    with closing(sqlite3.connect(database)) as connection:
        begun = time.perf_counter()
        connection.execute("VACUUM INTO ?", (str(folder / "vacuum.sqlite3"),))
        peer_s = time.perf_counter() - begun
    report.row("SQLite's VACUUM INTO: not checked, with words of deleted messages in it", peer_s, "s")
    for name in ("b.tar", "b.tar.zst"):
        begun = time.perf_counter()
        made = await make_backup(folder / "data", folder / name, quietly)
        elapsed_s = time.perf_counter() - begun
        report.row(f"backup into {name}", elapsed_s, "s")
        report.row(f"backup into {name}, against VACUUM INTO alone", elapsed_s / peer_s, "×")
        report.row(f"size of {name}", made.byte_count / 1e6, "MB")
    begun = time.perf_counter()
    await restore_backup(folder / "restored", folder / "b.tar.zst", quietly, replace=False)
    report.row("restore of b.tar.zst", time.perf_counter() - begun, "s")
    begun = time.perf_counter()
    found = await verify(folder / "restored", quietly)
    report.row("verify of what was restored", time.perf_counter() - begun, "s")
    report.row("faults that it found", len(found.faults), "", "0", found.sound)


async def main() -> None:
    report = Report("backup")
    with tempfile.TemporaryDirectory(dir=RESULTS.parent) as name:
        folder = Path(name)
        model = ModelSettings(MODEL, str(random_checkpoint(folder)), device="cpu", export_dir=folder / "models")
        async with open_encoder(model) as encoder, open_database(folder / "data") as database:
            await beside(database, encoder, report, folder)
        await alone(report, folder)
    report.finish()


if __name__ == "__main__":
    asyncio.run(main())
