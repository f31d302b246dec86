"""Files that come into the folder for archives, part by part."""

from __future__ import annotations

from http import HTTPStatus

from bot.web.api.archives import ADMIN, REFUSED, archives_of
from bot.web.api.models.archives import (
    FinishUpload,
    NewUpload,
    PartQuery,
    UploadedPart,
    UploadInfo,
    UploadList,
)
from bot.web.api.models.operator import Done
from bot.web.api.operation import CONFLICT, Call, NoQuery, Operation
from bot.web.api.parts import Parts
from bot.web.api.uploads import FILE, body_bytes
from bot.web.errors import ApiError
from indexer.imports.archive_uploads import PART_BYTES, ArchiveUploads, Upload


def _uploads(parts: Parts) -> ArchiveUploads:
    uploads = archives_of(parts).uploads
    if uploads is None:
        raise ApiError(HTTPStatus.CONFLICT, "conflict", "Uploads are off (web.upload_bytes).")
    return uploads


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


async def finish_upload(call: Call[NoQuery, FinishUpload]) -> UploadInfo:
    found = _uploads(call.parts)
    upload = found.get(call.ids["upload"])
    await found.finish(upload, [int(checksum, 16) for checksum in call.body.crc32])
    return _upload(upload)


async def cancel_upload(call: Call[NoQuery, None]) -> Done:
    found = _uploads(call.parts)
    await found.cancel(found.get(call.ids["upload"]))
    return Done()


def _upload(upload: Upload) -> UploadInfo:
    there = [UploadedPart(number, f"{checksum:08x}") for number, checksum in sorted(upload.parts.items())]
    return UploadInfo(str(upload.id), upload.name, upload.byte_count, PART_BYTES, upload.part_count, there)


OPERATIONS = (
    Operation(
        "uploads", "GET", "/uploads", "The files that come now.", uploads, UploadList, refusals=(CONFLICT,), **ADMIN
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
        refusals=REFUSED,
        **ADMIN,
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
        refusals=REFUSED,
        **ADMIN,
    ),
    Operation(
        "finishUpload",
        "POST",
        "/uploads/{upload}/finish",
        "Puts the file, of which every part is there, into the folder of `web.archives`.",
        finish_upload,
        UploadInfo,
        body=FinishUpload,
        longest_s=120.0,  # a slow disk takes its time for what it has not written yet
        refusals=REFUSED,
        **ADMIN,
    ),
    Operation(
        "cancelUpload",
        "DELETE",
        "/uploads/{upload}",
        "Deletes the parts that are there.",
        cancel_upload,
        Done,
        refusals=REFUSED,
        **ADMIN,
    ),
)
