"""Small copies of pictures, as WebP. A browser keeps one, and asks each time whether it may still be shown."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot.texts.errors import english
from bot.web.api.operation import Call, NoQuery, Operation
from bot.web.errors import ApiError
from indexer.errors import AfterimageError, RetryLater
from indexer.hit_thumbnails import Thumbnail
from indexer.records.ids import PlaceId

# Tokens of the key's bucket. A copy that is kept takes the server a millisecond; another one is fetched and opened.
KEPT, NOT_KEPT = 0.01, 0.2

# Never shown without asking: the answer is 404 as soon as the picture is deleted.
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}


async def thumbnail(call: Call[NoQuery, None]) -> web.Response:
    thumbnails, place_id = call.parts.service.thumbnails, PlaceId(call.ids["place"])
    known = await thumbnails.known(call.guild.id, place_id)
    if known is None:
        call.charge(NOT_KEPT)
        raise _not_found()
    if any(etag.value in (known.tag, "*") for etag in call.request.if_none_match or ()):
        response = web.Response(status=HTTPStatus.NOT_MODIFIED, headers=_HEADERS)
        response.etag = known.tag
        return response
    made = known.made or await _make(call, place_id)
    response = web.Response(body=made.webp, content_type="image/webp", headers=_HEADERS)
    response.etag = made.tag
    return response


async def _make(call: Call[NoQuery, None], place_id: PlaceId) -> Thumbnail:
    call.charge(NOT_KEPT)
    try:
        made = await call.parts.service.thumbnails.of(call.guild.id, place_id)
    except RetryLater:
        raise
    except AfterimageError as error:
        raise ApiError(HTTPStatus.NOT_FOUND, "no_thumbnail", english(error)) from error
    if made is None:
        raise _not_found()
    return made


def _not_found() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path.")


OPERATIONS = (
    Operation(
        "thumbnail",
        "GET",
        "/guilds/{guild}/places/{place}/thumbnail",
        "A small copy of a picture, its longer side at most 256 pixels. With an ETag.",
        thumbnail,
        "image/webp",
        cost=KEPT,
        longest_s=20.0,
        refusals=((HTTPStatus.NOT_FOUND, "no_thumbnail"),),
    ),
)
