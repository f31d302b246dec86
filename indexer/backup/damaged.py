"""What a damaged database still says: the rows of each table, as far as their pages can be read.

The schema names the root of each table's tree. Leaves that no tree leads to any more, because a page above them or the
schema itself is damaged, are known by the shape of their rows: how many columns, and of which types. secure_delete
fills what was deleted with zeros, so a leaf with rows is one that was in use.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.backup import pages as trees
from indexer.backup.pages import DAMAGE, EVERYTHING, HIGHEST, LOWEST, TABLE_LEAF, Gap, Pages, Row, Tree
from indexer.database.stoppable_thread import Check

_TYPES: Mapping[str, tuple[type, ...]] = {"INTEGER": (int,), "TEXT": (str,), "BLOB": (bytes,), "REAL": (float, int)}
CHECK_ROWS = 1000  # read between two looks at whether the work was stopped


@dataclass(frozen=True, slots=True)
class Shape:
    """A table: its columns in order, with types; which must have a value; which one is the row id (None: no such)."""

    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    needed: tuple[bool, ...]
    id_column: int | None
    without_row_id: bool

    def full(self, row: Row) -> list[Any]:
        """The values of every column; columns that were added later than the row are left out."""
        row_id, values = row
        if self.id_column is not None and self.id_column < len(values) and values[self.id_column] is None:
            values = [*values[: self.id_column], row_id, *values[self.id_column + 1 :]]
        return values[: len(self.columns)]

    def fits(self, values: list[Any]) -> bool:
        """Whether these values can be a row of this table."""
        if not 1 < len(values) <= len(self.columns):
            return False
        for at, (kind, needed) in enumerate(zip(self.types, self.needed, strict=True)):
            if at == self.id_column:
                if values[at] is not None:
                    return False
            elif at >= len(values) or values[at] is None:
                if needed:
                    return False
            elif not isinstance(values[at], _TYPES.get(kind, (object,))):
                return False
        return True


def shapes(connection: sqlite3.Connection) -> dict[str, Shape]:
    """Every table of a sound database; virtual tables and views are left out."""
    found = {}
    tables = connection.execute(
        "SELECT name, wr FROM pragma_table_list WHERE type IN ('table', 'shadow') AND schema = 'main'"
        " AND name != 'sqlite_schema'"
    )
    for name, without_row_id in tables.fetchall():
        columns = connection.execute(
            'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)', (name,)
        ).fetchall()
        keys = [at for at, column in enumerate(columns) if column[4]]
        alone = len(keys) == 1 and columns[keys[0]][1] == "INTEGER" and not without_row_id
        found[name] = Shape(
            name,
            tuple(column[0] for column in columns),
            tuple(column[1] for column in columns),
            tuple(bool(column[2]) and column[3] is None for column in columns),
            keys[0] if alone else None,
            bool(without_row_id),
        )
    return found


class Damaged:
    """A database file that SQLite may refuse. Blocks; belongs to one thread."""

    def __init__(self, path: Path, known: Mapping[str, Shape], check: Check) -> None:
        """`known`: the tables of a sound database of the same schema. Raises OSError where there is no such file."""
        self._check = check
        self._known = known
        self.pages = Pages(path)
        self._claimed: set[int] = set()
        self._roots = self._read_schema()
        self._trees = {
            name: trees.walk(self.pages, self._roots[name], self._claimed)
            if name in self._roots
            else Tree(gaps=[EVERYTHING])
            for name, shape in known.items()
            if not shape.without_row_id
        }
        self._find_orphans()

    def close(self) -> None:
        self.pages.close()

    def rows(self, name: str, gaps: list[Gap]) -> Iterator[list[Any]]:
        """The values of each row that can be read of a table. At the end `gaps` has the ranges of row ids in which rows
        may be missing.
        """
        shape = self._known[name]
        if shape.without_row_id:
            yield from self.records(name, gaps)
            return
        tree = self._trees[name]
        for at, row in enumerate(trees.rows(self.pages, tree)):
            if not at % CHECK_ROWS:
                self._check()
            yield shape.full(row)
        gaps += tree.gaps

    def records(self, name: str, gaps: list[Gap]) -> Iterator[list[Any]]:
        """The records of an index, or of a table WITHOUT ROWID."""
        if name not in self._roots:
            gaps.append(EVERYTHING)
            return
        for at, record in enumerate(trees.records(self.pages, self._roots[name], gaps)):
            if not at % CHECK_ROWS:
                self._check()
            yield record

    def _read_schema(self) -> dict[str, int]:
        """The root page of each table and index whose line in the schema can be read."""
        tree = trees.walk(self.pages, 1, self._claimed) if self.pages.headed else Tree(gaps=[EVERYTHING])
        lines = list(trees.rows(self.pages, tree))
        if tree.gaps:
            for number in range(2, self.pages.count + 1):
                lines += [row for row in self._leaf(number) if _is_schema(row[1])]
        return {values[1]: values[3] for _, values in lines if _is_schema(values) and values[3]}

    def _leaf(self, number: int) -> list[Row]:
        """The rows of a leaf of a table that no tree has; none for every other page."""
        self._check()
        if number in self._claimed:
            return []
        try:
            return self.pages.rows(number)[0] if self.pages.flag(number) == TABLE_LEAF else []
        except DAMAGE:
            return []

    def _find_orphans(self) -> None:
        """Gives each leaf that no tree has to the one table whose rows its rows can be; others stay unread."""
        row_id_tables = [shape for shape in self._known.values() if not shape.without_row_id]
        for number in range(1, self.pages.count + 1):
            rows = self._leaf(number)
            fitting = [shape for shape in row_id_tables if rows and all(shape.fits(values) for _, values in rows)]
            full = [shape for shape in fitting if all(len(values) == len(shape.columns) for _, values in rows)]
            fitting = full or fitting  # an earlier version's rows may lack columns that were added since
            if len(fitting) == 1:
                self._trees[fitting[0].name].leaves.append((number, LOWEST, HIGHEST))


def _is_schema(values: list[Any]) -> bool:
    """Whether these are values of a line of sqlite_schema: kind, name, table, root page, SQL."""
    return (
        len(values) == 5
        and values[0] in ("table", "index", "trigger", "view")
        and isinstance(values[1], str)
        and isinstance(values[3], int)
    )
