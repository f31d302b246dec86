"""Puts a backup in place: the whole file is checked before anything in the data folder is touched.

What was promised after the backup was made holds: opt-outs and deletions that the former database knows are carried
into the restored one, and the messages that they forbid are deleted from it.
"""

from __future__ import annotations

import shlex
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexer.backup import backup_file
from indexer.backup.backup_file import DATABASE, Contents
from indexer.backup.exchange import former_database, move_back, put_in_place
from indexer.backup.manifest import Manifest
from indexer.backup.snapshot import DERIVED
from indexer.backup.verify import integrity
from indexer.backup.work_folder import work_folder
from indexer.clock import now_ms
from indexer.database import journal, lock, migrate, unfinished
from indexer.database.connections import connect_readonly
from indexer.database.database import FILE_NAME
from indexer.database.journal import FILE_NAME as JOURNAL
from indexer.database.stoppable_thread import Check, in_stoppable_thread, stoppable
from indexer.errors import DiskFull, StorageError

Tell = Callable[[str, int, int | None], None]

WORK_PREFIX = ".afterimage-restore-"

# Of an author who opted out, in the message's server or everywhere; and of a message that Discord has deleted.
FORBIDDEN = (
    "DELETE FROM messages WHERE EXISTS (SELECT 1 FROM opt_outs o"
    " WHERE o.user_id = messages.author_id AND o.guild_id IN (0, messages.guild_id))",
    "DELETE FROM messages WHERE message_id IN (SELECT message_id FROM deletions)",
)

# What the former database has promised and the storage may not have.
_WAITING = "SELECT uid, kind, what, at_s FROM promises_waiting ORDER BY waiting_id"


@dataclass(frozen=True, slots=True)
class CarriedOver:
    """What the former database knew and the backup did not; `messages` of the backup were deleted for it."""

    opt_outs: int
    deletions: int
    messages: int


@dataclass(frozen=True, slots=True)
class Restored:
    """`aside` has the former files; None: there were none. `carried_over` is None where no former database is readable:
    then opt-outs and deletions that are newer than the backup are not known. `manifest`: None of a plain SQLite file.
    """

    manifest: Manifest | None
    aside: Path | None
    carried_over: CarriedOver | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "manifest": None if self.manifest is None else self.manifest.as_dict(),
            "aside": None if self.aside is None else str(self.aside),
            "carried_over": None if self.carried_over is None else asdict(self.carried_over),
        }


async def restore_backup(data_dir: Path, file: Path, tell: Tell, *, replace: bool) -> Restored:
    """Makes the backup the folder's database. `replace`: also where the folder has one, which is then moved aside.

    Raises StorageError where the file is not whole, where another process has the folder, or where the folder has a
    database with something in it and `replace` is False; DiskFull. Then nothing has changed.
    """
    return await in_stoppable_thread(lambda check: restore(data_dir, file, check, tell, replace=replace))


async def check_backup(file: Path, tell: Tell) -> Contents:
    """Reads the whole file and compares its checksums. Raises StorageError where it is not whole."""
    return await in_stoppable_thread(lambda check: _whole(file, None, check, tell))


def restore(data_dir: Path, file: Path, check: Check, tell: Tell, *, replace: bool) -> Restored:
    """`restore_backup`, in a thread that may be stopped. Blocks."""
    _require_file(file)
    with lock.hold(data_dir):
        try:
            move_back(data_dir)
            former = former_database(data_dir)
            if former is not None and not replace and unfinished.read(data_dir) is None and not _empty(former):
                raise StorageError(
                    f"{data_dir} has a database already. With --replace it is moved aside (nothing is deleted), and the"
                    " backup takes its place."
                )
            with work_folder(data_dir, WORK_PREFIX) as work:
                database = work / FILE_NAME
                contents = _whole(file, database, check, tell)
                carried_over = _prepare(database, former, check, tell)
                pending = [*contents.removals, *(journal.pending(former.with_name(JOURNAL)) if former else [])]
                command = f"afterimage restore {shlex.quote(str(file))}"
                aside = put_in_place(data_dir, database, pending, command=command)
        except OSError as error:
            raise StorageError(f"{data_dir} cannot be written ({error}). Check the folder and its disk.") from error
    return Restored(contents.manifest, aside, carried_over)


def _whole(file: Path, database: Path | None, check: Check, tell: Tell) -> Contents:
    """Reads the backup into `database`. Raises StorageError where it is not whole, or newer than this version."""
    _require_file(file)
    newest = len(migrate.shipped())
    if not backup_file.is_sqlite(file):
        manifest = backup_file.read_manifest(file)
        if manifest.schema > newest:
            raise StorageError(
                f"{file} has schema {manifest.schema}, this version of Afterimage knows {newest} at most:"
                " restore it with the newer Afterimage. Nothing was changed."
            )
        part = manifest.part(DATABASE)
        needed = 0 if part is None else part.byte_count
    else:
        needed = file.stat().st_size
    if database is not None and shutil.disk_usage(database.parent).free < needed:
        raise DiskFull(
            f"The database of {file} has {needed // 1_000_000:,} MB, and the disk of {database.parent.parent} has not"
            " so much room. Make room there. Nothing was changed."
        )
    return backup_file.read(file, database, check, tell)


def _prepare(database: Path, former: Path | None, check: Check, tell: Tell) -> CarriedOver | None:
    """Checks the extracted database, upgrades it, and carries over what the former one knows.

    Raises StorageError where it is damaged or not ours.
    """
    tell("pages checked", 0, None)
    with closing(_connect(database)) as connection, stoppable(connection, check):
        migrate.schema_version(connection, database)
        faults = integrity(connection)
        if faults:
            raise StorageError(f"The backup's database is damaged ({faults[0].text}). Nothing was changed.")
    migrate.migrate(database)
    with closing(_connect(database)) as connection, stoppable(connection, check):
        connection.execute("BEGIN IMMEDIATE")
        for table in DERIVED:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 -- a constant
        connection.execute("UPDATE promise_journal SET behind = 1, applying = 1")
        carried_over = None if former is None else _carry_over(connection, former)
        connection.execute("UPDATE promise_journal SET applying = 0")
        if carried_over is None:  # whether a key was revoked since the backup is not known
            connection.execute("UPDATE api_keys SET revoked_ms = ? WHERE revoked_ms IS NULL", (now_ms(),))
        connection.execute(
            "INSERT INTO audit_log (at_ms, action) VALUES (?, 'backup.restore')",
            (now_ms(),),
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return carried_over


def _carry_over(connection: sqlite3.Connection, former: Path) -> CarriedOver | None:
    """None where the former database cannot be read."""
    try:
        with closing(connect_readonly(former)) as source:
            opt_outs = source.execute("SELECT guild_id, user_id, at_ms FROM opt_outs").fetchall()
            deletions = source.execute("SELECT message_id FROM deletions").fetchall()
            (has_keys,) = source.execute("SELECT count(*) FROM sqlite_master WHERE name = 'api_keys'").fetchone()
            (has_waiting,) = source.execute(
                "SELECT count(*) FROM sqlite_master WHERE name = 'promises_waiting'"
            ).fetchone()
            waiting = source.execute(_WAITING).fetchall() if has_waiting else []
            source.row_factory = sqlite3.Row
            keys = [dict(row) for row in source.execute("SELECT * FROM api_keys")] if has_keys else []
    except sqlite3.DatabaseError:
        return None
    new_opt_outs = connection.executemany("INSERT OR IGNORE INTO opt_outs VALUES (?, ?, ?)", opt_outs).rowcount
    new_deletions = connection.executemany("INSERT OR IGNORE INTO deletions VALUES (?)", deletions).rowcount
    connection.executemany(
        "INSERT INTO promises_waiting (uid, kind, what, at_s, carried) SELECT ?1, ?2, ?3, ?4, 1"
        " WHERE NOT EXISTS (SELECT 1 FROM promises_waiting WHERE uid = ?1)",
        waiting,
    )
    connection.execute("DELETE FROM api_keys")  # one that was revoked or deleted since must not open anything
    known = {name for _, name, *_ in connection.execute("PRAGMA table_info(api_keys)")}
    # A key with a column of a newer version does not come along: what is not known here may limit what it opens.
    for key in (key for key in keys if key.keys() <= known):
        columns, values = ", ".join(key), ", ".join("?" * len(key))
        connection.execute(f"INSERT INTO api_keys ({columns}) VALUES ({values})", tuple(key.values()))  # noqa: S608 -- the names of the table's own columns
    messages = sum(connection.execute(sql).rowcount for sql in FORBIDDEN)
    return CarriedOver(max(new_opt_outs, 0), max(new_deletions, 0), messages)


def _connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("foreign_keys = ON", "recursive_triggers = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _empty(database: Path) -> bool:
    """Whether nothing is stored there. A database that cannot be read is not empty."""
    try:
        with closing(connect_readonly(database)) as connection:
            counts: Mapping[str, int] = {
                table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 -- constants
                for table in ("guilds", "opt_outs")
            }
    except sqlite3.DatabaseError:
        return False
    return not any(counts.values())


def _require_file(file: Path) -> None:
    if not file.is_file():
        raise StorageError(f"There is no file {file}.")
