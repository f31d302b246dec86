"""A folder for files that are being written: it goes when the work ends.

After a kill it goes when the next work of its kind begins; from a data folder also when the next process writes there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from indexer.platforms.file_lock import let_go, try_lock
from indexer.platforms.files import BINARY

PREFIX = ".afterimage-"  # every kind's begins with it
_LOCK = "lock"


@contextmanager
def work_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder below `parent` that only this user may enter. Deletes those of the same prefix whose process ended.

    Blocks. Raises OSError.
    """
    for left in parent.glob(f"{prefix}*"):
        _delete_unless_used(left)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    handle = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | BINARY, 0o600)
    try:
        try_lock(handle)
        yield folder
    finally:
        let_go(handle)
        shutil.rmtree(folder, ignore_errors=True)


def delete_left(parent: Path) -> None:
    """Deletes the work folders of every kind below `parent` whose process ended: a kill leaves copies of messages, and
    what is forgotten from then on must not stay in them. Blocks.
    """
    for left in parent.glob(f"{PREFIX}*"):
        _delete_unless_used(left)


def _delete_unless_used(folder: Path) -> None:
    """Keeps a folder that a process works in: it has the lock. One without a lock was made a moment ago."""
    with suppress(OSError):
        handle = os.open(folder / _LOCK, os.O_RDWR | BINARY)
        try:
            try_lock(handle)
        except OSError:
            os.close(handle)
            return
        let_go(handle)
        shutil.rmtree(folder, ignore_errors=True)
