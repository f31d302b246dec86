"""Brings a database file to the schema this version knows, one transaction a step, a copy kept before each upgrade.

The schema is the numbered files in `migrations/`; `PRAGMA user_version` counts those that were applied and
`PRAGMA application_id` says that the file is ours. Both are part of the transaction that they describe. So after a kill
the schema is that before or after a step, never between. Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from indexer.errors import StorageError
from indexer.platforms.files import sync_file, sync_folder

# "AfIm" in ASCII: it is in the header of our databases alone, where `file` and SQLite read it.
APPLICATION_ID = 0x4166496D

KEPT_BACKUPS = 3


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step. `number` is the `user_version` after it; numbers are 1, 2, 3, … without gaps."""

    number: int
    name: str
    script: str


def shipped() -> tuple[Migration, ...]:
    """The migrations of this version of Afterimage, in order."""
    files = sorted(
        (entry for entry in resources.files("migrations").iterdir() if re.fullmatch(r"\d{4}_\w+\.sql", entry.name)),
        key=lambda entry: entry.name,
    )
    steps = tuple(Migration(int(entry.name[:4]), entry.name, entry.read_text(encoding="utf-8")) for entry in files)
    assert [step.number for step in steps] == list(range(1, len(steps) + 1)), [step.name for step in steps]
    return steps


def statements(script: str) -> Iterator[str]:
    """The statements of an SQL script, one by one. A trigger with its body is one statement.

    `executescript` commits an open transaction before it starts. So a step in one transaction runs single statements.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""
    assert not re.sub(r"--[^\n]*", "", statement).strip(), (
        f"an SQL statement without its semicolon: {statement.strip()}"
    )


def schema_version(connection: sqlite3.Connection, path: Path) -> int:
    """How many migrations the file has had: 0 for an empty one.

    Raises StorageError for a file that is not ours, sqlite3.Error for one that cannot be opened.
    """
    try:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise
        raise StorageError(
            f"{path} is not a database, or a damaged one ({error}). `afterimage restore` puts a backup in its place, "
            f"`afterimage salvage` takes out what can still be read."
        ) from error
    if application_id == APPLICATION_ID:
        return int(version)
    if application_id == 0 and version == 0 and tables == 0:
        return 0
    raise StorageError(f"{path} is a database of another program. Choose another data_dir, or move the file away.")


def check(path: Path, migrations: Sequence[Migration] | None = None) -> None:
    """Raises StorageError unless `path` is a database of exactly this version's schema. Changes nothing."""
    newest = len(shipped() if migrations is None else migrations)
    if not path.exists():
        raise StorageError(f"There is no database at {path}. Start the bot once, or check data_dir.")
    try:
        with contextlib.closing(_connect(path, "ro")) as connection:
            version = schema_version(connection, path)
    except sqlite3.Error as error:
        raise StorageError(f"{path} cannot be read ({error}). Check the permissions of it and its folder.") from error
    _refuse_newer(path, version, newest)
    if version < newest:
        raise StorageError(
            f"{path} has schema {version}, this version needs {newest}. Start the bot once: it upgrades the database."
        )


def migrate(path: Path, migrations: Sequence[Migration] | None = None) -> int:
    """Creates or upgrades the database at `path`; returns its schema version. A non-empty one is backed up first.

    Raises StorageError where the file is not ours, newer than this version, unreadable, or has no room to grow.
    The caller holds the data folder's writer lock.
    """
    steps = shipped() if migrations is None else migrations
    try:
        if not path.exists():  # members' texts: only the bot's own user may read them; -wal and -shm inherit that
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with contextlib.closing(_connect(path, "rw")) as connection:
            version = schema_version(connection, path)
            _refuse_newer(path, version, len(steps))
            _sweep_unfinished_backups(path)
            if 0 < version < len(steps):
                back_up(connection, path, version)
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            upgrade(connection, steps)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(
            f"{path} could not be created or upgraded ({error}). Look at the disk's room and the folder's permissions; "
            f"the file is as it was before the failed step."
        ) from error
    return len(steps)


def upgrade(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    """Applies the missing migrations, each in its own transaction. `connection` is in autocommit mode."""
    # Off while tables are rebuilt (SQLite's own advice for ALTER by copy); foreign_key_check runs before each COMMIT.
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA synchronous = FULL")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for step in migrations[version:]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements(step.script):
                connection.execute(statement)
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
            if orphans:
                raise StorageError(f"{step.name} would leave {len(orphans)} rows without what they refer to.")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {step.number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise


def back_up(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    """A copy of the open database beside it, complete or absent; the newest `KEPT_BACKUPS` are kept."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = path.with_name(f"{path.stem}.v{version:04d}.{stamp}.backup.sqlite3")
    unfinished = target.with_suffix(".unfinished")
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with contextlib.closing(sqlite3.connect(unfinished)) as copy:
        connection.backup(copy)
        # The copy has the WAL flag of its source. With that flag, opening the copy would make a -wal file beside it.
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
    sync_file(unfinished)
    unfinished.rename(target)
    sync_folder(path.parent)
    for old in backups(path)[:-KEPT_BACKUPS]:
        old.unlink()
    return target


def backups(path: Path) -> list[Path]:
    """The backups beside the database, oldest first."""
    paths = path.parent.glob(f"{path.stem}.v*.backup.sqlite3")
    return sorted(paths, key=lambda backup: backup.name.split(".")[-3])


def discard_backups(path: Path) -> int:
    """Deletes all backups beside the database, because they have rows that were deleted since. Returns their number."""
    paths = backups(path)
    for backup in paths:
        backup.unlink()
    return len(paths)


def _sweep_unfinished_backups(path: Path) -> None:
    for leftover in path.parent.glob(f"{path.stem}.v*.backup.unfinished*"):
        leftover.unlink()


def _refuse_newer(path: Path, version: int, newest: int) -> None:
    if version > newest:
        raise StorageError(
            f"{path} has schema {version}, this version of Afterimage knows {newest} at most. "
            f"Run the newer Afterimage again, or give `afterimage restore` a backup from before the upgrade "
            f"(*.backup.sqlite3 beside it)."
        )


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10.0)
    connection.execute("PRAGMA secure_delete = ON")  # pages that a migration frees must have no old bytes either
    return connection
