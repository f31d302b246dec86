"""Nothing that is stored is forgotten when somebody adds a table: each is decided about."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from indexer.bundles import content
from indexer.bundles.tables import CARRIED, LEFT_OUT, MOVED, STAYS
from indexer.database.database import FILE_NAME
from indexer.store.forget import WORD_INDEXES
from tests.worlds.migrated import migrated

MADE_BY_SQLITE = tuple(f"{index}_" for index in WORD_INDEXES)


def test_every_table_and_every_column_is_decided_about(tmp_path: Path) -> None:
    with closing(sqlite3.connect(migrated(tmp_path) / FILE_NAME)) as connection:
        tables = {
            name: {column for _, column, *_ in connection.execute(f"PRAGMA table_info({name})")}
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if not name.startswith(("sqlite_", *MADE_BY_SQLITE)) and name not in WORD_INDEXES
        }
    assert sorted([*CARRIED, *MOVED, *STAYS]) == sorted(tables)
    for table, columns in (CARRIED | MOVED).items():
        left_out = set(LEFT_OUT.get(table, {}))
        assert columns | left_out == tables[table], table
        assert not columns & left_out


def test_what_is_carried_has_a_column_in_the_format() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        content.create(connection)
        found = {
            table: {column for _, column, *_ in connection.execute(f"PRAGMA table_info({table})")}
            for table in content.TABLES
        }
    found["texts"] = found["messages"]
    for table in ("embeddings", "frames"):
        found[table] |= {"picture_id", "model_id"}  # in the embedding's number
    for table, columns in CARRIED.items():
        assert columns <= found[table], table
