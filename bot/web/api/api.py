"""The interface's routes. A request's key, limits, path, query and body are checked here, before its handler runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cache, partial
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web

from bot.web.api import (
    archive_uploads,
    archives,
    bundles,
    delete,
    duplicates,
    job_events,
    jobs,
    keys,
    operator,
    search,
    servers,
    session,
    tags,
    thumbnails,
)
from bot.web.api.access import Access, require
from bot.web.api.admission import Admission
from bot.web.api.bodies import answer, json_body, query_of
from bot.web.api.openapi import document
from bot.web.api.operation import Call, Operation
from bot.web.api.parts import Parts
from bot.web.api.refusals import refusal
from bot.web.errors import ApiError
from bot.web.guards import REQUEST_ID, Endpoint
from indexer.correlation import Cause, caused_by
from indexer.errors import AfterimageError
from indexer.records.api_keys import ApiKey
from indexer.records.ids import GuildId
from indexer.records.messages import Guild

ROOT = "/api/v1"
DRAIN_S = 2.0  # for requests in hand when the service closes

OPERATIONS: tuple[Operation, ...] = (
    *search.OPERATIONS,
    *thumbnails.OPERATIONS,
    *tags.OPERATIONS,
    *delete.OPERATIONS,
    *duplicates.OPERATIONS,
    *servers.OPERATIONS,
    *jobs.OPERATIONS,
    *job_events.OPERATIONS,
    *keys.OPERATIONS,
    *operator.OPERATIONS,
    *bundles.OPERATIONS,
    *archives.OPERATIONS,
    *archive_uploads.OPERATIONS,
)

MOST_ID = 2**63 - 1  # of SQLite

SessionHandler = Callable[[web.Request, Parts, Access], Awaitable[web.Response]]


class Api:
    """Answers with 503 until `serving`. Belongs to one event loop."""

    def __init__(self) -> None:
        self._parts: Parts | None = None
        self.access = Access()
        self.admission = Admission()
        self._in_hand: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def serving(self, parts: Parts) -> AsyncIterator[None]:
        """Requests are answered until the block ends; then those in hand have DRAIN_S seconds to end."""
        self._parts = parts
        try:
            yield
        finally:
            self._parts = None
            parts.ending.set()
            if self._in_hand:
                _, late = await asyncio.wait(self._in_hand, timeout=DRAIN_S)
                for task in late:
                    task.cancel()

    def routes(self) -> list[web.RouteDef]:
        found = [
            web.route(operation.method, ROOT + _pattern(operation.path), OperationEndpoint(self, operation).handle)
            for operation in OPERATIONS
        ]
        for method, handler in (("POST", session.sign_in), ("GET", session.current), ("DELETE", session.sign_out)):
            found.append(web.route(method, f"{ROOT}/session", self._of_session(handler)))
        return [*found, web.get(f"{ROOT}/openapi.json", _openapi)]

    @contextmanager
    def working(self) -> Iterator[Parts]:
        """While the running task answers a request. Raises ApiError where the service is not open."""
        if self._parts is None:
            message = "The bot is still starting, or about to end; ask again soon."
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "starting", message, headers={"Retry-After": "5"})
        task = asyncio.current_task()
        assert task is not None, "aiohttp answers each request in a task"
        self._in_hand.add(task)
        try:
            yield self._parts
        finally:
            self._in_hand.discard(task)

    def _of_session(self, handler: SessionHandler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            with self.working() as parts:
                return await handler(request, parts, self.access)

        return handle


class OperationEndpoint(Endpoint):
    """One operation as a handler of aiohttp."""

    def __init__(self, api: Api, operation: Operation) -> None:
        super().__init__(operation.longest_s, min(operation.cost, 1.0))
        self._api = api
        self._operation = operation

    async def handle(self, request: web.Request) -> web.StreamResponse:
        with self._api.working() as parts:
            key = await self._api.access.key_of(request, parts.service.api_keys)
            with caused_by(Cause(request[REQUEST_ID], key.id)):
                self._api.access.charge(key, self._operation.cost)
                call = await self._call(request, parts, key)
                try:
                    made = await self._operation.handler(call)
                except AfterimageError as error:
                    raise refusal(error, self._operation) from error
        return answer(made, self._operation.status) if isinstance(made, msgspec.Struct) else made

    async def _call(self, request: web.Request, parts: Parts, key: ApiKey) -> Call[Any, Any]:
        """Raises ApiError. Another server looks like one that does not exist, also for a scope that is too small."""
        operation = self._operation
        ids = {name: int(value) for name, value in request.match_info.items()}
        if any(number > MOST_ID for number in ids.values()):
            raise _nothing_here()
        guild = await _guild(parts, key, ids.pop("guild")) if "guild" in ids else None
        require(key, operation.scope, everything=operation.everything)
        query = query_of(request, operation.query)
        body = None if operation.body is None else await json_body(request, operation.body)
        return Call(request, parts, key, query, body, partial(self._api.access.charge, key), ids, guild)


async def _guild(parts: Parts, key: ApiKey, number: int) -> Guild:
    guild_id = GuildId(number)
    guild = await parts.service.reports.guild(guild_id)
    if guild is None or not key.may_see(guild_id):
        raise _nothing_here()
    return guild


def _nothing_here() -> ApiError:
    return ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is nothing at this path.")


def _pattern(path: str) -> str:
    """The path for aiohttp: every part in braces is a number."""
    return path.replace("}", ":[0-9]{1,19}}")


async def _openapi(_: web.Request) -> web.Response:
    return web.Response(text=_document_text(), content_type="application/json")


@cache
def _document_text() -> str:
    """Made once: whoever asks for it needs no key."""
    return json.dumps(document(OPERATIONS))
