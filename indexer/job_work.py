"""What a job does: it reads a guild, or its archive, and waits where the disk has no room."""

from __future__ import annotations

import asyncio
import logging

from indexer.database.database import Database
from indexer.errors import AfterimageError, DiskFull, Stop, Told
from indexer.ingest.pipeline import Pipeline
from indexer.progress import Progress, State
from indexer.records.ids import DISCORD, ChannelId, GuildId, OriginId
from indexer.sentence import Sentence
from indexer.store import places
from indexer.store.jobs import Job, JobState, Scope, ScopeKind
from indexer.supervisor import Faults, contained

logger = logging.getLogger(__name__)

FULL_AGAIN_S = 1.0


class JobWork:
    """Of one service. When a job runs is decided in jobs.py."""

    def __init__(self, db: Database, pipeline: Pipeline, faults: Faults) -> None:
        self._db = db
        self._pipeline = pipeline
        self._faults = faults

    async def catch_up(self, guild_id: GuildId, only: frozenset[ChannelId] | None) -> None:
        """Reads what was missed; `only`: in these channels. What goes wrong is noted among the faults. Raises Stop."""
        with contained("catching up", self._faults):
            progress = await self._run_guild(guild_id, only)
            async with self._db.reader() as connection:
                waiting = await places.waiting(connection, guild_id)
            read = progress.messages
            if waiting:
                logger.info("guild %d: %d messages read, %d pictures wait for another try", guild_id, read, waiting)
            elif progress.state is not State.DONE:
                logger.info("guild %d: %d messages read, some channels are left for the next run", guild_id, read)
            else:
                logger.info("guild %d is caught up: %d messages read", guild_id, read)

    async def _run_guild(
        self,
        guild_id: GuildId,
        only: frozenset[ChannelId] | None,
        origin_id: OriginId = DISCORD,
        *,
        fleet: bool = False,
    ) -> Progress:
        """Like `Pipeline.run_guild`. Where the disk has no room it waits, and then continues where it was."""
        while True:
            try:
                return await self._pipeline.run_guild(guild_id, only, origin_id, fleet=fleet)
            except DiskFull as error:
                self._faults.add("indexing", error)
                await asyncio.sleep(FULL_AGAIN_S)  # the disk may report room although a write was refused
                await self._db.room.wait()

    async def carry_out(self, job: Job) -> tuple[JobState, Sentence | None]:
        """Does what the job's scope says, of its archive that comes first. Returns how it ended. Raises Stop."""
        try:
            if job.scope.kind is ScopeKind.FAILED:
                async with self._db.transaction() as tx:
                    await places.retry(tx, job.guild_id)
            scope = job.scope
            progress = await self._run_guild(job.guild_id, _channels(scope), scope.origin_id, fleet=scope.fleet)
        except Stop:
            raise
        except AfterimageError as error:
            logger.warning("job %d of guild %d failed: %s", job.id, job.guild_id, error)
            return JobState.FAILED, error.sentence if isinstance(error, Told) else Sentence(
                "job-kept-waiting", {"job": str(job.id)}
            )
        except Exception:
            logger.exception("job %d of guild %d failed", job.id, job.guild_id)
            return JobState.FAILED, Sentence("job-bot-failed", {"job": str(job.id)})
        return JobState.DONE, None if progress.state is State.DONE else progress.reason


def _channels(scope: Scope) -> frozenset[ChannelId] | None:
    """Which channels a job reads; None: all of the guild. A job for failed places reads none."""
    match scope.kind:
        case ScopeKind.SERVER:
            return None
        case ScopeKind.CHANNEL if scope.channel_id is not None:
            return frozenset({scope.channel_id})
        case _:
            return frozenset()
