"""Imports that are asked for while the bot runs, and nobody waits for: what each found, and the jobs that read it.

A bundle needs no job: its rows come in at once, in steps between which others write. What it would delete or replace
has to be confirmed.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Hashable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from indexer.archives.documents import Problems
from indexer.archives.export import open_export
from indexer.archives.export_options import export_options
from indexer.archives.picture_folder import PictureFolder
from indexer.archives.survey import Survey
from indexer.bundles.bundle_import import ImportedBundle, is_bundle, open_bundle
from indexer.clock import now_ms
from indexer.correlation import Cause, cause, caused_by
from indexer.errors import DiskFull, RetryLater, StorageError, TellPerson, Told
from indexer.imports.archive_folder import ArchiveFolder
from indexer.imports.archive_import import note_origin, read_collection, start_jobs
from indexer.imports.archive_opener import Importable, is_collection
from indexer.imports.archive_uploads import ArchiveUploads
from indexer.long_work import Stopped
from indexer.platforms.processes import NICE
from indexer.sentence import Sentence
from indexer.service import Service
from indexer.store.jobs import Job
from indexer.supervisor import contained

REMEMBERED = 20
NAME = "importing"  # the name of this work among the faults


def open_uploads(service: Service, folder: Path, most_bytes: int) -> ArchiveUploads:
    """What comes into the folder, at most `most_bytes` at once."""
    return ArchiveUploads(service.db, folder, most_bytes, service.settings.storage.min_free_bytes)


class ImportState(StrEnum):
    LOOKING = "looking"
    STORING = "storing"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class ArchiveImport:
    """One import. `looked_bytes` of `total_bytes` were looked through, where that is known.

    `survey` and `problems`: what was found, None before that. The open archive is not kept: as long as it is open, the
    messages of a compressed one take room on the disk. `collection`: it comes in as a folder of pictures. `jobs` read
    it, none after a dry run. `reason`: why it failed.

    Of a bundle, `done` of `total` of a step called `step` are done (`total` None: not known), `bundle` is what it
    brings, and `asks`: whether it may delete or replace what is stored, so that `confirm` must be the number of
    messages that it deletes.
    """

    id: int
    path: str
    name: str | None
    dry_run: bool
    confirm: int | None = None
    began_ms: int = field(default_factory=now_ms)
    state: ImportState = ImportState.LOOKING
    looked_bytes: int = 0
    total_bytes: int = 0
    survey: Survey | None = None
    problems: Problems | None = None
    collection: bool = False
    step: str = ""
    done: int = 0
    total: int | None = None
    bundle: ImportedBundle | None = None
    asks: bool = False
    jobs: list[Job] = field(default_factory=list)
    reason: Sentence | None = None


class ArchiveImports:
    """One archive is looked through at a time. Belongs to one event loop."""

    def __init__(self, service: Service, folder: ArchiveFolder, tasks: asyncio.TaskGroup) -> None:
        self._service = service
        self._folder = folder
        self._tasks = tasks
        self._numbers = itertools.count(1)
        self._recent: deque[ArchiveImport] = deque(maxlen=REMEMBERED)
        self._running: asyncio.Task[None] | None = None
        self._stop = threading.Event()

    def recent(self) -> list[ArchiveImport]:
        """The newest first."""
        return list(reversed(self._recent))

    def state(self) -> Hashable:
        """Another value whenever something of the newest imports has changed."""
        return tuple(
            (
                *(found.id, found.state, found.looked_bytes, found.total_bytes, found.survey is None),
                *(len(found.jobs), found.step, found.done, found.bundle is None),
            )
            for found in self._recent
        )

    async def start(self, path: str, name: str | None, *, dry_run: bool, confirm: int | None = None) -> ArchiveImport:
        """Begins to look through what lies at `path` of the folder; `name`: as a collection of this name. `confirm`:
        how many messages a bundle may delete.

        Raises TellPerson where there is nothing, or where another archive is being looked through.
        """
        await asyncio.to_thread(self._folder.location, path)
        if self._running is not None and not self._running.done():
            raise TellPerson("archive-looking")
        begun = ArchiveImport(next(self._numbers), path, name, dry_run, confirm)
        self._recent.append(begun)
        self._running = self._tasks.create_task(self._run(begun, cause()), name=f"import {begun.id}")
        return begun

    async def end(self) -> None:
        """Stops what is being looked through, and a bundle that comes in; jobs go on."""
        self._stop.set()
        if self._running is not None:
            if self._recent[-1].step:  # a bundle: each of its steps ends well
                self._running.cancel()
            await asyncio.wait({self._running})

    async def _run(self, begun: ArchiveImport, asked: Cause | None) -> None:
        """`asked`: the request, which is answered before this is done; the audit log names it all the same."""
        with contained(NAME, self._service.faults) as work:
            try:
                with nullcontext() if asked is None else caused_by(asked):
                    await self._import(begun)
                begun.state = ImportState.DONE
            except asyncio.CancelledError:
                begun.reason, begun.state = Sentence("bundle-import-stopped"), ImportState.FAILED
                raise
            except (Told, Stopped) as error:
                begun.reason = error.sentence if isinstance(error, Told) else Sentence("archive-stopped")
                begun.state = ImportState.FAILED
        if work.failed:
            begun.reason, begun.state = Sentence("archive-failed"), ImportState.FAILED

    async def _import(self, begun: ArchiveImport) -> None:
        location = await asyncio.to_thread(self._folder.location, begun.path)
        if begun.name is None and await asyncio.to_thread(is_bundle, location):
            try:
                await self._import_bundle(begun, location)
            except DiskFull as error:
                raise TellPerson("bundle-import-no-room") from error
            except RetryLater as error:
                raise TellPerson("bundle-import-busy") from error
            return
        archive = await self._opened(begun, location)
        begun.survey, begun.problems = archive.survey, archive.problems
        begun.collection = isinstance(archive, PictureFolder)
        if not archive.survey.documents:
            raise TellPerson("archive-nothing")
        # Whoever changes the folder meanwhile must not have had something else read by it.
        await asyncio.to_thread(self._folder.location, begun.path)
        if not begun.dry_run:
            origin = await note_origin(self._service, archive)
            begun.jobs = await start_jobs(self._service, archive, origin)

    async def _import_bundle(self, begun: ArchiveImport, location: Path) -> None:
        """Raises TellPerson where the file is not sound, or something else was confirmed than it does; RetryLater."""

        def tell(step: str, done: int, total: int | None) -> None:
            begun.step, begun.done, begun.total = step, done, total

        begun.step = "checked"
        db, settings = self._service.db, self._service.settings
        async with AsyncExitStack() as opened:
            try:
                bundle = await opened.enter_async_context(open_bundle(settings, location, tell, nice=NICE))
            except StorageError as error:
                raise TellPerson("bundle-unsound", error=str(error).replace(str(location), begun.path)) from error
            found, asks = await bundle.survey(db), await bundle.may_delete(db)
            # Whoever changes the folder meanwhile must not have had something else read.
            await asyncio.to_thread(self._folder.location, begun.path)
            begun.bundle, begun.asks = found, asks
            if not begun.dry_run:
                _require_confirmed(begun, found.stored.deleted)
                begun.state = ImportState.STORING
                begun.bundle = await bundle.store(db, tell, alone=False)

    async def _opened(self, begun: ArchiveImport, location: Path) -> Importable:
        def looked(count: int, total: int = 0) -> None:
            begun.looked_bytes, begun.total_bytes = count, total
            if self._stop.is_set():
                raise Stopped("the bot is stopping")

        settings = self._service.settings
        if begun.name is not None or await is_collection(settings, location):
            return await read_collection(self._service, location, begun.name, looked)
        return await asyncio.to_thread(open_export, location, export_options(settings), (), looked)


def _require_confirmed(begun: ArchiveImport, deleted: int) -> None:
    """Raises TellPerson where the bundle deletes another number of messages than was confirmed."""
    if begun.confirm is None and begun.asks:
        raise TellPerson("bundle-confirm", deleted=deleted)
    if begun.confirm not in (None, deleted):
        raise TellPerson("selection-changed", confirmed=begun.confirm, counted=deleted)
