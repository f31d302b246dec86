"""A bundle comes in: its file is checked as a whole before anything is stored, then its rows are stored in steps."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from indexer.backup.checked_tar import Tell
from indexer.backup.work_folder import work_folder
from indexer.bundles import bundle_file
from indexer.bundles.bundle_file import CONTENT, BundleManifest
from indexer.bundles.ownership import Ownership
from indexer.bundles.storing import Stored, store
from indexer.bundles.survey import survey
from indexer.database.database import FILE_NAME, Database, open_database
from indexer.database.stoppable_thread import in_stoppable_thread
from indexer.errors import StorageError
from indexer.platforms.processes import NICE
from indexer.settings import CrawlSettings, Settings
from indexer.store import application, guilds

WORK_PREFIX = ".afterimage-import-"

is_bundle = bundle_file.is_bundle


class Open(Protocol):
    """A data folder that is open for writing."""

    @property
    def db(self) -> Database: ...


@dataclass(frozen=True, slots=True)
class ImportedBundle:
    """What the bundle at `path` brought; after a dry run, what it would bring."""

    path: Path
    manifest: BundleManifest
    stored: Stored

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        manifest = self.manifest.as_dict()
        told = {name: manifest[name] for name in ("created", "application_id", "guilds", "channels", "models")}
        return {"file": str(self.path), **told, **asdict(self.stored)}


@dataclass(frozen=True, slots=True)
class OpenBundle:
    """A bundle whose file was checked as a whole; `rows` has what is in it."""

    path: Path
    manifest: BundleManifest
    rows: Path
    crawl: CrawlSettings

    @property
    def _ownership(self) -> Ownership:
        return Ownership(self.manifest.application_id, str(self.path), self.manifest.parts[0].sha256)

    async def survey(self, db: Database | None) -> ImportedBundle:
        """What `store` would do. `db` None: nothing is stored yet."""
        return ImportedBundle(self.path, self.manifest, await survey(db, self.rows, self._ownership, self.crawl))

    async def may_delete(self, db: Database) -> bool:
        """Whether `store` may delete or replace what is stored: see the function of this name."""
        return await _may_delete(db, self.manifest)

    async def store(self, db: Database, tell: Tell, *, alone: bool) -> ImportedBundle:
        """Stores it. `alone`: no bot runs in this process, so nobody waits for the writer.

        Raises DiskFull; RetryLater where the database is busy: what came in stays, and the same import goes on.
        """
        stored = await store(db, self.rows, self._ownership, self.crawl, tell, alone=alone)
        return ImportedBundle(self.path, self.manifest, stored)


@asynccontextmanager
async def open_bundle(
    settings: Settings, path: Path, tell: Tell, *, nice: int = 0, work_in: Path | None = None
) -> AsyncIterator[OpenBundle]:
    """The bundle at `path`, its rows beside the database (or in the folder `work_in`) until the block ends.

    `nice`: of the thread that checks it. Raises StorageError where the file is not whole, not ours or forged; DiskFull.
    """
    with work_folder(work_in or settings.data_dir, WORK_PREFIX) as work:
        rows = work / CONTENT
        manifest = await in_stoppable_thread(lambda check: bundle_file.extract(path, rows, check, tell), nice=nice)
        yield OpenBundle(path, manifest, rows, settings.crawl)


async def import_bundle(place: Open, settings: Settings, path: Path, tell: Tell, *, alone: bool) -> ImportedBundle:
    """Stores the bundle at `path`. Raises as `open_bundle`, and then nothing has changed; and as `OpenBundle.store`."""
    async with open_bundle(settings, path, tell, nice=0 if alone else NICE) as bundle:
        return await bundle.store(place.db, tell, alone=alone)


async def survey_bundle(settings: Settings, path: Path, tell: Tell) -> ImportedBundle:
    """What `import_bundle` would do, beside a bot that runs too: for `--dry-run`. Stores nothing. Raises as it does."""
    if not await asyncio.to_thread((settings.data_dir / FILE_NAME).exists):
        async with open_bundle(settings, path, tell, work_in=Path(tempfile.gettempdir())) as bundle:
            return await bundle.survey(None)
    async with open_bundle(settings, path, tell) as bundle, open_database(settings.data_dir, write=False) as db:
        return await bundle.survey(db)


async def may_delete(settings: Settings, path: Path) -> bool:
    """Whether an import of the bundle at `path` may delete or replace what is stored here: where it names the bot of
    this folder, so that its word is Discord's, or has opt-outs, which hold for any server that it names.

    False where nothing is stored yet; true where that cannot be read before an upgrade. Raises StorageError where the
    bundle's manifest cannot be read.
    """
    manifest = await asyncio.to_thread(bundle_file.read_manifest, path)
    if not await asyncio.to_thread((settings.data_dir / FILE_NAME).exists):
        return False
    try:
        async with open_database(settings.data_dir, write=False) as db:
            return await _may_delete(db, manifest)
    except StorageError:
        return True


async def _may_delete(db: Database, manifest: BundleManifest) -> bool:
    async with db.reader() as connection:
        own, stored = await application.get(connection), await guilds.known(connection)
    told_by_discord = Ownership(manifest.application_id, "", "").is_discords_word(own)
    return bool(stored) and (told_by_discord or manifest.counts.get("opt_outs", 0) > 0)
