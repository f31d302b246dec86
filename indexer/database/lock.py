"""One writer for each data folder: a file lock that names its holder. It ends with the process, also after a kill."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from indexer.errors import FolderInUse, StorageError
from indexer.platforms.file_lock import let_go, try_lock
from indexer.platforms.files import BINARY, write_at

FILE_NAME = "writer.lock"


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that writes: its id, its command line, and since when it writes (ISO 8601, UTC)."""

    pid: int
    command: str
    since: str


@contextmanager
def hold(folder: Path) -> Iterator[Holder]:
    """Makes the folder if needed and holds its writer lock.

    Raises FolderInUse where another process has it (the message names it), StorageError where the folder cannot be
    made, written or locked.
    """
    path = folder / FILE_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close_to_others(folder)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o600)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}). Check data_dir and its permissions."
        ) from error
    try:
        try:
            try_lock(handle)
        except BlockingIOError as error:
            raise FolderInUse(_taken(folder, holder(folder))) from error
        except OSError as error:
            raise StorageError(
                f"{path} cannot be locked ({error.strerror}). Choose a data_dir on a local disk: SQLite locks too."
            ) from error
        me = Holder(
            os.getpid(),
            " ".join(" ".join(sys.orig_argv).split())[:200],
            datetime.now(UTC).isoformat(timespec="seconds"),
        )
        os.ftruncate(handle, 0)
        write_at(handle, json.dumps(asdict(me)).encode(), 0)
        yield me
        os.ftruncate(handle, 0)  # not unlinked: a second process may have opened the file to lock it
    finally:
        let_go(handle)


def _close_to_others(folder: Path) -> None:
    """Lets only the bot's own user into the folder, also if the folder existed before: it has members' texts.

    Raises StorageError for a folder that all users share, such as /tmp; OSError where it is another user's.
    """
    mode = folder.stat().st_mode
    if mode & stat.S_ISVTX:
        raise StorageError(f"{folder} is a folder that all users share. Choose a data_dir of the bot's own below it.")
    if stat.S_IMODE(mode) & 0o077:
        folder.chmod(stat.S_IMODE(mode) & 0o700)


def holder(folder: Path) -> Holder | None:
    """The last process that wrote its name into the lock of this folder; None: none. The process may have ended."""
    try:
        return Holder(**json.loads((folder / FILE_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _taken(folder: Path, who: Holder | None) -> str:
    name = f"process {who.pid} ({who.command}), since {who.since}" if who else "another process"
    return (
        f"{folder} is being written by {name}. Stop that first; if it is a bot that is starting or stopping, wait a "
        f"moment: commands work beside a bot that runs."
    )
