"""A bundle comes in: its file is checked as a whole before anything is stored, then its rows are stored in steps."""

from __future__ import annotations

import asyncio
import tempfile
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
from indexer.settings import Settings
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


async def import_bundle(place: Open, settings: Settings, path: Path, tell: Tell, *, alone: bool) -> ImportedBundle:
    """Stores the bundle at `path`. `alone`: no bot runs in this process, so nobody waits for the writer.

    Raises StorageError where the file is not whole, not ours or forged, and then nothing has changed; DiskFull;
    RetryLater where the database is busy: what came in stays, and the same import goes on.
    """
    with work_folder(settings.data_dir, WORK_PREFIX) as work:
        rows = work / CONTENT
        manifest = await _extract(path, rows, tell, nice=0 if alone else NICE)
        ownership = _ownership(path, manifest)
        stored = await store(place.db, rows, ownership, settings.crawl, tell, alone=alone)
    return ImportedBundle(path, manifest, stored)


async def survey_bundle(settings: Settings, path: Path, tell: Tell) -> ImportedBundle:
    """What `import_bundle` would do, beside a bot that runs too: for `--dry-run`. Stores nothing. Raises as it does."""
    exists = await asyncio.to_thread((settings.data_dir / FILE_NAME).exists)
    folder = settings.data_dir if exists else Path(tempfile.gettempdir())
    with work_folder(folder, WORK_PREFIX) as work:
        rows = work / CONTENT
        manifest = await _extract(path, rows, tell, nice=0)
        ownership = _ownership(path, manifest)
        if not exists:
            return ImportedBundle(path, manifest, await survey(None, rows, ownership, settings.crawl))
        async with open_database(settings.data_dir, write=False) as db:
            return ImportedBundle(path, manifest, await survey(db, rows, ownership, settings.crawl))


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
        async with open_database(settings.data_dir, write=False) as db, db.reader() as connection:
            own, stored = await application.get(connection), await guilds.known(connection)
    except StorageError:
        return True
    told_by_discord = Ownership(manifest.application_id, "", "").is_discords_word(own)
    return bool(stored) and (told_by_discord or manifest.counts.get("opt_outs", 0) > 0)


async def _extract(path: Path, rows: Path, tell: Tell, nice: int) -> BundleManifest:
    return await in_stoppable_thread(lambda check: bundle_file.extract(path, rows, check, tell), nice=nice)


def _ownership(path: Path, manifest: BundleManifest) -> Ownership:
    return Ownership(manifest.application_id, str(path), manifest.parts[0].sha256)
