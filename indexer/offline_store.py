"""The data folder open for writing while no bot runs: what deletes and rewrites, and needs no model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.api_keys import ApiKeys
from indexer.backup.daily import DailyBackup
from indexer.backup.work_folder import delete_left
from indexer.caches import Caches
from indexer.crawl.removals import forget_guild, opt_out
from indexer.database.database import FILE_NAME, Database, open_database
from indexer.deletions import Deletions
from indexer.features.kept_features import KeptFeatures
from indexer.job_changes import JobChanges
from indexer.opening import open_index
from indexer.picture_texts.requests import TextRequests
from indexer.records.ids import EVERYWHERE, GuildId, UserId
from indexer.records.picture_texts import TextKind
from indexer.reports.reports import Reports
from indexer.settings import Settings
from indexer.tags import Tags
from indexer.thumbnails.kept_thumbnails import KeptThumbnails
from indexer.upkeep import Upkeep

if TYPE_CHECKING:  # imported where it is configured
    from indexer.fleet.promises import Promises


@dataclass(frozen=True, slots=True)
class Store:
    """What deletes and rewrites, and needs no model: open while no bot runs."""

    db: Database
    upkeep: Upkeep
    backups: DailyBackup
    api_keys: ApiKeys
    caches: Caches
    reports: Reports
    tags: Tags
    deletions: Deletions
    ocr: TextRequests
    captions: TextRequests
    jobs: JobChanges
    promises: Promises | None

    async def made_safe(self) -> bool:
        """As `Service.made_safe`."""
        return self.promises is None or await self.promises.made_safe()

    async def forget_user(self, user_id: UserId, where: GuildId = EVERYWHERE, *, by: UserId | None = None) -> int:
        """As `Service.forget_user`. Raises RetryLater where the database is busy."""
        return await opt_out(self.db, user_id, where, by)

    async def forget_guild(self, guild_id: GuildId) -> None:
        """As `Service.forget_guild`. Raises RetryLater where the database is busy."""
        await forget_guild(self.db, guild_id)


def database_path(settings: Settings) -> Path:
    """Where the database is, or will be."""
    return settings.data_dir / FILE_NAME


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """Writing, until the block ends. Raises StorageError, naming who has the data folder, while a bot runs on it."""
    async with AsyncExitStack() as stack:
        fence = None
        if settings.fleet.storage and settings.fleet.lease_s:
            from indexer.fleet.lease import open_lease

            fence = (await stack.enter_async_context(open_lease(settings.fleet))).require
        db = await stack.enter_async_context(open_database(settings.data_dir, fence=fence))
        index = await stack.enter_async_context(open_index(db, settings))
        kept = await stack.enter_async_context(KeptThumbnails(db, settings))
        features = await stack.enter_async_context(KeptFeatures(db, settings))
        await asyncio.to_thread(delete_left, settings.data_dir)
        deletions, promises, elsewhere = Deletions(db), None, None
        if settings.fleet.storage:
            from indexer.fleet.backups import StoredBackups
            from indexer.fleet.keeping import Here  # nothing of it is imported where there is no storage
            from indexer.fleet.promises import open_promises

            promises = await stack.enter_async_context(open_promises(db, settings.fleet, Here(db, deletions)))
            elsewhere = StoredBackups(promises.storage, settings.fleet.name)
        yield Store(
            db,
            Upkeep(db, index, kept, features),
            DailyBackup(db, settings, elsewhere),
            ApiKeys(db),
            Caches(db, settings, kept, features),
            Reports(db),
            Tags(db),
            deletions,
            TextRequests(db, TextKind.OCR, asyncio.Event(), enabled=settings.ocr.enabled),
            TextRequests(db, TextKind.CAPTION, asyncio.Event(), enabled=settings.captions.enabled),
            JobChanges(db),
            promises,
        )
