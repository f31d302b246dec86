"""A server's jobs, live: server-sent events, one whenever something has changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from http import HTTPStatus

import msgspec
from aiohttp import web

from bot.web.api.jobs import job_list
from bot.web.api.operation import Call, NoQuery, Operation
from bot.web.errors import ApiError

STREAMS = 32  # at once; each costs a query a second
STREAMS_OF_A_KEY = 8  # a browser has at most six connections to one server
LOOK_S = 1.0
# A comment line each so many looks: a proxy closes a connection on which nothing comes, and the key is checked again.
ALIVE_LOOKS = 10


async def events(call: Call[NoQuery, None]) -> web.StreamResponse:
    return await streamed(call, "jobs", lambda: job_list(call.parts, call.guild.id))


async def streamed(
    call: Call[NoQuery, None],
    name: str,
    read: Callable[[], Awaitable[msgspec.Struct]],
    state: Callable[[], Hashable] | None = None,
) -> web.StreamResponse:
    """Server-sent events `name` with what `read` returns, whenever it has changed.

    Until the reader goes, the key is revoked, or the bot ends. `state`: where it is as before, nothing is read; None:
    only reading tells what has changed.
    """
    parts = call.parts
    if parts.streams[call.key.id] >= STREAMS_OF_A_KEY:
        message = f"This key watches {STREAMS_OF_A_KEY} times already."
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", message)
    if parts.streams.total() >= STREAMS:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", f"{STREAMS} others are watching already.")
    response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
    response.content_type = "text/event-stream"
    parts.streams[call.key.id] += 1
    try:
        await response.prepare(call.request)
        with suppress(ConnectionResetError):
            await _tell(call, response, name, read, state)
    finally:
        parts.streams -= Counter([call.key.id])
    return response


async def _tell(
    call: Call[NoQuery, None],
    response: web.StreamResponse,
    name: str,
    read: Callable[[], Awaitable[msgspec.Struct]],
    state: Callable[[], Hashable] | None,
) -> None:
    parts, told, looks = call.parts, b"", 0
    now, known = b"", None
    while not parts.ending.is_set():
        found = None if state is None else state()
        if not now or found is None or found != known:
            now, known = msgspec.json.encode(await read()), found
        if now != told:
            await response.write(b"event: " + name.encode() + b"\ndata: " + now + b"\n\n")
            told = now
        elif looks % ALIVE_LOOKS == 0:
            await response.write(b": alive\n\n")
        looks += 1
        if looks % ALIVE_LOOKS == 0 and await parts.service.api_keys.still_valid(call.key.id) is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await parts.ending.wait()


OPERATIONS = (
    Operation(
        "jobEvents",
        "GET",
        "/guilds/{guild}/jobs/events",
        "The newest jobs of a server again whenever they change, as server-sent events named `jobs`.",
        events,
        "text/event-stream",
        cost=5.0,
        longest_s=None,
    ),
)
