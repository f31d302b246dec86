"""`make bench-index`: the vector index beside what a user would pick instead, in one run.

Every figure is of whole calls: following the log, building the mask from columns, scanning, scoring, naming the
places. 100,000 and 1,000,000 rows of 512 dimensions (benchmarks/index_data.py). AFTERIMAGE_BENCH_ROWS=100000 leaves the
million out.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks import index_colours, index_data, index_plot
from benchmarks.index_data import GUILD, MODEL, Data
from benchmarks.index_peers import Ask, Ids, K, Truth, peers, truths
from benchmarks.index_plot import Curves
from benchmarks.report import Report
from indexer.database.database import FILE_NAME, Database, open_database
from indexer.records.hits import Filter
from indexer.records.ids import GuildId, ModelId, PictureId
from indexer.records.pictures import Vectors
from indexer.settings import IndexSettings
from indexer.store import embeddings
from indexer.vectors import kernels
from indexer.vectors.index import VectorIndex

GOALS_MS = {"all": 3.0, "5 channels": 0.6, "1 channel": 0.3, "author": 0.15}
GOAL_RATIO = {"all": 12.0, "5 channels": 25.0, "1 channel": 45.0, "author": 80.0}
MILLION_MS = {"all": 15.0, "5 channels": 5.0}
ROUNDS = 5  # each query is asked so often; the peers, which are slower, once
PEER_QUERIES = 10  # of each kind


@contextmanager
def timed(took: list[float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    took.append((time.perf_counter() - began) * 1000)


async def main() -> None:
    os.environ["LANCE_LOG"] = "error"  # it warns of a coming change at every search
    report = Report("index")
    wanted = [int(count) for count in os.environ.get("AFTERIMAGE_BENCH_ROWS", "100000,1000000").split(",")]
    bandwidth = _bandwidth()
    report.row("memory bandwidth, one thread", bandwidth / 1e9, "GB/s")
    curves: Curves = {}
    for rows in wanted:
        with tempfile.TemporaryDirectory(prefix="bench-index-", dir=os.environ.get("AFTERIMAGE_BENCH_DIR")) as folder:
            data = index_data.make(rows)
            await _one_size(report, data, Path(folder), bandwidth, curves)
            del data
    index_plot.draw(curves)
    report.finish()


async def _one_size(report: Report, data: Data, folder: Path, bandwidth: float, curves: Curves) -> None:
    label = f"{len(data):,}"
    small = len(data) <= 100_000
    filters = index_data.filters(data)
    async with open_database(folder) as db:
        index_data.write(folder / FILE_NAME, data)
        index = VectorIndex(folder / FILE_NAME, folder / "segments", IndexSettings())
        took: list[float] = []
        with timed(took):
            await index.maintain(db)
        seconds = took[0] / 1000
        report.row(
            f"{label}: rebuild from SQLite", seconds, "s", "≤ 3" if small else "", seconds <= 3 if small else None
        )
        size = sum(path.stat().st_size for path in (folder / "segments").rglob("*.segment"))
        report.row(f"{label}: disk a picture", size / len(data), "bytes", "≤ 1,600", size / len(data) <= 1600)
        index_data.delete_marked(folder / FILE_NAME, data)
        ours = _searcher(index, filters)
        curves[f"Afterimage, {label} rows"] = _ours(report, label, data, filters, ours, small)
        _bytes_scanned(report, label, data, bandwidth)
        _probe(report, label, folder, small)
        if small:
            await _durable(report, label, db, index, data)
            _peers(report, data, filters, folder, curves, curves[f"Afterimage, {label} rows"])
            await index_colours.measure(report, data, db, index)
        index.close()


def _searcher(index: VectorIndex, filters: dict[str, Filter]) -> Callable[[Vectors, str], list[int]]:
    def ask(query: Vectors, name: str) -> list[int]:
        answer = index.search(GuildId(GUILD), ModelId(MODEL), query, K, filters[name])
        return [candidate.picture_id - 1 for candidate in answer.candidates]

    return ask


def _ours(
    report: Report,
    label: str,
    data: Data,
    filters: dict[str, Filter],
    ask: Callable[[Vectors, str], list[int]],
    small: bool,
) -> dict[str, tuple[float, float]]:
    goals = GOALS_MS if small else MILLION_MS
    found: dict[str, tuple[float, float]] = {}
    for name, allowed in filters.items():
        took: list[float] = []
        recalls: dict[str, list[float]] = {"image": [], "text": []}
        for kind, queries in (("image", data.image_queries), ("text", data.text_queries)):
            for query, right in zip(queries, truths(data, allowed, queries), strict=True):
                rows = ask(query, name)
                recalls[kind].append(right.recall(np.array(rows, np.int64)))
                for _ in range(ROUNDS):
                    with timed(took):
                        ask(query, name)
        p50 = median(took)
        found[name] = p50, float(np.mean([value for values in recalls.values() for value in values]))
        goal = goals.get(name)
        report.row(f"{label}: {name}, p50", p50, "ms", f"≤ {goal:g}" if goal else "", p50 <= goal if goal else None)
        report.row(f"{label}: {name}, p95", float(np.percentile(took, 95)), "ms")
        for kind, values in recalls.items():
            mean = float(np.mean(values))
            report.row(f"{label}: {name}, recall@10, {kind} queries", mean, "", "≥ 0.999", mean >= 0.999)
    return found


def _peers(
    report: Report,
    data: Data,
    filters: dict[str, Filter],
    folder: Path,
    curves: Curves,
    ours: dict[str, tuple[float, float]],
) -> None:
    queries = np.concatenate([data.image_queries[:PEER_QUERIES], data.text_queries[:PEER_QUERIES]])
    right = {name: truths(data, allowed, queries) for name, allowed in filters.items()}
    with peers(data, filters, folder) as others:
        for peer, ask in others.items():
            curves[peer] = {}
            for name in filters:
                milliseconds, found = _ask_all(ask, name, queries, right[name])
                curves[peer][name] = milliseconds, found
                report.row(f"{peer}: {name}, p50", milliseconds, "ms")
                report.row(f"{peer}: {name}, recall@10", found, "")
                ratio = milliseconds / ours[name][0]
                goal = GOAL_RATIO[name] if peer.startswith("sqlite-vec") else None
                report.row(
                    f"{peer}: {name}, times ours",
                    ratio,
                    "×",
                    f"≥ {goal:g}" if goal else "",
                    ratio >= goal if goal else None,
                )


def _ask_all(ask: Ask, name: str, queries: Vectors, right: list[Truth]) -> tuple[float, float]:
    """(p50 in milliseconds, mean recall@10)"""
    took: list[float] = []
    ask(queries[0], name)
    found: list[Ids] = []
    for query in queries:
        with timed(took):
            found.append(ask(query, name))
    return median(took), float(np.mean([answer.recall(rows) for answer, rows in zip(right, found, strict=True)]))


def _bandwidth() -> float:
    """Bytes a second that one thread can read from memory: a dot product over 102 MB with itself, the best of many."""
    block = np.ones(25_600_000, np.float32)
    took: list[float] = []
    for _ in range(40):
        with timed(took):
            np.dot(block, block)
    return float(block.nbytes / (min(took) / 1000))


def _bytes_scanned(report: Report, label: str, data: Data, bandwidth: float) -> None:
    """How near an exact scan of all float16 rows by one thread comes to that."""
    loaded = kernels.load()
    assert loaded is not None
    rows = data.vectors.view(np.uint8)
    took: list[float] = []
    for query in (*data.image_queries[:20], *data.text_queries[:20]):
        with timed(took):
            loaded.half(rows, query, 56)
    share = rows.nbytes / (median(took) / 1000) / bandwidth
    report.row(f"{label}: exact float16 scan, one thread", median(took), "ms")
    report.row(f"{label}: share of memory bandwidth", share, "", "≥ 0.65", share >= 0.65)


def _probe(report: Report, label: str, folder: Path, small: bool) -> None:
    """A fresh process, with the page cache warm and with the segments dropped from it."""
    goal_open, goal_cold, goal_memory = (0.015, 0.2, 15) if small else (0.05, 0.5, 60)
    warm = [_probe_once(folder) for _ in range(5)]
    opened = median(probe["open_s"] for probe in warm) * 1000
    report.row(f"{label}: open", opened, "ms", f"≤ {goal_open * 1000:g}", opened <= goal_open * 1000)
    memory = max(probe["anonymous_mb"] for probe in warm)
    report.row(f"{label}: anonymous memory over imports", memory, "MB", f"≤ {goal_memory}", memory <= goal_memory)
    cold = []
    for _ in range(3):
        for path in (folder / "segments").rglob("*.segment"):
            _drop_from_cache(path)
        cold.append(_probe_once(folder)["first_answer_s"])
    first = median(cold) * 1000
    report.row(
        f"{label}: first answer, page cache cold", first, "ms", f"≤ {goal_cold * 1000:g}", first <= goal_cold * 1000
    )


def _probe_once(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.index_probe", str(folder)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, float] = json.loads(out)
    return found


def _drop_from_cache(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    if sys.platform == "linux":  # elsewhere the cache stays warm
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def _flush_ms(folder: Path) -> float:
    """What this disk takes at least to put 4 KB beyond the reach of a power cut; it counts in all that survives one."""
    took: list[float] = []
    with (folder / "flushed").open("wb", buffering=0) as file:
        for _ in range(50):
            file.write(bytes(4096))
            with timed(took):
                os.fsync(file.fileno())
    return median(took)


async def _durable(report: Report, label: str, db: Database, index: VectorIndex, data: Data) -> None:
    """From "here is an embedding" to "it is committed and the next search finds it"; the same for one deletion."""
    report.row("one fsync of 4 KB on this disk", _flush_ms(db.path.parent), "ms")
    rng = np.random.default_rng(1)
    number = len(data) + 1
    every = index_data.filters(data)["1 channel"]
    (channel,) = every.channels
    for count, goal in ((1, 1.0), (1_000, 15.0)):
        for durable in (False, True):
            took: list[float] = []
            for _ in range(20 if count == 1 else 5):
                vectors = rng.standard_normal((count, index_data.DIMENSION)).astype(np.float32)
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
                pictures = [PictureId(number + at) for at in range(count)]
                await _post(db, pictures, channel)
                index.search(GuildId(GUILD), ModelId(MODEL), vectors[0], 1, every)
                pairs = list(zip(pictures, vectors, strict=True))
                with timed(took):
                    async with db.transaction(durable=durable) as tx:
                        await embeddings.add(tx, ModelId(MODEL), pairs)
                    answer = index.search(GuildId(GUILD), ModelId(MODEL), vectors[-1], 1, every)
                scan: list[float] = []
                with timed(scan):
                    index.search(GuildId(GUILD), ModelId(MODEL), vectors[-1], 1, every)
                assert answer.candidates[0].picture_id == pictures[-1]
                took[-1] -= scan[0]
                number += count
            what = "survives power loss" if durable else "survives kill"
            value = median(took)
            report.row(f"{label}: {count:,} new, {what}, findable", value, "ms", f"≤ {goal:g}", value <= goal)
    for durable in (False, True):
        took = []
        for _ in range(20):
            number -= 1
            with timed(took):
                async with db.transaction(durable=durable) as tx:
                    await tx.execute_fetchall("DELETE FROM messages WHERE message_id = ?", (_message(number),))
                index.search(GuildId(GUILD), ModelId(MODEL), data.image_queries[0], 1, every)
            scan = []
            with timed(scan):
                index.search(GuildId(GUILD), ModelId(MODEL), data.image_queries[0], 1, every)
            took[-1] -= scan[0]
        what = "survives power loss" if durable else "survives kill"
        report.row(f"{label}: 1 deleted, {what}, gone", median(took), "ms", "≤ 1", median(took) <= 1)


def _message(number: int) -> int:
    return number + 2**60


async def _post(db: Database, pictures: list[PictureId], channel: int) -> None:
    """Messages, pictures and places that wait for their embeddings."""
    async with db.transaction() as tx:
        await tx.executemany(
            "INSERT INTO messages (message_id, guild_id, channel_id, author_id, edited_ms, checked_ms)"
            " VALUES (?, 1, ?, 500000, NULL, 0)",
            [(_message(picture), channel) for picture in pictures],
        )
        await tx.executemany(
            "INSERT INTO pictures (picture_id, sha256, byte_count, state) VALUES (?, ?, 1, 'ready')",
            [(picture, picture.to_bytes(32, "big")) for picture in pictures],
        )
        await tx.executemany(
            "INSERT INTO places (place_id, message_id, guild_id, ordinal, picture_id, source, link, state)"
            " VALUES (?, ?, 1, 0, ?, 'attachment', 'l', 'ready')",
            [(picture, _message(picture), picture) for picture in pictures],
        )


if __name__ == "__main__":
    asyncio.run(main())
