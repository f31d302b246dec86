"""Free space on the disk: indexing stops before the disk is full, and continues by itself when there is room again.

The space that stays free is for deletions, answers and the commands of members. A task that reads history or stores new
messages waits here (`wait`) or gets DiskFull (`check`). If the disk refuses a write, that counts as no room until the
next check of the disk.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path

from indexer.errors import DiskFull
from indexer.sentence import Sentence

log = logging.getLogger(__name__)

LOOK_S = 5.0  # seconds between two checks: at 100 pages of history a second, a few MB are written in that time
MB = 1_000_000


class Room:
    """The free space of one folder's file system. Belongs to one event loop. `watch` runs under the supervisor."""

    def __init__(self, folder: Path, needed_bytes: int) -> None:
        """`needed_bytes` must stay free; 0: the whole disk may be used."""
        self._folder = folder
        self._needed_bytes = needed_bytes
        self._free_bytes = 0
        self._there = asyncio.Event()
        self._there.set()

    @property
    def low(self) -> bool:
        """Whether indexing has stopped because of the disk."""
        return not self._there.is_set()

    @property
    def reason(self) -> Sentence | None:
        """Why indexing has stopped, as a sentence for a person; None where it has not.

        It has no figures: members read it, and the speed at which a disk fills would reveal what other servers post.
        """
        if not self.low:
            return None
        return Sentence("disk-low")

    async def wait(self) -> None:
        """Returns when there is room. It has no deadline, because a person must make room (`reason` says so)."""
        await self._there.wait()

    def check(self) -> None:
        """Raises DiskFull where there is no room."""
        if self.low:
            raise DiskFull(f"Nothing new is stored in {self._folder} while the disk has no room.", retry_after=LOOK_S)

    def refused(self) -> None:
        """Records that the disk refused a write."""
        if not self.low:
            log.error("the disk of %s is full: indexing rests until there is room, answers go on", self._folder)
        self._there.clear()

    async def watch(self) -> None:
        """Checks the disk regularly until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Checks the disk once. Indexing stops below the space that must stay free, and continues a tenth above it."""
        self._free_bytes = (await asyncio.to_thread(shutil.disk_usage, self._folder)).free
        if self.low and self._free_bytes >= self._needed_bytes + self._needed_bytes // 10 and self._free_bytes > 0:
            log.info("the disk of %s has room again: indexing goes on", self._folder)
            self._there.set()
        elif not self.low and self._free_bytes < self._needed_bytes:
            log.error(
                "only %d MB are free on the disk of %s (storage.min_free_bytes: %d MB): indexing rests until there is"
                " room; questions are answered",
                self._free_bytes // MB, self._folder, self._needed_bytes // MB,
            )  # fmt: skip
            self._there.clear()
