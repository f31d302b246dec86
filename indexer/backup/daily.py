"""The backup that the running bot makes once a day, where something has changed; the newest `backup.keep` stay.

Files are named for the bot's application and the moment, so that several bots may share a folder. Those in the data
folder's own `backups` belong to it also after another folder was configured, or where they were made before the bot
first spoke to Discord and so had no application. Only files of such a name are ever removed, and only after a newer one
was made: a damaged database, a full disk or a missing folder never costs an older backup. All of that is a line in the
log and a fault, and never ends the bot.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from indexer.backup.own_process import Order, make_in_process
from indexer.database.database import Database
from indexer.errors import RetryLater
from indexer.settings import Settings
from indexer.store import application
from indexer.supervisor import Faults, contained

log = logging.getLogger(__name__)

NAME = "backup"  # the name of this work among the faults
FOLDER_NAME = "backups"  # below the data folder, where no other folder is configured
DAY = timedelta(days=1)
LOOK_S = 600.0  # seconds between two looks at whether a backup is due
AGAIN_S = 6 * 3600.0  # seconds after which a backup that could not be made is tried again
FIRST_S = (
    3600.0  # a new folder has its first backup this long after the bot's start, not in the middle of its first work
)

NO_APPLICATION = "afterimage-0-"  # how names begin before the bot first spoke to Discord, as during an import
_STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True, slots=True)
class Kept:
    """A daily backup that lies in the folder."""

    path: Path
    at: datetime
    byte_count: int


@dataclass(frozen=True, slots=True)
class BackupStatus:
    """`keep` 0: switched off. `newest` (ISO 8601, UTC) is empty where there is none."""

    keep: int
    folder: str
    newest: str
    byte_count: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Elsewhere(Protocol):
    """A storage that outlives this machine."""

    async def keep(self, newest: Path, count: int) -> None:
        """Has this backup from now on, and at most `count` in all. Raises RetryLater."""


class DailyBackup:
    """Of one data folder. `run` runs under the supervisor. Belongs to one event loop.

    `elsewhere` has the newest one too.
    """

    def __init__(self, db: Database, settings: Settings, elsewhere: Elsewhere | None = None) -> None:
        self._elsewhere = elsewhere
        self._db = db
        self._settings = settings
        self._turn = asyncio.Lock()
        self._looked: datetime | None = None  # when a copy was last compared with the newest backup
        self._newest: Kept | None = None

    @property
    def folder(self) -> Path:
        return self._settings.backup.folder or self._settings.data_dir / FOLDER_NAME

    @property
    def status(self) -> BackupStatus:
        """As of the last look."""
        newest = self._newest
        at = "" if newest is None else newest.at.isoformat(timespec="seconds")
        return BackupStatus(
            self._settings.backup.keep, str(self.folder), at, 0 if newest is None else newest.byte_count
        )

    @property
    def newest_s(self) -> float | None:
        """When the newest one was made (Unix seconds); None: there is none."""
        return None if self._newest is None else self._newest.at.timestamp()

    async def run(self, faults: Faults) -> None:
        """Makes a backup whenever one is due, until it is cancelled. Returns at once where it is switched off."""
        with contained(NAME, faults):
            kept = await self._kept()
            if kept and not self._settings.backup.keep:
                log.warning(
                    "backup.keep is 0: the daily backups in %s stay until you delete them", kept[-1].path.parent
                )
        if not self._settings.backup.keep:
            return
        began_s = time.monotonic()
        pause_s = LOOK_S
        while True:
            await asyncio.sleep(pause_s)
            with contained(NAME, faults) as attempt:
                await self.look(new_folder_too=time.monotonic() - began_s >= FIRST_S)
                await self.put_elsewhere(self._settings.backup.keep)
            pause_s = AGAIN_S if attempt.failed else LOOK_S

    async def look(self, *, new_folder_too: bool = True) -> Path | None:
        """Makes a backup where the newest one is a day old and something has changed since; then removes old ones.

        `new_folder_too`: also where there is none yet. Raises RetryLater where it cannot be made.
        """
        async with self._turn:
            kept = await self._kept()
            now = datetime.now(UTC)
            moments = [*(old.at for old in kept), *([self._looked] if self._looked else [])]
            last = max((at for at in moments if at <= now), default=None)  # later ones: the clock was wrong
            if last is None and not new_folder_too:
                return None
            if last is not None and now - last < DAY:
                return None
            made = await self._make(kept)
            await self._remove(lambda old, at: at >= self._settings.backup.keep or self._too_old(old))
            return made

    async def put_elsewhere(self, count: int) -> None:
        """The newest one lies elsewhere too, where that is configured. Raises RetryLater."""
        if self._elsewhere is None:
            return
        async with self._turn:
            if kept := await self._kept():
                await self._elsewhere.keep(kept[-1].path, count)

    async def renew(self) -> int:
        """Replaces all daily backups by one without what was deleted before this call. Returns how many went.

        Nothing happens where there is none. Raises RetryLater where no new one can be made, or where the folder has
        gone; then the old ones stay.
        """
        async with self._turn:
            before = self._newest
            kept = await self._kept()
            if not kept:
                if before is not None or (self._settings.backup.folder and not await asyncio.to_thread(self._is_there)):
                    raise RetryLater(
                        f"No daily backup is in {self.folder} now. If the disk with them is not there at the moment,"
                        " they still have what was deleted."
                    )
                return 0
            await self._make(kept)
            removed = await self._remove(lambda _, at: at >= 1)
        await self.put_elsewhere(1)
        return removed

    def _too_old(self, old: Kept) -> bool:
        """Where nothing changes, nothing new is made: then age removes what may hold something that was deleted."""
        return datetime.now(UTC) - old.at > (self._settings.backup.keep + 1) * DAY

    async def _make(self, kept: list[Kept]) -> Path | None:
        """None where nothing has changed since the newest one."""
        at = datetime.now(UTC)
        target = self.folder / f"{await self._prefix()}{at.strftime(_STAMP)}.tar.zst"
        order = Order(
            data_dir=str(self._settings.data_dir),
            target=str(target),
            newest=str(kept[-1].path) if kept else "",
            keep_free=self._settings.storage.min_free_bytes,
            make_folder=self._settings.backup.folder is None,  # one that somebody named may be a disk that is away now
        )
        try:
            byte_count = await make_in_process(order)
        except RetryLater as error:
            raise RetryLater(f"No daily backup was made. {error}") from error
        self._looked = at
        if byte_count is None:
            return None
        log.info("daily backup: %s, %d bytes", target, byte_count)
        return target

    async def _remove(self, goes: Callable[[Kept, int], bool]) -> int:
        """Removes those for which `goes(backup, how many are newer)` is true, never the newest."""
        kept = (await self._kept())[::-1]
        going = [old for at, old in enumerate(kept) if at and goes(old, at)]
        try:
            for old in going:
                await asyncio.to_thread(old.path.unlink, missing_ok=True)
        except OSError as error:
            raise RetryLater(f"Older daily backups in {self.folder} cannot be deleted ({error}).") from error
        return len(going)

    async def _kept(self) -> list[Kept]:
        """This bot's daily backups, oldest first. One of a later moment than now, made while the clock was wrong, comes
        before all others: it must not be taken for the newest. Raises RetryLater where a folder cannot be read.
        """
        prefix, own_folder = await self._prefix(), self._settings.data_dir / FOLDER_NAME
        try:
            found = await asyncio.to_thread(_list, own_folder, {prefix, NO_APPLICATION})
            if self.folder != own_folder:
                found |= await asyncio.to_thread(_list, self.folder, {prefix})
        except OSError as error:
            raise RetryLater(f"{self.folder} cannot be read ({error}). Look at the disk that it is on.") from error
        now = datetime.now(UTC)
        kept = sorted(found.values(), key=lambda old: (old.at <= now, old.at))
        self._newest = kept[-1] if kept else None
        return kept

    def _is_there(self) -> bool:
        return self.folder.is_dir()

    async def _prefix(self) -> str:
        async with self._db.reader() as connection:
            return f"afterimage-{await application.get(connection) or 0}-"


def _list(folder: Path, prefixes: Iterable[str]) -> dict[str, Kept]:
    """By name. Blocks. A folder that is not there has none. Raises OSError."""
    name = re.compile(f"(?:{'|'.join(map(re.escape, prefixes))})" + r"(\d{8}T\d{12}Z)\.tar\.zst")
    found = {}
    for path in folder.glob("afterimage-*"):
        if match := name.fullmatch(path.name):
            with suppress(FileNotFoundError):  # somebody has deleted it a moment ago
                at = datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC)
                found[path.name] = Kept(path, at, path.stat().st_size)
    return found
