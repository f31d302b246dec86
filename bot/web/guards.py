"""The checks on every request: its id, its host, its address's rate, its deadline, and one shape of error.

The host is checked because of DNS rebinding: a page of another site can point a name of its own at this machine, and
could then read everything that a browser on this machine may read. No query string is ever logged.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from bot.token_buckets import TokenBuckets
from bot.web.errors import ApiError, of_http

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = web.RequestKey("request_id", str)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def answers() -> Middleware:
    """The outermost guard: gives the request an id, and turns every error into a JSON answer that contains this id."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = request[REQUEST_ID] = secrets.token_hex(8)
        try:
            response = await handler(request)
        except ApiError as error:
            response = error.response(request_id)
        except web.HTTPException as error:
            response = of_http(error).response(request_id)
        except Exception:
            log.exception("request %s: %s %s failed", request_id, request.method, request.path)
            response = ApiError(
                HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something in the server failed; its log says what."
            ).response(request_id)
        if not response.prepared:
            response.headers.update({"X-Request-Id": request_id, **_HEADERS})
        log.debug("request %s: %s %s → %d", request_id, request.method, request.path, response.status)
        return response

    return middleware


def known_hosts(names: Collection[str]) -> Middleware:
    """Refuses a request whose Host is not an address, `localhost`, or one of `names` (each without a port)."""
    allowed = {name.lower() for name in names} | {"localhost"}

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = host_name(request.host)
        if name not in allowed and not _is_address(name):
            message = "This server does not answer to that name; web.hosts in its configuration lists the names."
            raise ApiError(HTTPStatus.FORBIDDEN, "host_not_allowed", message)
        return await handler(request)

    return middleware


def fair_share(per_minute: float, burst: int) -> Middleware:
    """Limits how often one address may ask."""
    buckets = TokenBuckets(per_minute, burst)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        wait_s = buckets.take(request.remote or "")
        if wait_s:
            seconds = max(1, round(wait_s + 0.5))
            raise ApiError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_requests",
                f"This address asks too often; ask again in {seconds} s.",
                {"retry_after_s": seconds},
                {"Retry-After": str(seconds)},
            )
        return await handler(request)

    return middleware


def deadline(longest_s: float) -> Middleware:
    """Ends a request that takes longer than `longest_s` seconds."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        limit = asyncio.timeout(longest_s)
        try:
            async with limit:
                return await handler(request)
        except TimeoutError:
            if not limit.expired():
                raise
            message = f"The answer took longer than {longest_s:.0f} s; ask again later."
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "too_slow", message) from None

    return middleware


def host_name(host: str) -> str:
    """The name or address of a Host header, in lower case, without the port and the brackets of IPv6."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
