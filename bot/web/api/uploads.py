"""Reads a body of bytes, within its limit: an uploaded picture, or a part of a file."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot.web.errors import ApiError

FILE = "application/octet-stream"
PICTURES = (FILE, "image/*")


async def picture_bytes(request: web.Request, most: int) -> bytes:
    """The body. Raises ApiError where it is no picture by its type, or larger than `most` bytes."""
    if request.content_type.startswith("image/"):
        return await body_bytes(request, most, request.content_type, _PICTURE)
    return await body_bytes(request, most, FILE, _PICTURE, f"a picture: Content-Type image/… or {FILE}")


async def body_bytes(request: web.Request, most: int, kind: str, what: str, wanted: str = f"bytes: {FILE}") -> bytes:
    """The body. Raises ApiError where it is not of this type, or larger than `most` bytes; `what` has the limit."""
    if request.content_type != kind:
        raise ApiError(HTTPStatus.BAD_REQUEST, "bad_request", f"The body must be {wanted}.")
    body = bytearray()
    if (request.content_length or 0) > most:
        raise _too_large(most, what)
    async for chunk in request.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > most:
            raise _too_large(most, what)
    return bytes(body)


_PICTURE = "A picture has at most"


def _too_large(most: int, what: str) -> ApiError:
    setting = " (fetch.max_download_bytes)" if what is _PICTURE else ""
    message = f"{what} {most} bytes{setting}."
    return ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message, {"most": most})
