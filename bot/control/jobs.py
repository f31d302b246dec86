"""Jobs that read a server's history: starting one, saying how far it is, and changing it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from bot.control.handler import Handler, Tell, Values
from bot.control.operations import tell_safety, wants_cluster
from bot.control.question import chosen_guild
from bot.texts import Language
from bot.texts.catalogue import translate_sentence
from indexer.errors import TellPerson
from indexer.jobs import Job, JobRefused, Scope, ScopeKind, Why
from indexer.progress import Progress
from indexer.query.grammar import reference
from indexer.records.ids import DISCORD, GuildId, JobId, UserId
from indexer.records.messages import Guild
from indexer.reports.reports import Reports
from indexer.service import Service

CHANGES = ("pause", "resume", "cancel")


class Jobs(Protocol):
    """The running service's jobs, and those of a data folder that a command has opened."""

    async def get(self, job_id: JobId) -> Job | None: ...

    async def newest(self, guild_id: GuildId) -> Job | None: ...

    def progress_of(self, job: Job) -> Progress | None: ...

    async def pause(self, guild_id: GuildId, *, by: UserId | None = None) -> Job: ...

    async def resume(self, guild_id: GuildId, *, by: UserId | None = None) -> Job: ...

    async def cancel(self, guild_id: GuildId, *, by: UserId | None = None) -> Job: ...


class Store(Protocol):
    """What the operations need."""

    @property
    def jobs(self) -> Jobs: ...

    @property
    def reports(self) -> Reports: ...


def jobs(store: Store) -> dict[str, Handler]:
    """`job`, `jobs` and `change-job` on this store."""
    return {
        "job": partial(_job, store),
        "jobs": partial(_newest_jobs, store),
        "change-job": partial(_change, store),
    }


def starting(service: Service) -> dict[str, Handler]:
    """`start-job`, where the service can read Discord."""
    return {"start-job": partial(_start, service)}


async def _start(service: Service, values: Values, tell: Tell) -> Values:
    """Reads `guild`, of it `channel`, or what `failed`; the server may be read from now on. `fleet`: files are opened
    and embedded in the cluster. → `job`. Where the same is being read already, that job.

    Raises TellPerson for a server or channel that is not known, and where another job is unfinished.
    """
    guild = await _readable_guild(service.reports, values.get("guild"))
    scope = await _scope(service.reports, guild, values)
    if await wants_cluster(service, values, tell):
        scope = replace(scope, fleet=True)
    try:
        job = await service.jobs.start(guild.id, scope)
        await tell_safety(service.made_safe(), tell)
    except JobRefused as refused:
        running = await service.jobs.newest(guild.id)
        if running is None or running.scope != scope or refused.why is not Why.RUNNING:
            raise _plain(refused, guild) from None
        tell(f"{guild.name} is being read already")
        job = running
    return {"job": _named(guild, job, service.jobs.progress_of(job))}


async def _readable_guild(reports: Reports, wanted: object) -> Guild:
    known = await reports.guilds()
    in_discord = [guild for guild in known if not await reports.archived_only(guild.id)]
    if not in_discord:
        raise TellPerson("cli-in-no-server")
    if wanted is None:
        return chosen_guild(in_discord, None)
    guild = chosen_guild(known, wanted)
    if guild not in in_discord:
        raise TellPerson("cli-archived-server", server=guild.name)
    return guild


async def _scope(reports: Reports, guild: Guild, values: Values) -> Scope:
    name: Any = values.get("channel")
    if values.get("failed") is True:
        return Scope(ScopeKind.FAILED)
    if name is None:
        return Scope(ScopeKind.SERVER)
    if not isinstance(name, str):
        raise TellPerson("cli-needs", name="channel")
    wanted = reference(name, "#")
    found = [
        channel.id
        for channel in await reports.channels(guild.id)
        if channel.id == wanted.id or (wanted.id is None and channel.name.casefold() == wanted.name.casefold())
    ]
    if not found:
        raise TellPerson("cli-channel-unknown", channel=name[:100])
    if len(found) > 1:
        raise TellPerson("cli-several-channels", channel=name[:100], known=", ".join(map(str, found)))
    return Scope(ScopeKind.CHANNEL, found[0])


async def _job(store: Store, values: Values, tell: Tell) -> Values:
    """`id` → `job`; null where it went with its server."""
    number: Any = values.get("id")
    if isinstance(number, bool) or not isinstance(number, int):
        raise TellPerson("cli-needs", name="id")
    job = await store.jobs.get(JobId(number))
    guild = None if job is None else await store.reports.guild(job.guild_id)
    if job is None or guild is None:
        return {"job": None}
    return {"job": _named(guild, job, store.jobs.progress_of(job))}


async def _newest_jobs(store: Store, values: Values, tell: Tell) -> Values:
    """→ `jobs`: the newest of `guild`, or (null) of each server that had one."""
    known, wanted = await store.reports.guilds(), values.get("guild")
    newest = await _newest(store, known if wanted is None else [chosen_guild(known, wanted)])
    return {"jobs": [_named(guild, job, store.jobs.progress_of(job)) for guild, job in newest]}


async def _newest(store: Store, guilds: Sequence[Guild]) -> list[tuple[Guild, Job]]:
    newest = [(guild, await store.jobs.newest(guild.id)) for guild in guilds]
    return [(guild, job) for guild, job in newest if job is not None]


async def _change(store: Store, values: Values, tell: Tell) -> Values:
    """`change` is one of CHANGES, made to the unfinished job of `guild`; null: the only one that has one. → `job`.

    Raises TellPerson where there is none, or where it is in that state already.
    """
    change: Any = values.get("change")
    if change not in CHANGES:
        raise TellPerson("cli-needs", name="change")
    known = await store.reports.guilds()
    if values.get("guild") is None:
        known = [guild for guild, job in await _newest(store, known) if job.unfinished]
        if not known:
            raise TellPerson("cli-job-nowhere")
    guild = chosen_guild(known, values.get("guild"))
    make = {"pause": store.jobs.pause, "resume": store.jobs.resume, "cancel": store.jobs.cancel}[change]
    try:
        job = await make(guild.id)
    except JobRefused as refused:
        raise _plain(refused, guild) from None
    return {"job": _named(guild, job, store.jobs.progress_of(job))}


def _plain(refused: JobRefused, guild: Guild) -> TellPerson:
    """The same with the commands of a shell, not those of a chat."""
    assert refused.why is not Why.NOT_ALLOWED, "whoever has the data folder may say that the server is read"
    return TellPerson(f"cli-job-{refused.why.value}", server=guild.name)


def _named(guild: Guild, job: Job, progress: Progress | None) -> Values:
    return {"guild": {"id": str(guild.id), "name": guild.name}, **described(job, progress)}


def described(job: Job, progress: Progress | None) -> dict[str, Any]:
    """A job, and how far it is, where it ran in this process. Its reason in English."""
    return {
        "id": job.id,
        "scope": job.scope.kind.value,
        "channel": None if job.scope.channel_id is None else str(job.scope.channel_id),
        "imported": job.scope.origin_id != DISCORD,
        "state": job.state.value,
        "reason": "" if job.reason is None else translate_sentence(Language.ENGLISH, job.reason, str),
        "created_ms": job.created_ms,
        "updated_ms": job.updated_ms,
        "progress": None if progress is None else _progress(progress),
    }


def _progress(progress: Progress) -> dict[str, Any]:
    seconds_left = progress.seconds_left
    return {
        "fraction": round(progress.fraction, 4),
        "channels_done": progress.channels_done,
        "channels_total": progress.channels_total,
        "channels_parked": progress.channels_parked,
        "messages": progress.messages,
        "messages_expected": progress.messages_expected,
        "places_done": progress.places_done,
        "places_total": progress.places_total,
        "failed": progress.failed,
        "seconds_left": None if seconds_left is None else round(seconds_left, 1),
    }
