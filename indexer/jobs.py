"""Runs jobs: one a guild, as tasks of one group. A job that ran when the process ended goes on at the next start."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from indexer.database.database import Database, to_the_end
from indexer.ingest.pipeline import Pipeline
from indexer.job_changes import JobChanges, JobRefused, Why
from indexer.job_work import JobWork
from indexer.progress import Progress
from indexer.records.ids import DISCORD, ChannelId, GuildId, JobId, MessageId, Serves, UserId, serves_all
from indexer.sentence import Sentence
from indexer.store import audit, guilds, jobs, places
from indexer.store.jobs import Job, JobState, Scope, ScopeKind
from indexer.supervisor import Faults, supervised

__all__ = ["SERVER", "Job", "JobRefused", "JobState", "Jobs", "Scope", "ScopeKind", "Why"]

T = TypeVar("T")

logger = logging.getLogger(__name__)

SERVER = Scope(ScopeKind.SERVER)


class Jobs:
    """Starts, pauses, resumes and cancels jobs.

    Every change is in the database, with its line in the audit log, before it takes effect. So after a kill at any
    moment the next start knows what to do. A guild has one change at a time. Each change runs to its end, also where
    its caller is cancelled. So between two changes a job runs here if and only if the database says that it runs.
    """

    def __init__(
        self,
        db: Database,
        pipeline: Pipeline,
        tasks: asyncio.TaskGroup,
        faults: Faults,
        serves: Serves = serves_all,
    ) -> None:
        self._db = db
        self._serves = serves
        self._pipeline = pipeline
        self._changes = JobChanges(db)
        self._job_work = JobWork(db, pipeline, faults)
        self._tasks = tasks
        self._faults = faults
        self._turns: defaultdict[GuildId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._halting: set[GuildId] = set()
        self._running: dict[GuildId, asyncio.Task[None]] = {}
        self._at_work: set[JobId] = set()  # jobs that run in this process
        self._ends: dict[GuildId, tuple[JobId, Progress]] = {}  # how the guild's last job here ended
        # The channels to catch up with after the running work; None: all.
        self._afterwards: dict[GuildId, frozenset[ChannelId] | None] = {}
        self._draining = False
        self.ended = asyncio.Event()  # set whenever some work has ended; the task that waits for it clears it

    @property
    def idle(self) -> bool:
        """Whether no history is being read for any guild."""
        return not self._running

    async def unfinished(self, guild_id: GuildId) -> Job | None:
        """The guild's running or paused job."""
        job = await self.newest(guild_id)
        return job if job is not None and job.unfinished else None

    async def get(self, job_id: JobId) -> Job | None:
        return await self._changes.get(job_id)

    async def newest(self, guild_id: GuildId) -> Job | None:
        return await self._changes.newest(guild_id)

    async def recent(self, guild_id: GuildId, limit: int = 20) -> list[Job]:
        """The guild's jobs, newest first."""
        async with self._db.reader() as connection:
            return await jobs.of_guild(connection, guild_id, limit)

    async def indexed(self, guild_id: GuildId) -> int:
        """How many pictures of the guild can be found, from all jobs and events together."""
        async with self._db.reader() as connection:
            return await places.ready_in_guild(connection, guild_id)

    def progress(self, guild_id: GuildId) -> Progress | None:
        """The progress of the guild's run, or how it ended. None where this process had no run of the guild."""
        return self._pipeline.progress(guild_id)

    def progress_of(self, job: Job) -> Progress | None:
        """The progress of the job, or how it ended; later catching up does not count. None where it did not run in this
        process.
        """
        end = self._ends.get(job.guild_id)
        if end is not None and end[0] == job.id:
            return end[1]
        return self._pipeline.progress(job.guild_id) if job.id in self._at_work else None

    async def start(
        self, guild_id: GuildId, scope: Scope = SERVER, *, by: UserId | None = None, allows: bool = True
    ) -> Job:
        """Starts a job. If it reads Discord, stores the guild's consent.

        `allows`: whoever starts it may say that the guild may be read; otherwise somebody must have said so before.
        Raises JobRefused where nobody has, where a job is unfinished, or where another process serves the guild.

        While a job of archives runs, another archive becomes a part of it, and is read after the others.
        """
        return await self._in_turn(guild_id, self._start(guild_id, scope, by, allows))

    async def _start(self, guild_id: GuildId, scope: Scope, by: UserId | None, allows: bool) -> Job:
        if scope.origin_id == DISCORD and not self._serves(guild_id):
            raise JobRefused(Why.ELSEWHERE)
        async with self._db.transaction(durable=True) as tx:
            if not allows and not await guilds.has_consented(tx, guild_id):
                raise JobRefused(Why.NOT_ALLOWED)
            newest_jobs = await jobs.of_guild(tx, guild_id, limit=1)
            if newest_jobs and newest_jobs[0].state is JobState.RUNNING:
                running = newest_jobs[0]
                if DISCORD in (running.scope.origin_id, scope.origin_id):
                    raise JobRefused(Why.RUNNING)
                waiting = (*running.scope.then, scope.origin_id, *scope.then)
                fleet = running.scope.fleet or scope.fleet
                running = replace(running, scope=replace(running.scope, then=waiting, fleet=fleet))
                await jobs.set_scope(tx, running.id, running.scope)
                return running
            if newest_jobs and newest_jobs[0].state is JobState.PAUSED:
                raise JobRefused(Why.PAUSED)
            if scope.origin_id == DISCORD:
                await guilds.set_consent(tx, guild_id, True)
            job_id = await jobs.create(tx, guild_id, scope, requested_by=by)
            detail = {"job": job_id, "scope": scope.kind.value, "channel": scope.channel_id}
            await audit.add(tx, "reindex.start", guild_id=guild_id, actor_id=by, detail=detail)
            job = await jobs.get(tx, job_id)
        assert job is not None, "it was made in this transaction"
        await self._launch(job)
        return job

    async def pause(self, guild_id: GuildId, *, by: UserId | None = None) -> Job:
        """Pauses the running job. Raises JobRefused where no job runs."""

        async def pause() -> Job:
            job = await self._changes.pause(guild_id, by=by)
            await self._halt(guild_id)
            return job

        return await self._in_turn(guild_id, pause())

    async def resume(self, guild_id: GuildId, *, by: UserId | None = None) -> Job:
        """Resumes the paused job. Raises JobRefused where none is paused, or where another process serves the guild."""

        async def resume() -> Job:
            paused = await self.newest(guild_id)
            if paused is not None and paused.scope.origin_id == DISCORD and not self._serves(guild_id):
                raise JobRefused(Why.ELSEWHERE)
            job = await self._changes.resume(guild_id, by=by)
            await self._launch(job)
            return job

        return await self._in_turn(guild_id, resume())

    async def cancel(self, guild_id: GuildId, *, by: UserId | None = None) -> Job:
        """Ends the job. What was indexed stays. Raises JobRefused where no job is unfinished."""

        async def cancel() -> Job:
            job = await self._changes.cancel(guild_id, by=by)
            await self._halt(guild_id)
            self._catch_up_afterwards(guild_id)
            return job

        return await self._in_turn(guild_id, cancel())

    async def go_on(self, present: frozenset[GuildId]) -> list[Job]:
        """Starts the jobs that ran when the process ended: those of archives, and those of the guilds in `present`."""
        async with self._db.reader() as connection:
            unfinished = await jobs.unfinished(connection)
        return [
            job
            for job in unfinished
            if (job.guild_id in present or job.scope.origin_id != DISCORD)
            and await self._in_turn(job.guild_id, self._go_on(job.id))
        ]

    async def _go_on(self, job_id: JobId) -> bool:
        job = await self.get(job_id)
        if job is None or job.state is not JobState.RUNNING or job.id in self._at_work:
            return False
        await self._launch(job)
        return True

    async def show_at(self, job_id: JobId, channel_id: ChannelId | None, message_id: MessageId | None) -> None:
        """Stores where the job's progress message is."""
        async with self._db.transaction() as tx:
            await jobs.set_message(tx, job_id, channel_id, message_id)

    async def drop(self, guild_id: GuildId) -> None:
        """Stops work for a guild that the bot has left. Its job is deleted together with the guild's rows."""

        async def drop() -> None:
            await self._halt(guild_id)
            self._ends.pop(guild_id, None)
            self._afterwards.pop(guild_id, None)

        await self._in_turn(guild_id, drop())

    async def drain(self) -> None:
        """Stops everything at a safe point. The database keeps the jobs as running; the next start continues them."""
        self._draining = True
        for guild_id in list(self._running):
            await self._in_turn(guild_id, self._halt(guild_id))

    async def catch_up(self, guild_id: GuildId, only: frozenset[ChannelId] | None = None) -> None:
        """Reads what was missed (`only`: in these channels alone). It is no job, and no message reports it.

        Where work of the guild runs already, this comes after it. While a job is paused nothing is read, since the
        person who paused the job did not want that.
        """
        await self._in_turn(guild_id, self._begin_catch_up(guild_id, only))

    async def _begin_catch_up(self, guild_id: GuildId, only: frozenset[ChannelId] | None) -> None:
        job = await self.unfinished(guild_id)
        if job is not None and job.state is JobState.PAUSED:
            return
        if guild_id in self._running:
            waiting = self._afterwards.get(guild_id, frozenset())
            self._afterwards[guild_id] = None if only is None or waiting is None else only | waiting
        else:
            self._run(guild_id, self._job_work.catch_up(guild_id, only), f"catch up {guild_id}")

    async def _launch(self, job: Job) -> None:
        await self._halt(job.guild_id)  # only a catch-up can run here: an unfinished job would have refused this one
        if replace(job.scope, fleet=False) == SERVER:
            self._afterwards.pop(job.guild_id, None)  # the job reads all channels
        self._at_work.add(job.id)
        self._ends.pop(job.guild_id, None)  # a resumed job has not ended
        self._run(job.guild_id, self._work(job), f"job {job.id}")

    def _run(self, guild_id: GuildId, work: Coroutine[Any, Any, None], name: str) -> None:
        if self._draining:
            work.close()
            return
        task = self._tasks.create_task(work, name=name)
        self._running[guild_id] = task
        task.add_done_callback(lambda done: self._ended(guild_id, done))

    def _ended(self, guild_id: GuildId, done: asyncio.Task[None]) -> None:
        self.ended.set()
        if self._running.get(guild_id) is not done:
            return
        del self._running[guild_id]
        if guild_id not in self._halting and not done.cancelled() and done.exception() is None:
            self._catch_up_afterwards(guild_id)

    def _catch_up_afterwards(self, guild_id: GuildId) -> None:
        if guild_id in self._afterwards:
            only = self._afterwards.pop(guild_id)
            self._run(guild_id, self._job_work.catch_up(guild_id, only), f"catch up {guild_id}")

    async def _halt(self, guild_id: GuildId) -> None:
        """Cancels the guild's work and waits for its end. No work of the guild runs when this returns."""
        self._halting.add(guild_id)
        try:
            while (task := self._running.get(guild_id)) is not None:
                task.cancel()
                await asyncio.wait({task})
        finally:
            self._halting.discard(guild_id)

    async def _in_turn(self, guild_id: GuildId, change: Coroutine[Any, Any, T]) -> T:
        """Waits for other changes of this guild, then runs `change` to its end, also if this task is cancelled."""

        async def alone() -> T:
            async with self._turns[guild_id]:
                return await change

        return await to_the_end(alone())

    async def _work(self, job: Job) -> None:
        """Runs one job to its end and stores how it ended. One archive that cannot be read keeps no other from it."""
        state, reason = JobState.DONE, None
        part: Job | None = job
        try:
            while part is not None:
                part_state, part_reason = await self._job_work.carry_out(part)
                if state is JobState.DONE:
                    state, reason = part_state, reason if part_reason is None else part_reason
                part = await self._next_part(job.id, state, reason)
        finally:
            if (final_progress := self._pipeline.progress(job.guild_id)) is not None:
                self._ends[job.guild_id] = (job.id, final_progress)
            self._at_work.discard(job.id)

    async def _next_part(self, job_id: JobId, state: JobState, reason: Sentence | None) -> Job | None:
        """The job with the archive that comes next; where there is none, stores how it ended."""
        following: list[Job] = []

        async def store() -> None:
            async with self._db.transaction() as tx:
                stored_job = await jobs.get(tx, job_id)  # deleted with its guild, or paused just before its end
                if stored_job is None or stored_job.state is not JobState.RUNNING:
                    return
                if not stored_job.scope.then:
                    await jobs.set_state(tx, job_id, state, reason)
                    return
                origin_id, *then = stored_job.scope.then
                scope = replace(stored_job.scope, origin_id=origin_id, then=tuple(then))
                await jobs.set_scope(tx, job_id, scope)
            following[:] = [replace(stored_job, scope=scope)]

        await supervised("ending a job", store, self._faults)
        return following[0] if following else None
