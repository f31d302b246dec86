"""Daily backups in the storage: whole files only, the newest few, and the way back.

    backups/home/afterimage-…-20261122T030000000000Z.tar.zst        the file, as it lies in the local folder
    backups/home/afterimage-…-20261122T030000000000Z.tar.zst.json   its size and SHA-256, created when it is all there

What has no second name is no backup: an upload that was cut short is deleted by the next one.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from indexer.backup.restore import Restored, Tell, check_backup, restore_backup
from indexer.backup.work_folder import work_folder
from indexer.errors import StorageError
from indexer.fleet.object_storage import Storage, open_storage
from indexer.settings import Settings

WORK_PREFIX = ".afterimage-fetched-"
_WHOLE = ".json"
_NAME = re.compile(r"afterimage-\d+-(\d{8}T\d{12}Z)\.tar\.zst")
_STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True, slots=True)
class Stored:
    """A backup that is all there."""

    name: str
    at: datetime


class StoredBackups:
    """Of one data folder's name."""

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage = storage
        self._folder = f"backups/{folder}"

    async def keep(self, newest: Path, count: int) -> None:
        """Puts the file there, where it is not yet; then removes all but `count` and what is older than so many days.

        Raises RetryLater; then what was there before is there still.
        """
        names = set(await self._storage.names(self._folder))
        if newest.name + _WHOLE not in names:
            size, sha256 = await asyncio.to_thread(_measured, newest)
            await self._storage.upload(f"{self._folder}/{newest.name}", newest)
            whole = json.dumps({"byte_count": size, "sha256": sha256}).encode()
            await self._storage.create(f"{self._folder}/{newest.name}{_WHOLE}", whole)
        kept = await self.stored()
        oldest = datetime.now(UTC) - timedelta(days=count + 1)
        going = [old for at, old in enumerate(kept) if old.name != newest.name and (at >= count or old.at < oldest)]
        for old in going:
            await self._delete(old.name)
        for name in names - {newest.name} - {old.name for old in kept}:
            if _NAME.fullmatch(name):  # an upload that was cut short
                await self._storage.delete(f"{self._folder}/{name}")

    async def stored(self) -> list[Stored]:
        """Those that are all there, newest first. Raises RetryLater."""
        names = set(await self._storage.names(self._folder))
        found = [
            Stored(name, datetime.strptime(match[1], _STAMP).replace(tzinfo=UTC))
            for name in names
            if (match := _NAME.fullmatch(name)) and name + _WHOLE in names
        ]
        return sorted(found, key=lambda stored: stored.at, reverse=True)

    async def fetch(self, stored: Stored, into: Path) -> Path:
        """The backup as a file of the folder. Raises StorageError where it is not what was put there, RetryLater."""
        target = into / stored.name
        data = await self._storage.read(f"{self._folder}/{stored.name}{_WHOLE}")
        await self._storage.download(f"{self._folder}/{stored.name}", target)
        size, sha256 = await asyncio.to_thread(_measured, target)
        if data is None or json.loads(data) != {"byte_count": size, "sha256": sha256}:
            raise StorageError(f"{stored.name} in {self._storage.address} has not the bytes that were put there.")
        return target

    async def _delete(self, name: str) -> None:
        """A kill between the two leaves a file that is no backup, for the next time."""
        await self._storage.delete(f"{self._folder}/{name}{_WHOLE}")
        await self._storage.delete(f"{self._folder}/{name}")


async def restore_newest(settings: Settings, tell: Tell, *, replace: bool) -> tuple[Restored, str]:
    """Puts the newest good backup of `fleet.storage` in place, as `restore_backup` does. Returns its name, too.

    One that is damaged is told of, and the one before it is taken. Raises StorageError where there is none, or where
    the folder is in use or has a database; DiskFull, RetryLater.
    """
    async with open_storage(settings.fleet.storage) as storage:
        backups = StoredBackups(storage, settings.fleet.name)
        found = await backups.stored()
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        damaged = []
        for stored in found:
            tell(f"fetching {stored.name}", 0, None)
            with work_folder(settings.data_dir, WORK_PREFIX) as folder:
                try:
                    file = await backups.fetch(stored, folder)
                    await check_backup(file, tell)
                except StorageError as error:
                    damaged.append(str(error))
                    tell(str(error), 0, None)
                    continue
                return await restore_backup(settings.data_dir, file, tell, replace=replace), stored.name
    why = f" Those that are there are damaged: {damaged[0]}" if damaged else ""
    raise StorageError(f"{settings.fleet.storage} has no backup of a folder named {settings.fleet.name}.{why}")


def _measured(file: Path) -> tuple[int, str]:
    """Size and SHA-256. Blocks."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    return file.stat().st_size, digest.hexdigest()
