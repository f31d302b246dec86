"""Reads an uploaded picture, within its limit: the body's bytes as they are."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot.web.errors import ApiError


async def picture_bytes(request: web.Request, most: int) -> bytes:
    """The body. Raises ApiError where it is empty, no picture by its type, or larger than `most` bytes."""
    if not (request.content_type.startswith("image/") or request.content_type == "application/octet-stream"):
        message = "The body must be a picture: Content-Type image/… or application/octet-stream."
        raise ApiError(HTTPStatus.BAD_REQUEST, "bad_request", message)
    body = bytearray()
    if (request.content_length or 0) > most:
        raise _too_large(most)
    async for chunk in request.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


def _too_large(most: int) -> ApiError:
    message = f"The picture is larger than {most} bytes (fetch.max_download_bytes)."
    return ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", message, {"most": most})
