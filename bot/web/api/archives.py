"""Archives over HTTP: the folder that holds them, importing one, and bringing one in, part by part."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.web.api.job_events import streamed
from bot.web.api.models.archives import (
    FolderEntry,
    FolderListing,
    ImportedGuild,
    ImportInfo,
    ImportList,
    ImportProblem,
    NewImport,
    NewUpload,
    PartQuery,
    PathQuery,
    UploadInfo,
    UploadList,
)
from bot.web.api.models.operator import Done
from bot.web.api.operation import Call, NoQuery, Operation
from bot.web.api.parts import Archives, Parts
from bot.web.api.servers import words
from bot.web.api.uploads import FILE, body_bytes
from bot.web.errors import ApiError
from indexer.archive_uploads import PART_BYTES, ArchiveUploads, Upload
from indexer.records.api_keys import KeyScope

if TYPE_CHECKING:
    from indexer.archive_imports import ArchiveImport

SHOWN_PROBLEMS = 50


def _archives(parts: Parts) -> Archives:
    if parts.archives is None:
        raise ApiError(HTTPStatus.CONFLICT, "conflict", "No folder for archives is set (web.archives).")
    return parts.archives


def _uploads(parts: Parts) -> ArchiveUploads:
    uploads = _archives(parts).uploads
    if uploads is None:
        raise ApiError(HTTPStatus.CONFLICT, "conflict", "Uploads are off (web.upload_bytes).")
    return uploads


async def listed(call: Call[PathQuery, None]) -> FolderListing:
    archives = _archives(call.parts)
    entries, more = await asyncio.to_thread(archives.folder.listed, call.query.path)
    most = 0 if archives.uploads is None else archives.uploads.most_bytes
    shown = [FolderEntry(entry.name, entry.is_folder, entry.byte_count, entry.changed_ms) for entry in entries]
    return FolderListing(call.query.path, shown, more, most)


async def start(call: Call[NoQuery, NewImport]) -> ImportInfo:
    body, imports = call.body, _archives(call.parts).imports
    return described(await imports.start(body.path, body.name, dry_run=body.dry_run))


async def imports(call: Call[NoQuery, None]) -> ImportList:
    return await import_list(call.parts)


async def import_list(parts: Parts) -> ImportList:
    return ImportList([described(found) for found in _archives(parts).imports.recent()])


async def events(call: Call[NoQuery, None]) -> web.StreamResponse:
    _archives(call.parts)
    return await streamed(call, "imports", lambda: import_list(call.parts))


def described(found: ArchiveImport) -> ImportInfo:
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
        collection=found.collection,
        guilds=_guilds(found),
        problems=[ImportProblem(problem.label, problem.offset, words(problem.reason)) for problem in problems],
        problem_count=0 if found.problems is None else found.problems.count,
        reason="" if found.reason is None else words(found.reason),
    )


def _guilds(found: ArchiveImport) -> list[ImportedGuild]:
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


async def begin_upload(call: Call[NoQuery, NewUpload]) -> UploadInfo:
    return _upload(await _uploads(call.parts).begin(call.body.name, call.body.bytes))


async def uploads(call: Call[NoQuery, None]) -> UploadList:
    return UploadList([_upload(upload) for upload in _uploads(call.parts).known()])


async def put_part(call: Call[PartQuery, None]) -> UploadInfo:
    found = _uploads(call.parts)
    upload = found.get(call.ids["upload"])
    async with found.receiving():
        data = await body_bytes(call.request, PART_BYTES, FILE, "A part has at most")
        await found.put(upload, call.ids["part"], int(call.query.crc32, 16), data)
    return _upload(upload)


async def finish_upload(call: Call[NoQuery, None]) -> UploadInfo:
    found = _uploads(call.parts)
    upload = found.get(call.ids["upload"])
    await found.finish(upload)
    return _upload(upload)


async def cancel_upload(call: Call[NoQuery, None]) -> Done:
    found = _uploads(call.parts)
    await found.cancel(found.get(call.ids["upload"]))
    return Done()


def _upload(upload: Upload) -> UploadInfo:
    return UploadInfo(
        str(upload.id), upload.name, upload.byte_count, PART_BYTES, upload.part_count, sorted(upload.parts)
    )


_ADMIN: dict[str, Any] = {"scope": KeyScope.ADMIN, "everything": True}
_OFF = (HTTPStatus.CONFLICT, "conflict")
_REFUSED = (_OFF, (HTTPStatus.UNPROCESSABLE_ENTITY, "bad_archive"))

OPERATIONS = (
    Operation(
        "archives",
        "GET",
        "/archives",
        "What lies in the folder of `web.archives`, or in a folder in it.",
        listed,
        FolderListing,
        query=PathQuery,
        refusals=_REFUSED,
        **_ADMIN,
    ),
    Operation(
        "imports",
        "GET",
        "/imports",
        "The newest imports, and what each found.",
        imports,
        ImportList,
        refusals=(_OFF,),
        **_ADMIN,
    ),
    Operation(
        "startImport",
        "POST",
        "/imports",
        "Looks through an archive of that folder and imports it as jobs; or only says what would come.",
        start,
        ImportInfo,
        body=NewImport,
        status=HTTPStatus.CREATED,
        cost=20.0,
        refusals=_REFUSED,
        **_ADMIN,
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
        refusals=(_OFF,),
        **_ADMIN,
    ),
    Operation(
        "uploads", "GET", "/uploads", "The files that come now.", uploads, UploadList, refusals=(_OFF,), **_ADMIN
    ),
    Operation(
        "beginUpload",
        "POST",
        "/uploads",
        "Announces a file, which then comes in parts, in any order.",
        begin_upload,
        UploadInfo,
        body=NewUpload,
        status=HTTPStatus.CREATED,
        cost=5.0,
        refusals=_REFUSED,
        **_ADMIN,
    ),
    Operation(
        "putPart",
        "PUT",
        "/uploads/{upload}/parts/{part}",
        "A part of the file. It may come again.",
        put_part,
        UploadInfo,
        query=PartQuery,
        uploads=(FILE,),
        cost=0.5,
        longest_s=120.0,
        refusals=_REFUSED,
        **_ADMIN,
    ),
    Operation(
        "finishUpload",
        "POST",
        "/uploads/{upload}/finish",
        "Puts the file, of which every part is there, into the folder of `web.archives`.",
        finish_upload,
        UploadInfo,
        longest_s=120.0,  # a slow disk takes its time for what it has not written yet
        refusals=_REFUSED,
        **_ADMIN,
    ),
    Operation(
        "cancelUpload",
        "DELETE",
        "/uploads/{upload}",
        "Deletes the parts that are there.",
        cancel_upload,
        Done,
        refusals=_REFUSED,
        **_ADMIN,
    ),
)
