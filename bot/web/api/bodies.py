"""Queries and bodies as typed structs, and structs as answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TypeVar

import msgspec
from aiohttp import web

from bot.web.errors import ApiError

T = TypeVar("T", bound=msgspec.Struct)


def query_of(request: web.Request, kind: type[T]) -> T:
    """The parameters of the query. Raises ApiError where one is unknown, given twice, or not what it must be."""
    names = [name for name, _ in request.query.items()]
    if len(set(names)) < len(names):
        raise _bad("A parameter is given twice.")
    try:
        return msgspec.convert(dict(request.query), kind, strict=False)
    except msgspec.ValidationError as error:
        raise _bad(f"The query does not fit: {error}.") from error


async def json_body(request: web.Request, kind: type[T]) -> T:
    """The body. It must say that it is JSON, which a form of another site cannot. Raises ApiError."""
    if request.content_type != "application/json":
        raise _bad("The body must be JSON: Content-Type: application/json.")
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _bad(f"The body does not fit: {error}.") from error


def answer(value: msgspec.Struct, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=status)


def _bad(message: str) -> ApiError:
    return ApiError(HTTPStatus.BAD_REQUEST, "bad_request", message)
