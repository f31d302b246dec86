"""Small copies of pictures, as WebP. A browser keeps one, and asks each time whether it may still be shown."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot.texts.errors import english
from bot.web.api.operation import Call, NoQuery, Operation
from bot.web.errors import ApiError
from indexer.errors import AfterimageError, RetryLater
from indexer.records.ids import PlaceId

# Never shown without asking: the answer is 404 as soon as the picture is deleted.
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}


async def thumbnail(call: Call[NoQuery, None]) -> web.Response:
    thumbnails, place_id = call.parts.service.thumbnails, PlaceId(call.ids["place"])
    tag = await thumbnails.tag(call.guild.id, place_id)
    if tag is None:
        raise _not_found()
    known = call.request.if_none_match or ()
    if any(etag.value in (tag, "*") for etag in known):
        response = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=_HEADERS)
        response.etag = tag
        return response
    try:
        made = await thumbnails.of(call.guild.id, place_id)
    except RetryLater:
        raise
    except AfterimageError as error:
        raise ApiError(HTTPStatus.NOT_FOUND, "no_thumbnail", english(error)) from error
    if made is None:
        raise _not_found()
    response = web.Response(body=made.webp, content_type="image/webp", headers=_HEADERS)
    response.etag = made.tag
    return response


def _not_found() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path.")


OPERATIONS = (
    Operation(
        "thumbnail",
        "GET",
        "/guilds/{guild}/places/{place}/thumbnail",
        "A small copy of a picture, its longer side 256 pixels. With an ETag.",
        thumbnail,
        "image/webp",
        cost=0.2,
        longest_s=20.0,
        refusals=((HTTPStatus.NOT_FOUND, "no_thumbnail"),),
    ),
)
