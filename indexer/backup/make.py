"""Makes a backup: one file with everything that is stored, while the bot runs or not.

The file is written under another name and gets its own name when it is whole and on the disk. So there is never half a
backup under a backup's name, whatever ends the process.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.backup import backup_file, snapshot
from indexer.backup.backup_file import DATABASE
from indexer.backup.checked_tar import part_of
from indexer.backup.manifest import Manifest, own_version
from indexer.backup.whole_file import whole_file
from indexer.database import migrate
from indexer.database.database import FILE_NAME
from indexer.database.stoppable_thread import Check, in_stoppable_thread
from indexer.errors import DiskFull
from indexer.platforms.processes import NICE

Tell = Callable[[str, int, int | None], None]

WORK_PREFIX = ".afterimage-backup-"
COPIES = 2  # of the database, that lie on the disk at once while a backup is made


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that is whole and on the disk."""

    path: Path
    byte_count: int
    manifest: Manifest

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"file": str(self.path), "bytes": self.byte_count, "manifest": self.manifest.as_dict()}


async def make_backup(data_dir: Path, target: Path, tell: Tell) -> Made:
    """Makes the backup `target` of a data folder, beside a bot that runs on it too. Compressed where it ends in .zst.

    Raises StorageError where there is no sound database, where `target` exists or cannot be written; DiskFull where
    there is no room.
    """
    return await in_stoppable_thread(lambda check: make(data_dir, target, check, tell), nice=NICE)


def make(data_dir: Path, target: Path, check: Check, tell: Tell) -> Made:
    """`make_backup`, in a thread that may be stopped. Blocks."""
    made = make_if_changed(data_dir, target, check, tell)
    assert made is not None, "no database has no checksum"
    return made


def make_if_changed(
    data_dir: Path, target: Path, check: Check, tell: Tell, *, unless: str = "", keep_free: int = 0
) -> Made | None:
    """`make`, where the copy's SHA-256 is another one than `unless`; else None, and nothing is written.

    `keep_free` bytes stay free on the disk of `target`.
    """
    database = data_dir / FILE_NAME
    migrate.check(database)
    damaged = snapshot.DAMAGED.replace("{database}", str(database))
    with whole_file(target, WORK_PREFIX, "backup", damaged) as work:
        _require_room(database, target.parent, keep_free)  # what a killed backup left there has gone by now
        return _make(database, target, work, unless, check, tell)


def _make(database: Path, target: Path, work: Path, unless: str, check: Check, tell: Tell) -> Made | None:
    copy = work / DATABASE
    state = snapshot.take(database, work, copy, check, tell)
    part = part_of(DATABASE, copy, check)
    if part.sha256 == unless:
        return None
    removals, removals_data = backup_file.removals_part(state.removals)
    manifest = Manifest(
        schema=state.schema,
        created_ms=state.at_ms,
        counts=state.counts,
        parts=(part, removals),
        version=own_version(),
    )
    draft = work / target.name
    backup_file.write(draft, manifest, copy, removals_data, check, tell)
    return Made(target, draft.stat().st_size, manifest)


def _require_room(database: Path, folder: Path, keep_free: int) -> None:
    """Raises DiskFull where the copies surely do not fit."""
    needed = COPIES * database.stat().st_size + keep_free
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DiskFull(
            f"A backup needs {needed // 1_000_000:,} MB on the disk of {folder} for a moment, and {free // 1_000_000:,}"
            " MB are free. Make room there, or choose another disk."
        )
