"""Changes of a guild's unfinished job in the database, each with its line in the audit log.

Where a service runs, jobs.py stops or begins the work too. Where none runs, the next start does what is written here.
"""

from __future__ import annotations

from enum import StrEnum

from indexer.database.database import Database
from indexer.errors import TellPerson
from indexer.records.ids import GuildId, JobId, UserId
from indexer.store import audit, jobs
from indexer.store.jobs import Job, JobState


class Why(StrEnum):
    """Why a job cannot be started or changed."""

    RUNNING = "running"
    PAUSED = "paused"
    NONE = "none"
    NOT_ALLOWED = "not-allowed"
    ELSEWHERE = "elsewhere"  # another process serves the guild


class JobRefused(TellPerson):
    """The guild's job is not in the state that this change needs. `why` says which state it is in."""

    def __init__(self, why: Why) -> None:
        super().__init__(f"job-{why.value}")
        self.why = why


class JobChanges:
    """Of one data folder. Every method raises RetryLater where the database is not free in time."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, job_id: JobId) -> Job | None:
        async with self._db.reader() as connection:
            return await jobs.get(connection, job_id)

    async def newest(self, guild_id: GuildId) -> Job | None:
        async with self._db.reader() as connection:
            newest_jobs = await jobs.of_guild(connection, guild_id, limit=1)
        return newest_jobs[0] if newest_jobs else None

    def progress_of(self, job: Job) -> None:
        """Nothing runs here."""

    async def pause(self, guild_id: GuildId, *, by: UserId | None = None) -> Job:
        """Raises JobRefused where no job runs."""
        return await self._change(guild_id, JobState.RUNNING, JobState.PAUSED, "reindex.pause", by)

    async def resume(self, guild_id: GuildId, *, by: UserId | None = None) -> Job:
        """Raises JobRefused where no job is paused."""
        return await self._change(guild_id, JobState.PAUSED, JobState.RUNNING, "reindex.resume", by)

    async def cancel(self, guild_id: GuildId, *, by: UserId | None = None) -> Job:
        """Raises JobRefused where no job is unfinished."""
        return await self._change(guild_id, None, JobState.CANCELLED, "reindex.cancel", by)

    async def _change(
        self, guild_id: GuildId, needed: JobState | None, state: JobState, action: str, by: UserId | None
    ) -> Job:
        async with self._db.transaction(durable=True) as tx:
            newest_jobs = await jobs.of_guild(tx, guild_id, limit=1)
            unfinished_jobs = [job for job in newest_jobs if job.unfinished]
            if not unfinished_jobs:
                raise JobRefused(Why.NONE)
            job = unfinished_jobs[0]
            if needed is not None and job.state is not needed:
                raise JobRefused(Why.PAUSED if job.state is JobState.PAUSED else Why.RUNNING)
            await jobs.set_state(tx, job.id, state)
            await audit.add(tx, action, guild_id=guild_id, actor_id=by, detail={"job": job.id})
            changed = await jobs.get(tx, job.id)
        assert changed is not None, "jobs are never deleted alone"
        return changed
