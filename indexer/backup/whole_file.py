"""A file that gets its own name when it is whole and on the disk, so that there is never half of it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from indexer.backup.checked_tar import CHUNK
from indexer.backup.work_folder import work_folder
from indexer.database.connections import error_code
from indexer.errors import AfterimageError, DiskFull, StorageError
from indexer.platforms.files import sync_folder


@contextmanager
def whole_file(target: Path, prefix: str, what: str, damaged: str) -> Iterator[Path]:
    """A folder beside `target` for what is needed meanwhile. A file of the same name in it becomes `target` at the end.

    `what` is made, for sentences ("backup"); `damaged` is one about a database that SQLite cannot read, with {reason}.
    Blocks. Raises StorageError where `target` exists or cannot be written, or the database is damaged; DiskFull.
    """
    try:
        if target.exists():
            raise StorageError(
                f"{target} exists already. Choose another name, or move it away: nothing is written over."
            )
        if not target.parent.is_dir():
            raise StorageError(f"{target.parent} is no folder. Make it, or mount the disk that it is on.")
        with work_folder(target.parent, prefix) as work:
            yield work
            if (work / target.name).exists():
                (work / target.name).replace(target)
                sync_folder(target.parent)
    except sqlite3.DatabaseError as error:
        if error_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise StorageError(damaged.format(reason=error)) from error
        raise _refused(target, what, error) from error
    except OSError as error:
        raise _refused(target, what, error) from error


def _refused(target: Path, what: str, error: Exception) -> AfterimageError:
    """What the disk's refusal means."""
    with suppress(OSError):  # a disk that has gone has no size: then the error itself says what is wrong
        if shutil.disk_usage(target.parent).free < CHUNK:
            return DiskFull(f"The disk of {target.parent} is full: no {what} was made. Make room there.")
    return StorageError(f"{target} cannot be written ({error}). Check the folder and the disk that it is on.")
