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
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from bot.token_buckets import TokenBuckets
from bot.web.errors import ApiError, of_http
from indexer.correlation import Cause, caused_by

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Endpoint:
    """An object whose method answers requests, with limits of its own.

    `longest_s`: the request's deadline in seconds; None: it has none. `price`: how many requests it counts as among
    those of its address.
    """

    longest_s: float | None
    price: float = 1.0


def _endpoint(request: web.Request) -> Endpoint | None:
    found = getattr(request.match_info.handler, "__self__", None)
    return found if isinstance(found, Endpoint) else None


REQUEST_ID = web.RequestKey("request_id", str)

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # To SameSite, a page on another port of this machine is the same site: it could show pictures with the cookie.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def answers() -> Middleware:
    """The outermost guard: gives the request an id, and turns every error into a JSON answer that contains this id."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request_id = request[REQUEST_ID] = secrets.token_hex(8)
        with caused_by(Cause(request_id)):
            response = await answer(request, handler, request_id)
            log.debug("request %s: %s %s → %d", request_id, request.method, request.path, response.status)
        return response

    async def answer(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
        try:
            return await handler(request)
        except ApiError as error:
            return error.response(request_id)
        except web.HTTPException as error:
            return of_http(error).response(request_id)
        except web.RequestPayloadError:
            message = "The body is not what Content-Encoding and Transfer-Encoding say."
            return ApiError(HTTPStatus.BAD_REQUEST, "bad_request", message).response(request_id)
        except Exception as error:
            if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
                message = "The connection ended before the request did."  # nobody reads it
                return ApiError(HTTPStatus.BAD_REQUEST, "bad_request", message).response(request_id)
            log.exception("request %s: %s %s failed", request_id, request.method, request.path)
            return ApiError(
                HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something in the server failed; its log says what."
            ).response(request_id)

    return middleware


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Gives an answer, just before it is sent, the headers that every answer has. A handler may set one itself."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if REQUEST_ID in request:  # an unknown Expect is refused before any guard
        response.headers["X-Request-Id"] = request[REQUEST_ID]


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


def fair_share(per_minute: float, burst: int, *, below: str = "", but: str | None = None) -> Middleware:
    """Limits how often one address may ask for paths that begin with `below`, and (`but`) not with that.

    What an endpoint does for less than the price of a request is done for whoever has a key: without one it costs a
    whole request after all.
    """
    buckets = TokenBuckets(per_minute, burst)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(below) or (but is not None and request.path.startswith(but)):
            return await handler(request)
        endpoint, address = _endpoint(request), request.remote or ""
        price = 1.0 if endpoint is None else endpoint.price
        if wait_s := buckets.take(address, price):
            raise too_often("This address", wait_s)
        try:
            return await handler(request)
        except ApiError as error:
            if error.status is HTTPStatus.UNAUTHORIZED:
                buckets.charge(address, 1.0 - price)
            raise

    return middleware


def too_often(who: str, wait_s: float) -> ApiError:
    """The refusal for somebody who may ask again in `wait_s` seconds."""
    seconds = max(1, round(wait_s + 0.5))
    return ApiError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many_requests",
        f"{who} asks too often; ask again in {seconds} s.",
        {"retry_after_s": seconds},
        {"Retry-After": str(seconds)},
    )


def deadline(usual_s: float) -> Middleware:
    """Ends a request that takes longer than `usual_s` seconds, or than its endpoint's own deadline."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        endpoint = _endpoint(request)
        longest_s = usual_s if endpoint is None else endpoint.longest_s
        limit = asyncio.timeout(longest_s)
        try:
            async with limit:
                return await handler(request)
        except TimeoutError:
            if longest_s is None or not limit.expired():
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
