"""Makes a new database of what a damaged one still says; the damaged file is never written, and stays aside.

What took long to make is kept first: a picture and its embedding stay although the message that showed them is lost,
so that nothing is embedded again when that message is read anew. Where messages may be missing, nothing claims any more
to have been read: the bot reads just these stretches from Discord at its next start.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

from indexer.backup.damaged import Damaged, Shape, shapes
from indexer.backup.exchange import former_database, move_back, put_in_place
from indexer.backup.pages import EVERYTHING, Gap
from indexer.backup.restore import FORBIDDEN
from indexer.backup.snapshot import DERIVED
from indexer.backup.verify import integrity
from indexer.backup.work_folder import work_folder
from indexer.clock import now_ms
from indexer.database import journal, lock, migrate
from indexer.database.database import FILE_NAME
from indexer.database.journal import FILE_NAME as JOURNAL
from indexer.database.stoppable_thread import Check, in_stoppable_thread
from indexer.errors import StorageError
from indexer.store.forget import WORD_INDEXES

Tell = Callable[[str, int, int | None], None]

WORK_PREFIX = ".afterimage-salvage-"
COMMAND = "afterimage salvage"
AT_ONCE = 5_000  # rows between two commits
LENGTH_TOLERANCE = 1e-2  # of an embedding's length: the one with which it was stored
# What triggers make anew from other tables, what the new file has already, and what says where deleted bytes may be.
_MADE_ANEW = {
    *DERIVED,
    *("channel_authors", "channel_texts", "place_colours", "shown_texts", "word_edits"),
    *("readers", "residue", "sqlite_sequence"),
}
_PLACES_INDEX = "sqlite_autoindex_places_1"  # (message, ordinal, place): tells which places there were


@dataclass(slots=True)
class Kept:
    """Of one table. `refused` rows could be read and not be used; `gaps` are stretches that could not be read."""

    kept: int = 0
    refused: int = 0
    gaps: int = 0


@dataclass(slots=True)
class Salvaged:
    """`reread`: stretches of channels that will be read again; None: everything will be. `opt_outs_in_doubt`: opt-outs
    may have been lost that not even the audit log knows. `aside` has the damaged files.
    """

    tables: dict[str, Kept] = field(default_factory=dict)
    reread: int | None = 0
    opt_outs_in_doubt: bool = False
    unreadable_pages: int = 0
    aside: Path | None = None

    @property
    def lossless(self) -> bool:
        return not any(table.refused or table.gaps for table in self.tables.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "aside": None if self.aside is None else str(self.aside), "lossless": self.lossless}


async def salvage(data_dir: Path, tell: Tell) -> Salvaged:
    """Puts a new database with all that can be read in place of the folder's damaged one, which is moved aside.

    Raises StorageError where another process has the folder, or where nothing can be read.
    """
    return await in_stoppable_thread(lambda check: salvage_in_thread(data_dir, check, tell))


def salvage_in_thread(data_dir: Path, check: Check, tell: Tell) -> Salvaged:
    """`salvage`, in a thread that may be stopped. Blocks."""
    if former_database(data_dir) is None:
        raise StorageError(f"There is no database in {data_dir}. Check data_dir.")
    with lock.hold(data_dir):
        try:
            move_back(data_dir)
            former = former_database(data_dir)
            assert former is not None, "nobody but the lock's holder moves it"
            with work_folder(data_dir, WORK_PREFIX) as work:
                new = work / FILE_NAME
                migrate.migrate(new)
                result = _fill(new, former, check, tell)
                pending = journal.pending(former.with_name(JOURNAL))
                result.aside = put_in_place(data_dir, new, pending, command=COMMAND)
                return result
        except (OSError, sqlite3.OperationalError) as error:
            raise StorageError(f"{data_dir} cannot be written ({error}). Check the folder and its disk.") from error


def _fill(new: Path, former: Path, check: Check, tell: Tell) -> Salvaged:
    with closing(sqlite3.connect(new, isolation_level=None)) as connection:
        for pragma in ("journal_mode = MEMORY", "synchronous = OFF", "recursive_triggers = ON", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        known = shapes(connection)
        with closing(Damaged(former, known, check)) as damaged:
            salvage = _Salvage(connection, damaged, known, tell)
            salvage.run()
        if not any(kept.kept for kept in salvage.result.tables.values()):
            raise StorageError(f"Nothing can be read in {former}: restore a backup. Nothing was changed.")
        faults = integrity(connection)
        assert not faults, faults[0].text
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    return salvage.result


class _Salvage:
    """The work on one new database. `connection` is in autocommit mode."""

    def __init__(self, connection: sqlite3.Connection, damaged: Damaged, known: dict[str, Shape], tell: Tell) -> None:
        self._connection, self._damaged, self._known, self._tell = connection, damaged, known, tell
        self.result = Salvaged()
        self._gaps: dict[str, list[Gap]] = {}
        self._lost: defaultdict[int, list[Gap]] = defaultdict(list)  # by channel: messages to read again
        self._dimensions: dict[int, int] = {}

    def run(self) -> None:
        for table in self._order():
            self._copy(table)
        self._bring_opt_outs_back()
        self._find_lost_places()
        self._open_spans()
        self._finish()

    def _order(self) -> list[str]:
        """Every table that holds what nothing else says, each after those that it refers to."""
        shadows = tuple(f"{index}_" for index in WORD_INDEXES)
        tables = [name for name in self._known if name not in _MADE_ANEW and not name.startswith((*shadows, "sqlite_"))]
        graph = TopologicalSorter({name: {parent for _, parent, _ in self._parents(name)} - {name} for name in tables})
        graph.add("saved_notices", "picture_texts")  # else each text would be told of as new (migration 0028)
        return [name for name in graph.static_order() if name in tables]

    def _parents(self, table: str) -> list[tuple[str, str, str]]:
        """(column, the table that it refers to, the column there)"""
        rows = self._connection.execute('SELECT "from", "table", "to" FROM pragma_foreign_key_list(?)', (table,))
        found = []
        for column, parent, target in rows.fetchall():
            shape = self._known[parent]
            found.append((column, parent, target or shape.columns[shape.id_column or 0]))
        return found

    def _copy(self, table: str) -> None:
        kept, gaps, shape = Kept(), list[Gap](), self._known[table]
        exists = {
            column: f" AND (:{column} IS NULL OR EXISTS (SELECT 1 FROM {parent} WHERE {target} = :{column}))"  # noqa: S608 -- names of the schema
            for column, parent, target in self._parents(table)
        }
        self._connection.execute("BEGIN")
        for at, values in enumerate(self._damaged.rows(table, gaps)):
            if at % AT_ONCE == AT_ONCE - 1:
                self._tell(table, at + 1, None)
                self._connection.execute("COMMIT")
                self._connection.execute("BEGIN")
            row = self._usable(table, dict(zip(shape.columns, values, strict=False)))
            if row is not None and self._insert(table, row, exists):
                kept.kept += 1
            else:
                kept.refused += 1
                self._note_refused(table, dict(zip(shape.columns, values, strict=False)))
        self._connection.execute("COMMIT")
        kept.gaps = len(gaps)
        self.result.tables[table] = kept
        self._gaps[table] = gaps

    def _insert(self, table: str, row: dict[str, Any], exists: dict[str, str]) -> bool:
        """False where the row breaks a rule of the schema, or names a row that is not there."""
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        parents = "".join(clause for column, clause in exists.items() if column in row)
        try:
            cursor = self._connection.execute(
                f"INSERT OR IGNORE INTO {table} ({names}) SELECT {values} WHERE true{parents}",
                row,
            )
        except (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.DataError, OverflowError, UnicodeError):
            return False
        return cursor.rowcount > 0

    def _usable(self, table: str, row: dict[str, Any]) -> dict[str, Any] | None:
        """The row as it goes into the new database; None where it is no such row."""
        if table in ("channels", "messages") and self._gaps["guilds"]:
            self._stand_in("guilds", row.get("guild_id"), "consent, added_ms", (0, now_ms()))
        match table:
            case "messages" if self._gaps["users"]:
                self._stand_in("users", row.get("author_id"), "bot", (None,))
            case "embeddings" | "frames":
                return row if self._is_embedding(row) else None
            case "places" if row.get("picture_id") is not None and not self._is_there("pictures", row["picture_id"]):
                fetch_again = {"picture_id": None, "state": "pending", "reason": None, "next_attempt_ms": None}
                return {**row, **fetch_again}
        return row

    def _stand_in(self, table: str, row_id: Any, columns: str, values: tuple[Any, ...]) -> None:
        """A server or an author whose row is lost: its number is its name until Discord tells it again."""
        key = self._known[table].columns[0]
        if isinstance(row_id, int):
            marks = ", ".join("?" * len(values))
            sql = f"INSERT OR IGNORE INTO {table} ({key}, name, {columns}) VALUES (?, ?, {marks})"  # noqa: S608 -- names of the schema
            self._connection.execute(sql, (row_id, str(row_id), *values))

    def _is_there(self, table: str, row_id: Any) -> bool:
        key = self._known[table].columns[0]
        sql = f"SELECT 1 FROM {table} WHERE {key} = ?"  # noqa: S608 -- names of the schema
        return self._connection.execute(sql, (row_id,)).fetchone() is not None

    def _is_embedding(self, row: dict[str, Any]) -> bool:
        """Whether the vector is a model's: damaged bytes have another length, or are not of unit length."""
        if not self._dimensions:
            self._dimensions = dict(self._connection.execute("SELECT model_id, dimension FROM models").fetchall())
        vector = row.get("vector")
        if not isinstance(vector, bytes) or len(vector) != 2 * self._dimensions.get(row.get("model_id", 0), 0):
            return False
        length = float(np.linalg.norm(np.frombuffer(vector, "<f2").astype(np.float32)))
        return abs(length - 1) < LENGTH_TOLERANCE

    def _note_refused(self, table: str, row: dict[str, Any]) -> None:
        message, channel = row.get("message_id"), row.get("channel_id")
        if table == "messages" and isinstance(message, int) and isinstance(channel, int):
            self._lost[channel].append((message, message))

    def _bring_opt_outs_back(self) -> None:
        """Where opt-outs may be missing, the audit log says who opted out and did not come back."""
        if self._gaps["opt_outs"]:
            self._connection.execute(
                "INSERT OR IGNORE INTO opt_outs (guild_id, user_id, at_ms)"
                " SELECT ifnull(guild_id, 0), detail ->> 'user', at_ms FROM audit_log a"
                " WHERE action = 'privacy.forget' AND json_valid(detail) AND detail ->> 'user' IS NOT NULL"
                " AND NOT EXISTS (SELECT 1 FROM audit_log b WHERE b.action = 'privacy.return'"
                "   AND b.actor_id = a.detail ->> 'user' AND b.audit_id > a.audit_id"
                "   AND (a.guild_id IS NULL OR a.guild_id = b.guild_id))"  # as Service.welcome_back takes them back
            )
            self.result.opt_outs_in_doubt = bool(self._gaps["audit_log"])
        for sql in FORBIDDEN:
            self._connection.execute(sql)

    def _find_lost_places(self) -> None:
        """Messages that lost a place are read again, and so is a message whose words are lost."""
        self._connection.execute(
            "INSERT INTO texts (message_id) SELECT message_id FROM messages"
            " WHERE message_id NOT IN (SELECT message_id FROM texts)"
        )
        if not self._gaps["places"] and not self.result.tables["places"].refused:
            return
        gaps: list[Gap] = []
        self._connection.execute("CREATE TEMP TABLE shown (message_id INTEGER, place_id INTEGER)")
        shown = (
            (record[0], record[2])
            for record in self._damaged.records(_PLACES_INDEX, gaps)
            if len(record) == 3 and all(isinstance(value, int) for value in record)
        )
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO shown VALUES (?, ?)", shown)
        self._connection.execute("COMMIT")
        lost = self._connection.execute(
            "SELECT DISTINCT message_id, channel_id FROM shown JOIN messages USING (message_id)"
            " WHERE place_id NOT IN (SELECT place_id FROM places)"
        )
        for message, channel in lost:
            self._lost[channel].append((message, message))
        self._gaps["places"] = gaps  # of the index: what it does not say nobody knows

    def _open_spans(self) -> None:
        """Takes out of the spans whatever may be missing."""
        everywhere = [*self._gaps["messages"], *self._gaps["texts"], *self._gaps["places"]]
        if EVERYTHING in everywhere:
            self._connection.execute("DELETE FROM spans")
            self.result.reread = None
            return
        opened = 0
        self._connection.execute("BEGIN")
        for channel, origin, low, high in self._connection.execute("SELECT * FROM spans").fetchall():
            pieces = without((low, high), [*everywhere, *self._lost.get(channel, [])])
            if pieces == [(low, high)]:
                continue
            opened += 1
            self._connection.execute(
                "DELETE FROM spans WHERE channel_id = ? AND origin_id = ? AND low = ?", (channel, origin, low)
            )
            self._connection.executemany(
                "INSERT INTO spans (channel_id, origin_id, low, high) VALUES (?, ?, ?, ?)",
                [(channel, origin, *piece) for piece in pieces],
            )
        self._connection.execute("COMMIT")
        self.result.reread = opened

    def _finish(self) -> None:
        for name, number in self._damaged.rows("sqlite_sequence", []):
            if isinstance(name, str) and isinstance(number, int):
                self._connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, name))
        self._connection.execute("DELETE FROM index_log")  # no segment is there yet: an index is made of all rows
        self._connection.execute("INSERT INTO audit_log (at_ms, action) VALUES (?, 'backup.salvage')", (now_ms(),))
        self.result.unreadable_pages = self._damaged.pages.unreadable


def without(span: Gap, gaps: list[Gap]) -> list[Gap]:
    """The parts of a closed range that no gap touches, ascending."""
    pieces: list[Gap] = []
    low, high = span
    for first, last in sorted(gaps):
        if last < low or first > high:
            continue
        if first > low:
            pieces.append((low, first - 1))
        low = max(low, last + 1)
    if low <= high:
        pieces.append((low, high))
    return pieces
