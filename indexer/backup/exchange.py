"""Puts another database in place of a data folder's own; the former files are moved aside, never deleted.

    note "exchange.unfinished"                 from here on nobody opens the folder
    former database, log, journal, segments  → replaced-20261121T231500Z/
    new database                             → afterimage.sqlite3
    the note goes

A kill between two of these leaves the note: whoever opens the folder is told to give the command again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from indexer.database import journal, unfinished
from indexer.database.database import FILE_NAME
from indexer.database.journal import FILE_NAME as JOURNAL
from indexer.database.unfinished import Exchange
from indexer.platforms.files import sync_file, sync_folder
from indexer.vectors.segment import FOLDER_NAME as SEGMENTS

PREFIX = "replaced-"
# What belongs to a database; the WAL is a part of it, and segments of another database would be wrong.
_WITH_IT = (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm", JOURNAL, SEGMENTS)


def former_database(data_dir: Path) -> Path | None:
    """The database that the folder has, or had before an exchange that was not finished; None: it has none. Blocks."""
    exchange = unfinished.read(data_dir)
    if exchange is not None and exchange.aside and (data_dir / exchange.aside / FILE_NAME).exists():
        return data_dir / exchange.aside / FILE_NAME
    path = data_dir / FILE_NAME
    return path if path.exists() else None


def move_back(data_dir: Path) -> None:
    """Undoes an exchange that was interrupted before it moved the database itself.

    The write-ahead log and the journal were moved before it: without them the newest opt-outs and deletions would be
    missing. The caller holds the writer's lock. Blocks. Raises OSError.
    """
    begun = unfinished.read(data_dir)
    if begun is None or not begun.aside:
        return
    former = data_dir / begun.aside
    if (former / FILE_NAME).exists() or not (data_dir / FILE_NAME).exists():
        return
    for name in _WITH_IT:
        if (former / name).exists() and not (data_dir / name).exists():
            (former / name).replace(data_dir / name)
    sync_folder(data_dir)


def put_in_place(data_dir: Path, database: Path, removals: Sequence[Mapping[str, Any]], *, command: str) -> Path | None:
    """Makes `database`, a closed file on the same disk, the folder's own. Returns the folder with the former files.

    `removals` become the journal. `command` is what finishes it after a kill. The caller holds the writer's lock.
    Blocks. Raises OSError.
    """
    sync_file(database)
    begun = unfinished.read(data_dir)
    aside = begun.aside if begun is not None and begun.aside else _free_name(data_dir)
    former = data_dir / aside
    has_database = (former / FILE_NAME).exists() or (data_dir / FILE_NAME).exists()
    # Where there is none, the note names no folder: `move_back` would put leftovers of another database beside the new.
    unfinished.note(data_dir, Exchange(command, aside if has_database else ""))
    if (former / FILE_NAME).exists():  # moved by the exchange that was interrupted: what lies here now is its new one
        for name in _WITH_IT:
            _delete(data_dir / name)
    elif any((data_dir / name).exists() for name in _WITH_IT):
        former.mkdir(mode=0o700, exist_ok=True)
        # The database goes last: while it is here, a folder of this name has nothing that counts.
        for name in reversed(_WITH_IT):
            if (data_dir / name).exists():
                (data_dir / name).replace(former / name)
        sync_folder(former)
    if removals:
        journal.write(data_dir / JOURNAL, removals)
    database.replace(data_dir / FILE_NAME)
    unfinished.done(data_dir)
    return former if former.is_dir() else None


def _free_name(data_dir: Path) -> str:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = [f"{PREFIX}{stamp}", *(f"{PREFIX}{stamp}-{number}" for number in range(2, 100))]
    return next(name for name in names if not (data_dir / name).exists())


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
