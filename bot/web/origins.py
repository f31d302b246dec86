"""Pages of other sites: none may read the interface with a browser, but those whose origins the configuration names.

A page that is let in has a key of its own, as any program has. Its browser sends no cookie along: the answers do not
allow credentials.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

PREFLIGHT_S = 600  # seconds for which a browser remembers what it may send

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match",
    "Access-Control-Max-Age": str(PREFLIGHT_S),
}
_READABLE = "ETag, Retry-After, X-Request-Id"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer_preflights(origins: Collection[str], below: str) -> Middleware:
    """Answers what a browser asks before it sends a request of one of these pages to a path that begins with `below`.

    It needs no key: it comes without one, and its answer says nothing.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if asks and request.path.startswith(below) and request.headers.get("Origin") in origins:
            return web.Response(status=HTTPStatus.NO_CONTENT, headers=_PREFLIGHT)
        return await handler(request)

    return middleware


def name_origins(origins: Collection[str], below: str) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Lets these pages read answers of such paths, refusals too, just before they are sent."""

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        if not origins or not request.path.startswith(below):
            return
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin", "")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _READABLE

    return prepare
