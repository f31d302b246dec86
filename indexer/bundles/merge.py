"""Two installations become one: everything that another data folder has comes into this one, each message once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from indexer.backup.work_folder import work_folder
from indexer.bundles.bundle_file import CONTENT, BundleManifest
from indexer.bundles.bundle_import import WORK_PREFIX, Open
from indexer.bundles.export import describe
from indexer.bundles.gather import Gathered, Selection, gather
from indexer.bundles.ownership import Ownership
from indexer.bundles.storing import Stored, store
from indexer.bundles.survey import survey
from indexer.database import lock, migrate, unfinished
from indexer.database.database import FILE_NAME, Database, open_database
from indexer.database.stoppable_thread import in_stoppable_thread
from indexer.errors import StorageError
from indexer.platforms.processes import NICE
from indexer.settings import Settings
from indexer.store import application

Tell = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class Merged:
    """What the data folder `folder` brought; after a dry run, what it would bring."""

    folder: Path
    manifest: BundleManifest
    stored: Stored

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        manifest = self.manifest.as_dict()
        told = {name: manifest[name] for name in ("created", "application_id", "guilds", "models")}
        return {"folder": str(self.folder), **told, **asdict(self.stored)}


async def merge(place: Open, settings: Settings, folder: Path, tell: Tell, *, adopt: bool, alone: bool) -> Merged:
    """Stores everything of the data folder `folder`, which nobody may write meanwhile and which stays as it is.

    `adopt`: also where another bot read it; what Discord said to that bot then counts as said to this one. `alone`: no
    bot runs in this process. Raises StorageError where there is no database, where another process writes it, or for
    another bot's without `adopt`; RetryLater where the database is busy: what came in stays, and the same merge goes
    on.
    """
    with work_folder(settings.data_dir, WORK_PREFIX) as work:
        rows = work / CONTENT
        async with _gathered(settings, folder, rows, tell, nice=0 if alone else NICE) as gathered:
            await _require_same_bot(place.db, settings, folder, gathered, adopt)
            ownership = Ownership(gathered.application_id, str(folder), "", adopt=adopt, same_machine=True)
            stored = await store(place.db, rows, ownership, settings.crawl, tell, alone=alone)
            return Merged(folder, await asyncio.to_thread(describe, rows, gathered, Selection(None)), stored)


async def survey_merge(settings: Settings, folder: Path, tell: Tell, *, adopt: bool) -> Merged:
    """What `merge` would do, beside a bot that runs too. Stores nothing. Raises as it does."""
    async with open_database(settings.data_dir, write=False) as db:
        with work_folder(settings.data_dir, WORK_PREFIX) as work:
            rows = work / CONTENT
            async with _gathered(settings, folder, rows, tell, nice=0) as gathered:
                await _require_same_bot(db, settings, folder, gathered, adopt)
                ownership = Ownership(gathered.application_id, str(folder), "", adopt=adopt, same_machine=True)
                stored = await survey(db, rows, ownership, settings.crawl)
                return Merged(folder, await asyncio.to_thread(describe, rows, gathered, Selection(None)), stored)


@asynccontextmanager
async def _gathered(settings: Settings, folder: Path, rows: Path, tell: Tell, nice: int) -> AsyncIterator[Gathered]:
    """The folder's rows, while its lock is held: what a bot reads there meanwhile would not come along."""
    database = folder / FILE_NAME
    await asyncio.to_thread(migrate.check, database)
    if await asyncio.to_thread(database.samefile, settings.data_dir / FILE_NAME):
        raise StorageError(f"{folder} is this installation's own data folder: name the other one.")
    with lock.hold(folder):
        await asyncio.to_thread(unfinished.refuse, folder)
        yield await in_stoppable_thread(lambda check: gather(database, Selection(None), rows, check, tell), nice=nice)


async def _require_same_bot(db: Database, settings: Settings, folder: Path, gathered: Gathered, adopt: bool) -> None:
    async with db.reader() as connection:
        own = await application.get(connection)
    theirs = gathered.application_id
    if not adopt and None not in (own, theirs) and own != theirs:
        raise StorageError(
            f"{folder} belongs to the bot with application id {theirs}, and {settings.data_dir} to {own}; nothing was"
            " changed. If the bot of this folder is to take over what the other one has read, give --adopt: servers"
            " that it is not in are forgotten within a day of its start."
        )
