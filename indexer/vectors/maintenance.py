"""Maintains an index: seals the memtable, merges segments, purges deleted places, rebuilds damaged segments.

All four are one step: it writes some places into one new segment (or several, of at most MAX_ROWS) and removes some old
segments. A thread makes a compaction plan and its files from one snapshot of SQLite. Then one transaction puts the
files into use. A change that comes between the two leaves a line in the log, and every reader reads that line.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from sys import maxsize
from typing import TYPE_CHECKING, TypeVar

from indexer.clock import now_ms
from indexer.database.database import Database
from indexer.database.stoppable_thread import Check, in_stoppable_thread
from indexer.platforms.files import delete
from indexer.platforms.heap import return_free_memory
from indexer.records.ids import GuildId, ModelId
from indexer.vectors import compaction_plan, log_follower
from indexer.vectors.compaction_input import Snapshot
from indexer.vectors.compaction_plan import CompactionPlan
from indexer.vectors.segment import SUFFIX

if TYPE_CHECKING:
    from indexer.vectors.index import VectorIndex

logger = logging.getLogger(__name__)

T = TypeVar("T")

ROUNDS = 4  # publications of one index in a row; what is written meanwhile waits for the next call


class Maintenance:
    """Runs one step at a time, guild after guild. Only the process that holds the writer lock may run it."""

    def __init__(self, index: VectorIndex) -> None:
        self._index = index
        self._turn = asyncio.Lock()
        self._small: dict[tuple[int, int], int] = {}  # guilds too small to seal, and the end of the log at that time

    async def run(self, db: Database, guild_id: GuildId | None, *, everything: bool) -> None:
        async with self._turn:
            if self._index.let_go_of_idle():
                await self._in_thread(lambda _: return_free_memory())
            await self._in_thread(lambda _: self._remove_orphans())
            for guild, model in await self._in_thread(lambda _: self._indexes(guild_id)):
                for _ in range(ROUNDS):
                    if not await self._step(db, guild, model, everything=everything):
                        break

    async def _step(self, db: Database, guild_id: GuildId, model_id: ModelId, *, everything: bool) -> bool:
        """Makes one publication. Returns whether more may be due."""
        work = await self._in_thread(lambda check: self._prepare(guild_id, model_id, everything, check))
        if work is None:
            return False
        try:
            published = await self._publish(db, work)
        except BaseException:
            self._unlink(work.paths)
            raise
        if not published:
            self._unlink(work.paths)
            return False
        await self._in_thread(lambda _: self._unlink(work.retired))  # in a thread: deleting 400 MB takes time
        return bool(work.records)

    def _prepare(self, guild_id: GuildId, model_id: ModelId, everything: bool, check: Check) -> CompactionPlan | None:
        index = self._index
        settings = index.settings if index.mapped else replace(index.settings, seal_rows=maxsize)
        with index.connection() as connection:
            connection.execute("BEGIN")
            try:
                newest = log_follower.newest(connection, guild_id)
                if not everything and self._small.get((guild_id, model_id)) == newest:
                    return None
                snapshot = Snapshot(connection, guild_id, model_id, index.dimension(model_id), check)
                work = compaction_plan.make(snapshot, settings, index.files(guild_id, model_id), everything=everything)
                self._small.pop((guild_id, model_id), None)
                if work is None and log_follower.coverage(connection, guild_id, model_id) is None:
                    self._small[guild_id, model_id] = newest
                return work
            finally:
                connection.execute("ROLLBACK")

    async def _publish(self, db: Database, work: CompactionPlan) -> bool:
        """The one transaction. False when the guild was deleted, or another plan published, since the plan was made."""
        created_ms = now_ms()
        async with db.transaction() as tx:
            covered = list(
                await tx.execute_fetchall(
                    "SELECT generation FROM coverage WHERE guild_id = ? AND model_id = ?",
                    (work.guild_id, work.model_id),
                )
            )
            known = list(await tx.execute_fetchall("SELECT 1 FROM guilds WHERE guild_id = ?", (work.guild_id,)))
            if not known or (covered[0][0] if covered else None) != work.generation:
                return False
            for segment_id in work.retired_ids:
                await tx.execute_fetchall("DELETE FROM segments WHERE segment_id = ?", (segment_id,))
            await tx.executemany(
                "INSERT INTO segments (guild_id, model_id, name, vectors, places, byte_count, table_crc, vectors_crc,"
                " created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (work.guild_id, work.model_id, r.name, r.vectors, r.places, r.byte_count, r.table_crc,
                     r.vectors_crc, created_ms)
                    for r in work.records
                ],
            )  # fmt: skip
            await tx.executemany(
                "INSERT INTO tombstones (segment_id, place_row, at_s) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                work.tombstones,
            )
            await tx.execute_fetchall(
                "INSERT INTO coverage (guild_id, model_id, covered_seq, generation) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET covered_seq = excluded.covered_seq, generation = excluded.generation",
                (work.guild_id, work.model_id, work.seq, secrets.randbits(62)),
            )
            # The new segments cover the model's own lines now. Other lines stay until all indexes of the guild do so.
            await tx.execute_fetchall(
                "DELETE FROM index_log WHERE guild_id = ?1 AND seq <= ?2 AND (model_id = ?3"
                " OR seq <= (SELECT min(covered_seq) FROM coverage WHERE guild_id = ?1))",
                (work.guild_id, work.seq, work.model_id),
            )
        return True

    def _indexes(self, guild_id: GuildId | None) -> list[tuple[GuildId, ModelId]]:
        """Every (guild, model) that may have something to do."""
        with self._index.connection() as connection:
            rows = connection.execute(
                "SELECT g.guild_id, m.model_id FROM guilds g CROSS JOIN models m"
                " WHERE ?1 IS NULL OR g.guild_id = ?1 ORDER BY 1, 2",
                (guild_id,),
            ).fetchall()
        return [(GuildId(guild), ModelId(model)) for guild, model in rows]

    def _remove_orphans(self) -> None:
        """Deletes files that no row in `segments` names: of a removed guild, or of a process that was killed early."""
        folder = self._index.folder
        if not folder.is_dir():
            return
        with self._index.connection() as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM segments")}
        for path in [*folder.glob(f"*/*/*{SUFFIX}"), *folder.glob(f"*/*/*{compaction_plan.PARTIAL}")]:
            if path.suffix == compaction_plan.PARTIAL or path.stem not in names:
                delete(path)
        for empty in [*folder.glob("*/*"), *folder.glob("*")]:
            with suppress(OSError):
                empty.rmdir()

    def _unlink(self, paths: Iterable[Path]) -> None:
        for path in paths:
            if not delete(path):
                logger.info("%s is still read: Windows keeps it until a later compaction finds it free", path)

    async def _in_thread(self, work: Callable[[Check], T]) -> T:
        """Runs `work(check)` in a thread. A plan that comes after this task was cancelled loses its files."""
        return await in_stoppable_thread(work, self._discard)

    def _discard(self, result: object) -> None:
        if isinstance(result, CompactionPlan):
            self._unlink(result.paths)
