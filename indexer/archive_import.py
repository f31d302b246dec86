"""An archive comes in: it becomes an origin, and each of its guilds is read and embedded as Discord's are.

Killed at any moment, the next import of the same path goes on where it was: what was stored has its span, what was not
embedded is still pending. What is known already is not embedded again, whoever has told it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from indexer.archives.export import KIND, ExportArchive
from indexer.records.messages import Guild, Origin
from indexer.reports import status
from indexer.service import Service
from indexer.store import audit, embeddings, guilds, origins, places
from indexer.store.jobs import Job, Scope, ScopeKind


@dataclass(frozen=True, slots=True)
class Imported:
    """What one guild of the archive at `location` brought.

    `pictures` with a file or a live link were `embedded` now, or known before. `failures` counts the guild's pictures
    that cannot be searched, by reason.
    """

    location: Path
    guild: Guild
    messages: int
    pictures: int
    embedded: int
    failures: dict[str, int]

    @property
    def hit_rate(self) -> float:
        """The share of pictures that needed no work of the model, 0–1."""
        return 1.0 if not self.pictures else max(0.0, 1 - self.embedded / self.pictures)


async def note_origin(service: Service, archive: ExportArchive) -> Origin:
    """The archive's origin; it is read through `archive` from now on, which is open already.

    What failed of it before is pending again: its files may be there by now.
    """
    media_folders = [str(folder) for folder in archive.media_folders]
    async with service.db.transaction(durable=True) as tx:
        origin = await origins.note(tx, KIND, str(archive.location), archive.version, media_folders)
        retried = await places.retry_origin(tx, origin.id)
        for guild in archive.index.survey.guilds.values():
            await guilds.upsert(tx, guild, origin.id)
        await audit.add(tx, "archive.import", detail={"origin": origin.id, "retried": retried})
    service.histories.remember(origin, archive)
    return origin


async def import_guild(service: Service, archive: ExportArchive, origin: Origin, guild: Guild) -> Imported:
    """Reads one guild of the archive to its end. Raises as `Pipeline.run_guild`."""
    before = await _embedded(service)
    progress = await service.pipeline.run_guild(guild.id, origin_id=origin.id)
    after = await _embedded(service)
    found = archive.index.survey.counts[guild.id].reachable
    async with service.db.reader() as connection:
        failures = await status.failures(connection, guild.id)
    return Imported(archive.location, guild, progress.messages, found, after - before, failures)


async def start_jobs(service: Service, archive: ExportArchive, origin: Origin) -> list[Job]:
    """The same in the background of a running bot, as jobs that go on after a restart. Raises JobRefused."""
    scope = Scope(ScopeKind.SERVER, origin_id=origin.id)
    return [await service.jobs.start(guild_id, scope) for guild_id in archive.index.survey.guilds]


async def _embedded(service: Service) -> int:
    async with service.db.reader() as connection:
        return await embeddings.count(connection, service.model_id)
