"""One consistent copy of the database while others write: everything that is stored, and nothing that was deleted.

The pages are copied in steps inside one read transaction. In write-ahead logging a reader keeps no writer waiting, and
the copy does not begin anew when somebody writes (docs/adr/0034). What follows works on the copy alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.backup.verify import counts, integrity
from indexer.clock import now_ms
from indexer.database import migrate
from indexer.database.connections import connect_readonly
from indexer.database.journal import FILE_NAME as JOURNAL
from indexer.database.journal import pending
from indexer.database.stoppable_thread import Check, stoppable
from indexer.errors import StorageError
from indexer.store.forget import WORD_INDEXES

Tell = Callable[[str, int, int | None], None]

PAGES = 2048  # of 4 KiB, copied at once: between two steps the work may be stopped
PIN_TRIES = 50  # how often a moment is looked for at which nobody writes; 1 ms each
# A restored folder builds its vector index anew, and compares pictures anew.
DERIVED = ("tombstones", "segments", "coverage", "index_log", "verdicts")
NOT_COPIED = ("residue",)  # the copy holds nothing of what was deleted
DAMAGED = (
    "{database} is damaged ({reason}), so no backup of it was made. `afterimage verify` says more; an earlier backup"
    " can be restored, and `afterimage salvage` takes out what can still be read."
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state at `at_ms` (Unix milliseconds). `removals`: what was written down and not carried out by then."""

    at_ms: int
    schema: int
    counts: Mapping[str, int]
    removals: tuple[Mapping[str, Any], ...]


def take(database: Path, work: Path, target: Path, check: Check, tell: Tell) -> Snapshot:
    """Writes the copy into the new file `target`; `work` is an empty folder for what is needed meanwhile. Blocks.

    Needs room for twice the database. Raises StorageError where the database is damaged, sqlite3.Error where the disk
    refuses.
    """
    pages = work / "pages.sqlite3"
    for path in (pages, target):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(connect_readonly(database)) as source:
        schema = migrate.schema_version(source, database)
        removals = pin(source, database)
        at_ms = now_ms()

        def step(_: int, remaining: int, total: int) -> None:
            check()
            tell("pages copied", total - remaining, total)

        with closing(sqlite3.connect(pages, isolation_level=None)) as copy:
            source.backup(copy, pages=PAGES, progress=step, sleep=0)
            source.execute("ROLLBACK")
            with stoppable(copy, check):
                tell("pages cleaned", 0, None)
                _clean(copy, target)
    pages.unlink()
    with closing(sqlite3.connect(target, isolation_level=None)) as copy, stoppable(copy, check):
        tell("pages checked", 0, None)
        faults = integrity(copy)
        if faults:
            raise StorageError(DAMAGED.format(database=database, reason=faults[0].text))
        return Snapshot(at_ms, schema, counts(copy), removals)


def pin(source: sqlite3.Connection, database: Path, schema: str = "main") -> tuple[Mapping[str, Any], ...]:
    """Begins the read transaction; returns the removals that were not carried out at that moment.

    `schema`: under which the database is open in `source`.

    The journal is a file of its own. If nobody committed between its reading before and after, no removal was carried
    out in between. Where somebody commits all the time, both readings are taken: to carry out a removal twice is safe.
    """
    journal = database.with_name(JOURNAL)
    with closing(connect_readonly(database)) as watch:
        for _ in range(PIN_TRIES):
            version = watch.execute("PRAGMA data_version").fetchone()
            before = pending(journal)
            source.execute("BEGIN")
            source.execute(f"SELECT 1 FROM {schema}.sqlite_master").fetchone()  # noqa: S608 -- a constant
            after = pending(journal)
            if watch.execute("PRAGMA data_version").fetchone() == version:
                break
            source.execute("ROLLBACK")
        else:
            before = pending(journal)
            source.execute("BEGIN")
            source.execute(f"SELECT 1 FROM {schema}.sqlite_master").fetchone()  # noqa: S608 -- a constant
            after = pending(journal)
    return tuple(before) + tuple(record for record in after if record not in before)


def _clean(copy: sqlite3.Connection, target: Path) -> None:
    """Rewrites the copy into `target` without anything that was deleted.

    Free pages and the gaps inside pages are not rewritten. FTS5 only marks words of deleted texts, until its segments
    are merged.
    """
    copy.execute("PRAGMA journal_mode = OFF").fetchone()
    copy.execute("PRAGMA synchronous = OFF")
    copy.execute("PRAGMA foreign_keys = OFF")
    tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in (*DERIVED, *NOT_COPIED):
        if table in tables:
            copy.execute(f"DELETE FROM {table}")  # noqa: S608 -- a constant
    for index in WORD_INDEXES:
        if index in tables:
            copy.execute(f"INSERT INTO {index} ({index}) VALUES ('optimize')")  # noqa: S608 -- a constant
    copy.execute("VACUUM INTO ?", (str(target),))
