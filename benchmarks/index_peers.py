"""What a user would pick instead: the same vectors, the same filters, asked in the best way that we know.

A peer takes (query, name of the filter) and returns the ids of its ten best rows. Building is not timed.
"""

from __future__ import annotations

import sqlite3
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.index_data import CHUNK, DIMENSION, Data, allowed_rows
from indexer.records.hits import Filter

K = 10
Vector = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Ask = Callable[[Vector, str], Ids]
NEAR = 100  # rows that float32 finds and float64 puts in order
EXPANSION = 4096  # the most that an index without filters is asked for in the hope that ten of it pass


@contextmanager
def peers(data: Data, filters: dict[str, Filter], folder: Path) -> Iterator[dict[str, Ask]]:
    """Every peer that can be imported here, by name and version."""
    with ExitStack() as stack:
        found: dict[str, Ask] = {"numpy float32, in memory": _numpy(data, filters)}
        for name, package, build in (
            ("sqlite-vec float32", "sqlite-vec", _sqlite_vec),
            ("LanceDB flat", "lancedb", _lancedb),
            ("usearch HNSW float16", "usearch", _usearch),
            ("hnswlib HNSW float32", "hnswlib", _hnswlib),
        ):
            try:
                found[f"{name} ({version(package)})"] = build(data, filters, folder, stack)
            except ImportError as error:
                print(f"{name}: left out, {error}")
        yield found


def _numpy(data: Data, filters: dict[str, Filter]) -> Ask:
    vectors = data.vectors.astype(np.float32)
    masks = {name: _mask_builder(data, allowed) for name, allowed in filters.items()}

    def ask(query: Vector, name: str) -> Ids:
        rows = np.flatnonzero(masks[name]())
        scores = (vectors if len(rows) > len(vectors) // 3 else vectors[rows]) @ query
        scores = scores[rows] if len(scores) > len(rows) else scores
        best = np.argpartition(-scores, min(K, len(scores) - 1))[:K]
        return np.asarray(rows[best[np.argsort(-scores[best])]])

    return ask


def _mask_builder(data: Data, allowed: Filter) -> Callable[[], npt.NDArray[np.bool_]]:
    """The mask from columns of small codes, as anyone would build it per query."""
    codes = (data.channel - data.channel.min()).astype(np.uint8)
    wanted = np.zeros(256, np.bool_)
    wanted[
        [channel - int(data.channel.min()) for channel in allowed.channels if channel - int(data.channel.min()) < 256]
    ] = True
    living = ~data.deleted
    author = None if allowed.authors is None else next(iter(allowed.authors))

    def build() -> npt.NDArray[np.bool_]:
        mask: npt.NDArray[np.bool_] = wanted[codes] & living
        if author is not None:
            mask &= data.author == author
        return mask

    return build


def _sqlite_vec(data: Data, filters: dict[str, Filter], folder: Path, stack: ExitStack) -> Ask:
    vec = import_module("sqlite_vec")
    driver: Any = sqlite3
    if not hasattr(sqlite3.Connection, "enable_load_extension"):
        driver = import_module("pysqlite3")
    connection = driver.connect(str(folder / "sqlite-vec.db"))
    stack.callback(connection.close)
    connection.enable_load_extension(True)
    vec.load(connection)
    connection.execute(
        # Its L2 distance is twice as fast as its cosine, and puts unit vectors in the same order.
        f"CREATE VIRTUAL TABLE v USING vec0"
        f"(id INTEGER PRIMARY KEY, e FLOAT[{DIMENSION}], channel INTEGER, author INTEGER)"
    )
    for start in range(0, len(data), CHUNK):
        vectors = data.vectors[start : start + CHUNK].astype(np.float32)
        vectors /= np.linalg.norm(
            vectors, axis=1, keepdims=True
        )  # float16's rounding made them a little longer or shorter
        connection.executemany(
            "INSERT INTO v (id, e, channel, author) VALUES (?, ?, ?, ?)",
            [
                (start + at, vector.tobytes(), int(data.channel[start + at]), int(data.author[start + at]))
                for at, vector in enumerate(vectors)
                if not data.deleted[start + at]
            ],
        )
        connection.commit()
    sql: dict[str, tuple[str, list[int]]] = {}
    for name, allowed in filters.items():
        channels = sorted(allowed.channels)
        if allowed.authors is not None:  # all channels are visible: the cheaper question
            sql[name] = "AND author = ?", [int(author) for author in allowed.authors]
        elif name == "all":
            sql[name] = "", []
        else:
            sql[name] = f"AND channel IN ({','.join('?' * len(channels))})", [int(channel) for channel in channels]

    def ask(query: Vector, name: str) -> Ids:
        where, values = sql[name]
        rows = connection.execute(
            f"SELECT id FROM v WHERE e MATCH ? AND k = {K} {where} ORDER BY distance", (query.tobytes(), *values)
        ).fetchall()
        return np.array([row for (row,) in rows], np.int64)

    return ask


def _lancedb(data: Data, filters: dict[str, Filter], folder: Path, stack: ExitStack) -> Ask:
    lancedb, arrow = import_module("lancedb"), import_module("pyarrow")
    kept = np.flatnonzero(~data.deleted)
    schema = arrow.schema(
        [("id", arrow.int64()), ("channel", arrow.int64()), ("author", arrow.int64()),
         ("vector", arrow.list_(arrow.float32(), DIMENSION))]
    )  # fmt: skip

    def batches() -> Iterator[Any]:
        for start in range(0, len(kept), CHUNK):
            rows = kept[start : start + CHUNK]
            vectors = arrow.FixedSizeListArray.from_arrays(data.vectors[rows].astype(np.float32).ravel(), DIMENSION)
            yield arrow.record_batch([rows, data.channel[rows], data.author[rows], vectors], schema=schema)

    table = lancedb.connect(str(folder / "lance")).create_table(
        "v", data=arrow.RecordBatchReader.from_batches(schema, batches())
    )
    for column in ("channel", "author"):
        table.create_scalar_index(column)
    where = {}
    for name, allowed in filters.items():
        if allowed.authors is not None:
            where[name] = f"author = {next(iter(allowed.authors))}"
        elif name != "all":
            where[name] = f"channel IN ({', '.join(str(channel) for channel in sorted(allowed.channels))})"

    def ask(query: Vector, name: str) -> Ids:
        search = table.search(query).distance_type("dot").limit(K).select(["id"])
        if name in where:
            search = search.where(where[name], prefilter=True)
        return np.array(search.to_arrow()["id"].to_numpy(), np.int64)

    return ask


def _usearch(data: Data, filters: dict[str, Filter], folder: Path, stack: ExitStack) -> Ask:
    module = import_module("usearch.index")
    index = module.Index(ndim=DIMENSION, metric="ip", dtype="f16", connectivity=32, expansion_search=128)
    index.add(np.arange(len(data)), data.vectors)
    masks = {name: _mask_builder(data, allowed) for name, allowed in filters.items()}

    def ask(query: Vector, name: str) -> Ids:
        mask = masks[name]()  # it takes no filter: ask for more and more, until enough pass
        count = 16
        while True:
            keys = np.asarray(index.search(query.astype(np.float16), count).keys, np.int64)
            passed = keys[mask[keys]]
            if len(passed) >= K or count >= EXPANSION:
                return np.asarray(passed[:K])
            count = min(count * 4, EXPANSION)

    return ask


def _hnswlib(data: Data, filters: dict[str, Filter], folder: Path, stack: ExitStack) -> Ask:
    module: types.ModuleType = import_module("hnswlib")
    index = module.Index(space="ip", dim=DIMENSION)
    index.init_index(max_elements=len(data), M=32, ef_construction=128)
    index.add_items(data.vectors.astype(np.float32), np.arange(len(data)))
    index.set_ef(128)
    index.set_num_threads(1)
    masks = {name: _mask_builder(data, allowed) for name, allowed in filters.items()}

    def ask(query: Vector, name: str) -> Ids:
        mask = masks[name]()
        try:
            found, _ = index.knn_query(query, K, filter=lambda row: mask[row])
        except RuntimeError:  # fewer than ten rows inside the filter were met
            return np.empty(0, np.int64)
        return np.asarray(found[0], np.int64)

    return ask


@dataclass(frozen=True, slots=True)
class Truth:
    """What is right for one query and filter: at least the best NEAR rows, best first, with their float64 scores."""

    rows: Ids
    scores: npt.NDArray[np.float64]
    count: int  # rows inside the filter

    def recall(self, found: Ids) -> float:
        """The share of the true ten that was found; a row that ties with the tenth in float32 counts."""
        wanted = min(K, self.count)
        if not wanted:
            return 1.0
        good = set(self.rows[self.scores >= self.scores[wanted - 1] - 1e-6].tolist())
        return min(len(good & set(found.tolist())), wanted) / wanted


def truths(data: Data, allowed: Filter, queries: Vector) -> list[Truth]:
    """For each of `queries` the exact answer over the stored float16 vectors."""
    rows = np.flatnonzero(allowed_rows(data, allowed))
    scores = np.concatenate(
        [
            data.vectors[rows[start : start + CHUNK]].astype(np.float32) @ queries.T
            for start in range(0, len(rows), CHUNK)
        ]
        or [np.empty((0, len(queries)), np.float32)]
    )
    found = []
    for query, column in zip(queries, scores.T, strict=True):
        near = np.argsort(-column)[:NEAR]
        exact = data.vectors[rows[near]].astype(np.float64) @ query.astype(np.float64)
        order = np.argsort(-exact)
        found.append(Truth(rows[near][order], exact[order], len(rows)))
    return found
