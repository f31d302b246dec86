"""Jobs that read history: what there is, starting one, and changing it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from msgspec import convert

from bot.control import jobs as control
from bot.web.api.models.jobs import JobInfo, JobList, NewJob
from bot.web.api.operation import BAD_QUESTION, CONFLICT, Call, NoQuery, Operation
from bot.web.api.parts import Parts
from bot.web.errors import ApiError
from indexer.errors import TellPerson
from indexer.jobs import Job, Jobs, Scope, ScopeKind
from indexer.progress import Progress
from indexer.records.api_keys import KeyScope
from indexer.records.ids import ChannelId, GuildId

SHOWN = 20


async def job_list(parts: Parts, guild_id: GuildId) -> JobList:
    jobs = parts.service.jobs
    return JobList([described(job, jobs.progress_of(job)) for job in await jobs.recent(guild_id, SHOWN)])


async def listed(call: Call[NoQuery, None]) -> JobList:
    return await job_list(call.parts, call.guild.id)


async def start(call: Call[NoQuery, NewJob]) -> JobInfo:
    """Only where the server may be read already: a key is no member who can say so."""
    job = await call.parts.service.jobs.start(call.guild.id, await _scope(call), allows=False)
    return described(job, None)


async def _scope(call: Call[NoQuery, NewJob]) -> Scope:
    kind = ScopeKind(call.body.scope)
    if (kind is ScopeKind.CHANNEL) != (call.body.channel is not None):
        message = 'channel must be given with the scope "channel", and with no other.'
        raise ApiError(HTTPStatus.BAD_REQUEST, "bad_request", message)
    if call.body.channel is None:
        return Scope(kind)
    channel_id = ChannelId(int(call.body.channel))
    if channel_id not in {channel.id for channel in await call.parts.service.reports.channels(call.guild.id)}:
        raise TellPerson("cli-channel", channel=call.body.channel)
    return Scope(kind, channel_id)


def _change(method: Callable[[Jobs, GuildId], Awaitable[Job]]) -> Callable[[Call[Any, Any]], Awaitable[JobInfo]]:
    """A handler that changes the guild's unfinished job, if it is the one that the path names."""

    async def change(call: Call[NoQuery, None]) -> JobInfo:
        jobs = call.parts.service.jobs
        named = next((job for job in await jobs.recent(call.guild.id, SHOWN) if job.id == call.ids["job"]), None)
        if named is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path.")
        unfinished = await jobs.unfinished(call.guild.id)
        if unfinished is None or unfinished.id != named.id:
            raise ApiError(HTTPStatus.CONFLICT, "conflict", f"Job {named.id} is {named.state.value} already.")
        job = await method(jobs, call.guild.id)
        return described(job, jobs.progress_of(job))

    return change


def described(job: Job, progress: Progress | None) -> JobInfo:
    """A job, and how far it is, where it ran in this process."""
    return convert(control.described(job, progress), JobInfo)


_CHANGES = {
    "pause": ("Pauses the running job.", _change(lambda jobs, guild_id: jobs.pause(guild_id))),
    "resume": ("Goes on with the paused job.", _change(lambda jobs, guild_id: jobs.resume(guild_id))),
    "cancel": ("Ends the job; what it indexed stays.", _change(lambda jobs, guild_id: jobs.cancel(guild_id))),
}

OPERATIONS = (
    Operation("jobs", "GET", "/guilds/{guild}/jobs", "The newest jobs of a server.", listed, JobList),
    Operation(
        "startJob",
        "POST",
        "/guilds/{guild}/jobs",
        "Starts a job on a server that may be read already.",
        start,
        JobInfo,
        scope=KeyScope.WRITE,
        body=NewJob,
        status=HTTPStatus.CREATED,
        cost=5.0,
        refusals=(CONFLICT, BAD_QUESTION),
    ),
    *(
        Operation(
            f"{name}Job",
            "POST",
            f"/guilds/{{guild}}/jobs/{{job}}/{name}",
            summary,
            handler,
            JobInfo,
            scope=KeyScope.WRITE,
            cost=5.0,
            refusals=(CONFLICT,),
        )
        for name, (summary, handler) in _CHANGES.items()
    ),
)
