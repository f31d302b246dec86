"""Turns to send an IDENTIFY. Discord takes one in five seconds for each bucket, of all processes of a bot together.

Processes of one machine take turns by files that they lock: a file for each bucket, in which the last IDENTIFY's time
stands. Processes of several machines do it in `fleet.storage` (`storage_turns.py`). Without one nobody sees here what
those of other machines do. Two that collide are refused by Discord, and both wait a random time (`identifying.py`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from indexer.platforms.file_lock import let_go, try_lock
from indexer.platforms.files import BINARY, write_at

logger = logging.getLogger(__name__)

GAP_S = 5.0
LOOK_S = 0.05  # between two attempts at a lock


class IdentifyTurns(Protocol):
    """A turn belongs to one process at a time, from `take` until `sent` or `give_back`."""

    async def take(self, bucket: int) -> None:
        """Waits until an IDENTIFY of this bucket may be sent."""
        ...

    def holds(self, bucket: int) -> bool:
        """Whether a turn that was taken is still this process's."""
        ...

    def sent(self, bucket: int) -> None:
        """The IDENTIFY is sent now. The next one of the bucket has its turn in GAP_S seconds."""
        ...

    def give_back(self, bucket: int) -> None:
        """Nothing was sent: the next one has its turn at once."""
        ...

    def close(self) -> None:
        """The process connects no more: what it has taken is another one's."""
        ...


class TurnsOnThisMachine:
    """Turns that processes with the same `folder` and `bot` (an application's id) take."""

    def __init__(self, folder: Path, bot: int, gap_s: float = GAP_S) -> None:
        self._folder = folder
        self._bot = bot
        self._gap_s = gap_s
        self._handles: dict[int, int] = {}  # of the buckets whose turn this process has

    async def take(self, bucket: int) -> None:
        handle = self._open(bucket)
        if handle is None:
            await asyncio.sleep(self._gap_s)
            return
        try:
            while True:
                try:
                    try_lock(handle)
                    break
                except BlockingIOError:
                    await asyncio.sleep(LOOK_S)
            # Unix time, because each process has its own monotonic clock. It may jump: no wait is longer than the gap.
            wait_s = min(_last_sent(handle) + self._gap_s - time.time(), self._gap_s)
            if wait_s > 0:
                await asyncio.sleep(wait_s)
        except BaseException:
            let_go(handle)
            raise
        self._handles[bucket] = handle

    def holds(self, bucket: int) -> bool:
        return True  # a lock stays until it is let go

    def sent(self, bucket: int) -> None:
        handle = self._handles.get(bucket)
        if handle is not None:
            with suppress(OSError):  # a full disk: no time stands there, and Discord refuses what comes too soon
                os.ftruncate(handle, 0)
                write_at(handle, f"{time.time():.3f}".encode(), 0)
        self.give_back(bucket)

    def give_back(self, bucket: int) -> None:
        handle = self._handles.pop(bucket, None)
        if handle is not None:
            let_go(handle)

    def close(self) -> None:
        for bucket in list(self._handles):
            self.give_back(bucket)

    def _open(self, bucket: int) -> int | None:
        """None where there can be no such file, on a full disk for instance: a shard must reconnect all the same."""
        path = self._folder / f"identify-{self._bot}-{bucket}.lock"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)  # what is old in a folder for temporary files is deleted
            return os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o660)
        except OSError as error:
            logger.warning("%s cannot be written (%s): this shard connects without a turn", path, error.strerror)
            return None


def _last_sent(handle: int) -> float:
    """Unix time; long ago where none was sent."""
    os.lseek(handle, 0, os.SEEK_SET)
    try:
        return float(os.read(handle, 32))
    except ValueError:
        return 0.0


def turns_folder(chosen: Path | None, data_dir: Path) -> Path:
    """The folder for turns, made where it is missing. `chosen`: what the configuration names.

    Where no folder can be shared, that of the data: then this process takes turns with nobody, and Discord's refusals
    keep it apart from others.
    """
    if sys.platform == "win32":
        user = ""
    else:
        user = f"-{os.getuid()}"
    folder = chosen or Path(tempfile.gettempdir()) / f"afterimage{user}"
    try:
        folder.mkdir(mode=0o700, parents=chosen is not None, exist_ok=True)
        if chosen is None and not _own(folder):
            raise PermissionError(0, "it is another user's")
        (folder / f".{os.getpid()}").touch()
        (folder / f".{os.getpid()}").unlink()
    except OSError as error:
        logger.warning(
            "%s cannot be used (%s): this process takes no turns with others of this bot on this machine."
            " discord.turns_dir names a folder for that.",
            *(folder, error.strerror),
        )
        return data_dir
    return folder


def _own(folder: Path) -> bool:
    """Whether the folder is this user's, and nobody else's: other users may write where it lies."""
    if sys.platform == "win32":
        return True  # the folder for temporary files is the user's own there
    else:  # noqa: RET505 -- mypy follows a platform check only with its else
        found = folder.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
