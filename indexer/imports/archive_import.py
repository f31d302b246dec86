"""An archive comes in: it becomes an origin, and each of its guilds is read and embedded as Discord's are.

Killed at any moment, the next import of the same path goes on where it was: what was stored has its span, what was not
embedded is still pending. What is known already is not embedded again, whoever has told it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from indexer.archives.picture_folder import PictureFolder
from indexer.archives.picture_index import Told
from indexer.errors import TellPerson
from indexer.imports.archive_opener import Importable, Surveyed, open_collection
from indexer.jobs import JobRefused
from indexer.ports import Mirror
from indexer.records.messages import Guild, Origin
from indexer.reports import status
from indexer.service import Service
from indexer.store import audit, guilds, origins, places
from indexer.store.jobs import Job, Scope, ScopeKind


@dataclass(frozen=True, slots=True)
class Imported:
    """What one guild of the archive at `location` brought.

    `pictures` with a file or a live link were `embedded` now, or known before. `vanished` counts the files of a
    collection that are not there any more. `failures` counts the guild's pictures that cannot be searched, by reason.
    """

    location: Path
    guild: Guild
    messages: int
    pictures: int
    embedded: int
    vanished: int
    failures: dict[str, int]

    @property
    def hit_rate(self) -> float:
        """The share of pictures that needed no work of the model, 0–1."""
        return 1.0 if not self.pictures else max(0.0, 1 - self.embedded / self.pictures)


async def note_origin(service: Service, archive: Importable) -> Origin:
    """The archive's origin; it is read through `archive` from now on, which is open already.

    What failed of it before is pending again: its files may be there by now.
    """
    media_folders = [str(folder) for folder in archive.media_folders]
    async with service.db.transaction(durable=True) as tx:
        origin = await origins.note(tx, archive.kind, str(archive.location), archive.version, media_folders)
        retried = await places.retry_origin(tx, origin.id)
        for guild in archive.survey.guilds.values():
            await guilds.upsert(tx, guild, origin.id)
        await audit.add(tx, "archive.import", detail={"origin": origin.id, "retried": retried})
    service.histories.remember(origin, archive)
    return origin


async def read_collection(
    service: Service, location: Path, name: str | None, told: Told | None = None
) -> PictureFolder:
    """The folder at `location`, compared with what is stored of it. Raises as `open_collection`."""
    return await open_collection(service.settings, service.db, location, name, told)


async def import_guild(
    service: Service, archive: Importable, origin: Origin, guild: Guild, *, fleet: bool = False
) -> Imported:
    """Reads one guild of the archive to its end. Raises as `Pipeline.run_guild`."""
    progress = await service.pipeline.run_guild(guild.id, origin_id=origin.id, fleet=fleet)
    found = archive.survey.counts[guild.id].reachable
    vanished = len(archive.vanished) if isinstance(archive, Mirror) else 0
    async with service.db.reader() as connection:
        failures = await status.failures(connection, guild.id)
    return Imported(archive.location, guild, progress.messages, found, progress.embedded, vanished, failures)


def already(archive: Surveyed, guild: Guild) -> Imported:
    """The same for a guild of an archive that has not changed: nothing was read."""
    return Imported(archive.location, guild, 0, archive.survey.counts[guild.id].reachable, 0, 0, {})


async def start_jobs(service: Service, archive: Importable, origin: Origin, *, fleet: bool = False) -> list[Job]:
    """The same in the background of a running bot, as jobs that go on after a restart.

    Where another archive of a server is being read, this one is read after it, by the same job. Raises TellPerson where
    a server is being read from Discord, or its job is paused, after the jobs of the others have started.
    """
    scope = Scope(ScopeKind.SERVER, origin_id=origin.id, fleet=fleet)
    started: list[Job] = []
    busy: list[str] = []
    for guild in archive.survey.guilds.values():
        try:
            started.append(await service.jobs.start(guild.id, scope))
        except JobRefused:
            busy.append(guild.name)
    if busy:
        raise TellPerson("archive-server-busy", servers=", ".join(busy), archive=archive.location.name)
    return started
