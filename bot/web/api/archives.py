"""Archives over HTTP: the folder that holds them, and importing one."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from dataclasses import asdict
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.web.api.job_events import streamed
from bot.web.api.models.archives import (
    FolderEntry,
    FolderListing,
    ImportedBundle,
    ImportedGuild,
    ImportInfo,
    ImportList,
    ImportProblem,
    NewImport,
    PathQuery,
)
from bot.web.api.operation import CONFLICT, Call, NoQuery, Operation
from bot.web.api.parts import Archives, Parts
from bot.web.api.servers import words
from bot.web.errors import ApiError
from indexer.records.api_keys import KeyScope

if TYPE_CHECKING:
    from indexer.bundles.bundle_file import BundledGuild
    from indexer.imports.archive_imports import ArchiveImport

SHOWN_PROBLEMS = 50


def archives_of(parts: Parts) -> Archives:
    if parts.archives is None:
        raise ApiError(HTTPStatus.CONFLICT, "conflict", "No folder for archives is set (web.archives).")
    return parts.archives


async def listed(call: Call[PathQuery, None]) -> FolderListing:
    archives = archives_of(call.parts)
    path, page = call.query.path, call.query.page
    entries, more = await asyncio.to_thread(archives.folder.listed, path, page)
    most = 0 if archives.uploads is None else archives.uploads.most_bytes
    shown = [FolderEntry(entry.name, entry.is_folder, entry.byte_count, entry.changed_ms) for entry in entries]
    return FolderListing(path, shown, page, more, most)


async def start(call: Call[NoQuery, NewImport]) -> ImportInfo:
    body, archives = call.body, archives_of(call.parts)
    begun = await archives.imports.start(body.path, body.name, dry_run=body.dry_run, confirm=body.confirm)
    return described(begun, archives.folder.root)


async def imports(call: Call[NoQuery, None]) -> ImportList:
    return await import_list(call.parts)


async def import_list(parts: Parts) -> ImportList:
    archives = archives_of(parts)
    return ImportList([described(found, archives.folder.root) for found in archives.imports.recent()])


async def events(call: Call[NoQuery, None]) -> web.StreamResponse:
    imports = archives_of(call.parts).imports
    return await streamed(call, "imports", lambda: import_list(call.parts), imports.state)


def described(found: ArchiveImport, root: Path) -> ImportInfo:
    """`root`: the folder for archives, below which files are named."""
    problems = [] if found.problems is None else found.problems.kept[:SHOWN_PROBLEMS]
    return ImportInfo(
        id=found.id,
        path=found.path,
        name=found.name,
        dry_run=found.dry_run,
        began_ms=found.began_ms,
        state=found.state.value,
        looked_bytes=found.looked_bytes,
        total_bytes=found.total_bytes,
        step=found.step,
        done=found.done,
        total=found.total,
        bundle=_bundle(found),
        collection=found.collection,
        guilds=_guilds(found),
        problems=[
            ImportProblem(_inside(root, problem.label), problem.offset, words(problem.reason)) for problem in problems
        ],
        problem_count=0 if found.problems is None else found.problems.count,
        reason="" if found.reason is None else words(found.reason),
    )


def _inside(root: Path, label: str) -> str:
    """The file's path from the folder on: where that lies is for whoever has the configuration."""
    above = f"{os.path.realpath(root)}{os.sep}"
    return label.removeprefix(above).replace(os.sep, "/")


def _bundle(found: ArchiveImport) -> ImportedBundle | None:
    if found.bundle is None:
        return None
    return ImportedBundle(found.bundle.manifest.created_ms, **asdict(found.bundle.stored), asks=found.asks)


def _guilds(found: ArchiveImport) -> list[ImportedGuild]:
    if found.bundle is not None:
        return [_bundled(guild) for guild in found.bundle.manifest.guilds]
    survey = found.survey
    if survey is None:
        return []
    jobs = {job.guild_id: job.id for job in found.jobs}
    channels = Counter(channel.guild_id for channel in survey.channels.values())
    return [
        ImportedGuild(
            id=str(guild.id),
            name=guild.name,
            channels=channels[guild.id],
            job=jobs.get(guild.id),
            **asdict(survey.counts[guild.id]),
        )
        for guild in survey.guilds.values()
    ]


def _bundled(guild: BundledGuild) -> ImportedGuild:
    """A bundle has no files of pictures."""
    files = dict.fromkeys(("saved", "missing", "refused", "live", "dead", "elsewhere"), 0)
    return ImportedGuild(str(guild.id), guild.name, guild.channels, guild.messages, guild.pictures, **files, job=None)


ADMIN: dict[str, Any] = {"scope": KeyScope.ADMIN, "everything": True}
REFUSED = (CONFLICT, (HTTPStatus.UNPROCESSABLE_ENTITY, "bad_archive"))

OPERATIONS = (
    Operation(
        "archives",
        "GET",
        "/archives",
        "What lies in the folder of `web.archives`, or in a folder in it.",
        listed,
        FolderListing,
        query=PathQuery,
        refusals=REFUSED,
        **ADMIN,
    ),
    Operation(
        "imports",
        "GET",
        "/imports",
        "The newest imports, and what each found.",
        imports,
        ImportList,
        refusals=(CONFLICT,),
        **ADMIN,
    ),
    Operation(
        "startImport",
        "POST",
        "/imports",
        "Looks through an archive or bundle of that folder and imports it; or only says what would come.",
        start,
        ImportInfo,
        body=NewImport,
        status=HTTPStatus.CREATED,
        cost=20.0,
        refusals=REFUSED,
        **ADMIN,
    ),
    Operation(
        "importEvents",
        "GET",
        "/imports/events",
        "The newest imports again whenever they change, as server-sent events named `imports`.",
        events,
        "text/event-stream",
        cost=5.0,
        longest_s=None,
        refusals=(CONFLICT,),
        **ADMIN,
    ),
)
