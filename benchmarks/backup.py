"""What a backup costs whoever indexes meanwhile, and what it takes itself, beside SQLite's own VACUUM INTO.

Run by `make bench-backup`. 40,000 messages of one picture each are stored; then their embeddings of 512 dimensions are
stored as fast as SQLite takes them, which is some ten times what a model gives on this machine: in turns alone, and
beside `afterimage backup` in a process of its own, one backup after the other.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import numpy as np

from benchmarks.report import RESULTS, Report
from benchmarks.storage import BATCH, MODEL, PAGE, settle, store, timed, world
from indexer.backup.make import make_backup
from indexer.backup.restore import restore_backup
from indexer.backup.verify import verify
from indexer.database.database import Database, open_database
from indexer.records.ids import ModelId
from indexer.records.pictures import DecodedPicture, Vectors
from indexer.store import embeddings, pictures, places
from indexer.store.places import PendingPlace

MESSAGES = 40_000
ROUNDS = 3  # of indexing alone and indexing beside a backup, in turns
GOAL = 0.8


def quietly(*_: object) -> None:
    """Nobody looks how far it is."""


async def embed(
    database: Database, model_id: ModelId, todo: Sequence[PendingPlace], vectors: Vectors
) -> tuple[float, float]:
    """Pictures a second, and the longest transaction in milliseconds."""
    longest = 0.0
    begun = time.perf_counter()
    for start in range(0, len(todo), BATCH):
        async with timed() as clock, database.transaction() as tx:
            new = []
            for row, place in enumerate(todo[start : start + BATCH], start):
                shown = DecodedPicture(os.urandom(32), (), 800, 600, "PNG", 1, 90_000, random.getrandbits(64))
                picture_id = await pictures.add(tx, shown)
                await places.attach(tx, place.place_id, picture_id)
                new.append((picture_id, vectors[row % len(vectors)]))
            await embeddings.add(tx, model_id, new)
        longest = max(longest, clock.ms)
    return len(todo) / (time.perf_counter() - begun), longest


async def back_up_again_and_again(folder: Path) -> None:
    """Until cancelled; each backup is a process of its own, as the command is."""
    number = 0
    while True:
        number += 1
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


async def beside(database: Database, report: Report, folder: Path) -> None:
    everything = world(1)[:MESSAGES]
    await settle(database)
    await store(database, [everything[start : start + PAGE] for start in range(0, MESSAGES, PAGE)])
    vectors = np.random.default_rng(1).standard_normal((4096, MODEL.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    async with database.transaction() as tx:
        model_id = await embeddings.model_id(tx, MODEL)
    async with database.reader() as reader:
        todo = await places.pending(reader, MESSAGES, 0)
    share = len(todo) // (2 * ROUNDS)
    rates: dict[bool, list[float]] = {False: [], True: []}
    waits: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(2 * ROUNDS):
        busy = bool(turn % 2)
        making = asyncio.create_task(back_up_again_and_again(folder)) if busy else None
        if making is not None:
            await asyncio.sleep(1)  # its process has started
        rate, longest = await embed(database, model_id, todo[turn * share : (turn + 1) * share], vectors)
        rates[busy].append(rate)
        waits[busy].append(longest)
        if making is not None:
            making.cancel()
            with suppress(asyncio.CancelledError):
                await making
    ratio = float(np.median(rates[True]) / np.median(rates[False]))
    report.row("pictures stored, alone, p50 of the turns", float(np.median(rates[False])), "a second")
    report.row("pictures stored, beside backups one after the other", float(np.median(rates[True])), "a second")
    report.row("beside backups, against alone", ratio, "×", f"≥ {GOAL}", ratio >= GOAL)
    report.row("longest transaction, alone", max(waits[False]), "ms")
    report.row("longest transaction, beside backups", max(waits[True]), "ms")


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
        async with open_database(folder / "data") as database:
            await beside(database, report, folder)
        await alone(report, folder)
    report.finish()


if __name__ == "__main__":
    asyncio.run(main())
