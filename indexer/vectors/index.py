"""The vector index of all guilds. It searches segments and memtable together, and reads changes from SQLite itself."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial, reduce
from logging import getLogger
from os import cpu_count
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar
from weakref import WeakValueDictionary

import numpy as np

from indexer.database.database import Database
from indexer.records.hits import Candidate, Filter, Floor
from indexer.records.ids import GuildId, ModelId
from indexer.records.pictures import Vectors
from indexer.settings import IndexSettings
from indexer.store import place_colours
from indexer.store.filter_sql import EXIF_PLACES, NOT_TAGGED_PLACES, TAGGED_PLACES, TEXT_PLACES, filter_values
from indexer.vectors import kernels, log_follower, maintenance, sqlite_scan
from indexer.vectors.candidates import places_in, ranked
from indexer.vectors.columns import Bytes, Ints, Part
from indexer.vectors.filter import Terms, compile_filter, plans
from indexer.vectors.log_follower import Files, LogFollower, View
from indexer.vectors.sample import of_parts
from indexer.vectors.scan import Accelerator, Tools, best
from indexer.vectors.segment import SUFFIX, Damaged, Record, Segment

log = getLogger(__name__)

IDLE_S = 900.0  # seconds without a search after which a guild's memtable and mappings are closed
# Seconds without a search after which a guild's segments give back their memory: 150 MB of 100,000 pictures. The next
# search maps them again from the system's cache.
REST_S = 30.0
SERVING_S = 15.0  # seconds for which the answer "the new model does not cover this guild yet" is kept

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class IndexAnswer:
    """The best pictures, best first. `searched` counts the places inside the filter. `floor`: which floor answered."""

    candidates: tuple[Candidate, ...]
    searched: int
    floor: Floor


class VectorIndex:
    """Searches every guild's embeddings. Thread-safe; `search` blocks (call it through asyncio.to_thread).

    Each search first reads the log in SQLite. So it finds what any process has committed, and not what any process has
    deleted. The process that holds the writer lock must also call `maintain` regularly; readers call nothing.
    """

    def __init__(
        self, database_path: Path, folder: Path, settings: IndexSettings, accelerator: Accelerator | None = None
    ) -> None:
        """`folder` has one folder of segments for each guild. It need not exist. Nothing is opened yet.

        `accelerator` does the first pass of wide scans where it can. The answers are the same without it.
        """
        self.database_path, self.folder, self.settings = database_path, folder, settings
        found = kernels.load() if settings.engine != "direct" else None
        self._threads = settings.threads or min(cpu_count() or 1, 4)
        self._tools = Tools(found, self._threads, accelerator) if found else None
        self._scanners = ThreadPoolExecutor(max(self._threads - 1, 1), "scan")
        self._checker = ThreadPoolExecutor(1, "segment-check")
        self._closing = threading.Event()
        self._lock = threading.Lock()  # guards the attributes below; held for microseconds
        self._watch: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []
        self._followers: dict[tuple[int, int], tuple[threading.Lock, LogFollower]] = {}
        self._seen: dict[tuple[int, int], int] = {}
        self._used: dict[tuple[int, int], float] = {}
        self._resting: set[tuple[int, int]] = set()
        self._segments: WeakValueDictionary[str, Segment] = WeakValueDictionary()
        self._damaged: set[str] = set()
        self._serving: dict[tuple[int, int], tuple[ModelId, float]] = {}
        self._maintenance = maintenance.Maintenance(self)

    def search(self, guild_id: GuildId, model_id: ModelId, query: Vectors, k: int, allowed: Filter) -> IndexAnswer:
        """The k pictures nearest to `query` ([d] float32) among the places that `allowed` lets through, exactly.

        Equal scores: newest message first. Raises ValueError where the query does not fit the model.
        """
        values = np.ascontiguousarray(query, np.float32)
        dimension = self.dimension(model_id)
        if values.shape != (dimension,) or not 0 < float(values @ values) < np.inf:
            raise ValueError(f"not a query of {dimension} finite values, not all zero: {values.shape}, {values}")
        if k < 1 or not allowed.channels:
            return IndexAnswer((), 0, Floor.INDEX if self._tools else Floor.DIRECT)
        view = self._follow(guild_id, model_id, dimension) if self._tools else None
        if view is None or not view.whole or self._tools is None:
            with self.connection() as connection:
                candidates, searched = sqlite_scan.search(connection, guild_id, model_id, values, k, allowed)
            return IndexAnswer(candidates, searched, Floor.DIRECT)
        parts = self._compiled(view, allowed)
        scanned, planned = plans(parts)
        top = best(self._tools, scanned, planned, values, k, self._spread)
        candidates = ranked(top.pictures, top.scores, places_in(parts, top, own_rows=len(scanned) == 1), k)
        return IndexAnswer(candidates, sum(plan.places for plan in planned), Floor.INDEX)

    def sample(self, guild_id: GuildId, model_id: ModelId, allowed: Filter, count: int) -> Bytes:
        """[n, 2·d] float16 bytes of `count` pictures (all, where there are fewer) that `allowed` lets through. Blocks.

        Which ones, and in which order, depends on those pictures' messages alone (indexer/vectors/sample.py).
        """
        dimension = self.dimension(model_id)
        if not allowed.channels:
            return np.empty((0, 2 * dimension), np.uint8)
        view = self._follow(guild_id, model_id, dimension) if self._tools else None
        if view is None or not view.whole:
            with self.connection() as connection:
                return sqlite_scan.sample(connection, guild_id, model_id, dimension, allowed, count)
        return of_parts(self._compiled(view, allowed), dimension, count)

    def serving_model(self, guild_id: GuildId, wanted: ModelId) -> ModelId:
        """The model whose embeddings answer for this guild.

        It is `wanted`, as soon as `wanted` was tried with every picture of the guild that another model has; before, it
        is the other model with the most embeddings. Blocks. Once the answer is `wanted` it stays so: later pictures are
        embedded with `wanted` alone.
        """
        key = (guild_id, wanted)
        remembered = self._serving.get(key)
        if remembered is not None and (remembered[0] == wanted or time.monotonic() < remembered[1]):
            return remembered[0]
        with self.connection() as connection:
            serving = ModelId(log_follower.serving_model(connection, guild_id, wanted))
        self._serving[key] = (serving, time.monotonic() + SERVING_S)
        return serving

    async def maintain(self, db: Database, guild_id: GuildId | None = None) -> None:
        """Seals, compacts, purges and rebuilds what is due, in a thread, and publishes through `db`.

        Searches go on meanwhile. It may be cancelled at any moment: unfinished work is then dropped.
        """
        await self._maintenance.run(db, guild_id, everything=False)

    async def compact(self, db: Database, guild_id: GuildId | None = None) -> None:
        """Like `maintain`, but purges at once: afterwards no file holds a vector that was deleted before the call."""
        await self._maintenance.run(db, guild_id, everything=True)

    def close(self) -> None:
        """Ends the threads. Searches that have begun run to their end; later ones raise RuntimeError."""
        self._closing.set()
        self._scanners.shutdown()
        self._checker.shutdown()
        with self._lock:
            connections = [*self._idle, *([self._watch] if self._watch else [])]
            self._idle, self._watch = [], None
            self._followers.clear()
            self._used.clear()
        for connection in connections:
            connection.close()

    def wait_for_checks(self) -> None:
        """Returns when every segment opened so far has been checked in full. Blocks."""
        self._checker.submit(lambda: None).result()

    def files(self, guild_id: GuildId, model_id: ModelId) -> Files:
        """This index's segments. Each is opened once and shared; its full check runs in the background."""
        return Files(
            lambda record, dimension: self._open_segment(guild_id, model_id, record, dimension),
            lambda record, why: self._set_aside(guild_id, model_id, record, why),
            lambda name: self._path_of(guild_id, model_id, name),
        )

    def let_go_of_idle(self) -> bool:
        """Closes the indexes that nobody has searched for IDLE_S, and gives back the memory of those that rest.

        Returns whether one has come to rest since the last call.
        """
        now = time.monotonic()
        with self._lock:
            for key in [key for key, used in self._used.items() if used < now - IDLE_S]:
                del self._followers[key], self._used[key]
                self._seen.pop(key, None)
            resting = {key for key, used in self._used.items() if used < now - REST_S}
            views = [self._followers[key][1].view for key in resting]
            new, self._resting = resting - self._resting, resting
        for view in views:
            for part in view.parts:
                if isinstance(part.block, Segment):
                    part.block.rest()
        return bool(new)

    def _open_segment(self, guild_id: GuildId, model_id: ModelId, record: Record, dimension: int) -> Segment:
        """Raises Damaged."""
        with self._lock:
            segment = self._segments.get(record.name)
            damaged = record.name in self._damaged
        path = self._path_of(guild_id, model_id, record.name)
        if damaged:
            raise Damaged(record, f"{path}: found damaged before")
        if segment is not None and segment.record.id == record.id:
            return segment
        segment = Segment(path, record, dimension)
        with self._lock:
            self._segments[record.name] = segment
        segment.prefetch()
        self._checker.submit(self._check, guild_id, model_id, segment)
        return segment

    def _check(self, guild_id: GuildId, model_id: ModelId, segment: Segment) -> None:
        if not segment.verify(self._closing.is_set):
            self._set_aside(guild_id, model_id, segment.record, "its checksum is wrong")

    def _set_aside(self, guild_id: GuildId, model_id: ModelId, record: Record, why: str) -> None:
        """Excludes a damaged segment from all searches. The next `maintain` replaces it."""
        with self._lock:
            already_damaged = record.name in self._damaged
            self._damaged.add(record.name)
            self._segments.pop(record.name, None)
            entry = self._followers.get((guild_id, model_id))
        if entry is not None:
            entry[1].stale = True
        if not already_damaged:
            name = f"{guild_id}/{model_id}/{record.name}"
            log.warning("segment %s is set aside, SQLite answers until it is rebuilt: %s", name, why)

    def _path_of(self, guild_id: GuildId, model_id: ModelId, name: str) -> Path:
        return self.folder / str(guild_id) / str(model_id) / f"{name}{SUFFIX}"

    def dimension(self, model_id: ModelId) -> int:
        """The dimension of the model's vectors. Raises ValueError for an unknown model."""
        with self._lock:
            for (_, model), (_, follower) in self._followers.items():
                if model == model_id:
                    return follower.dimension
        with self.connection() as connection:
            row = connection.execute("SELECT dimension FROM models WHERE model_id = ?", (model_id,)).fetchone()
        if row is None:
            raise ValueError(f"model {model_id} is unknown")
        return int(row[0])

    @property
    def mapped(self) -> bool:
        """Whether this index uses segments: FAISS can be imported and the settings allow it."""
        return self._tools is not None

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A read-only connection of the index's own, in autocommit. Raises RuntimeError once it is closed."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            if self._closing.is_set():
                raise RuntimeError("the index is closed")
            connection = log_follower.connect(self.database_path)
        try:
            yield connection
        finally:
            with self._lock:
                if not self._closing.is_set() and not connection.in_transaction:
                    self._idle.append(connection)
                    connection = None
            if connection is not None:
                connection.close()

    def _follow(self, guild_id: GuildId, model_id: ModelId, dimension: int) -> View:
        key = (guild_id, model_id)
        with self._lock:
            version = self._version()
            if key not in self._followers:
                follower = LogFollower(guild_id, model_id, dimension, self.files(guild_id, model_id))
                self._followers[key] = (threading.Lock(), follower)
            turn, follower = self._followers[key]
            self._used[key] = time.monotonic()
            if self._seen.get(key) == version and not follower.stale:
                return follower.view
        with turn:
            with self.connection() as connection:
                view = follower.follow(connection)
            with self._lock:
                self._seen[key] = version
            return view

    def _compiled(self, view: View, allowed: Filter) -> list[tuple[Part, Terms]]:
        """The parts that have rows inside the filter, each with the filter in the part's codes."""
        places, not_places = self._listed(allowed)
        return [
            (part, terms)
            for part in view.parts
            if (terms := compile_filter(part.block, allowed, places, not_places)) is not None
        ]

    def _listed(self, allowed: Filter) -> tuple[Ints | None, Ints | None]:
        """The only places that pass what SQLite alone knows of the filter, and those that do not, ascending; None: any,
        and none.
        """
        inside = {
            EXIF_PLACES: allowed.exif is not None,
            TAGGED_PLACES: bool(allowed.tags),
            TEXT_PLACES: allowed.text is True,
        }
        outside = {NOT_TAGGED_PLACES: bool(allowed.not_tags), TEXT_PLACES: allowed.text is False}
        if not any((*inside.values(), *outside.values(), allowed.colours)):
            return None, None
        with self.connection() as connection:
            listed = [_places(connection, sql, allowed) for sql, asked in inside.items() if asked]
            left_out = [_places(connection, sql, allowed) for sql, asked in outside.items() if asked]
            if allowed.colours:
                listed.append(np.sort(place_colours.shown(connection, allowed).places))
        return (
            reduce(partial(np.intersect1d, assume_unique=True), listed) if listed else None,
            reduce(np.union1d, left_out) if left_out else None,
        )

    def _version(self) -> int:
        """A number that changes with every commit of any process (3 µs)."""
        if self._watch is None:
            if self._closing.is_set():
                raise RuntimeError("the index is closed")
            self._watch = log_follower.connect(self.database_path)
        (version,) = self._watch.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _spread(self, function: Callable[[T], U], tasks: Sequence[T]) -> Iterable[U]:
        """`function` of each of `tasks`. This thread and the scanner threads take the next task until none is left."""
        task_numbers = SimpleQueue[int]()
        for number in range(len(tasks)):
            task_numbers.put(number)
        results: dict[int, U] = {}

        def work() -> None:
            with suppress(Empty):
                while True:
                    number = task_numbers.get_nowait()
                    results[number] = function(tasks[number])

        helpers = min(self._threads, len(tasks)) - 1
        futures = [self._scanners.submit(work) for _ in range(helpers)]
        work()
        for future in futures:  # a task that has not begun, because scanners are busy, is not needed
            if not future.cancel():
                future.result()
        return [results[number] for number in range(len(tasks))]


def _places(connection: sqlite3.Connection, sql: str, allowed: Filter) -> Ints:
    """[n] int64, the places that this question of filter_sql.py names, ascending. 8 bytes each."""
    cursor = connection.execute(sql, filter_values(allowed))
    return np.fromiter((place_id for (place_id,) in cursor), np.int64)
