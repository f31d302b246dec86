"""The REST server:
each request's way from the socket to its handler and back, with Discord's headers on each answer.
"""

import json
from typing import Any, Final

from aiohttp import web

from sandbox import errors
from sandbox.errors import ApiError
from sandbox.faults import Faults
from sandbox.gateway import Gateway
from sandbox.interactions import Interactions
from sandbox.limits import Limits
from sandbox.links import Links
from sandbox.record import Exchange, Record
from sandbox.rest import applications, channels, direct, guilds, interactions, messages, search, threads
from sandbox.rest.call import NOTHING, Call, Route, Status, parse
from sandbox.wire import Json
from sandbox.world import World

PREFIX: Final = "/api/v10"
VIA: Final = {"Via": "1.1 google"}
"""On every answer: a 429 without it is taken for a ban by Cloudflare."""

ROUTES: Final = (
    *applications.ROUTES, *direct.ROUTES, *guilds.ROUTES, *search.ROUTES, *threads.ROUTES, *messages.ROUTES,
    *channels.ROUTES, *interactions.ROUTES,
)  # fmt: skip
_MAJOR: Final = ("channel_id", "guild_id", "webhook_id", "interaction_id")


class Api:
    """What the handlers share."""

    def __init__(
        self, world: World, links: Links, gateway: Gateway, acts: Interactions, *,
        limits: Limits, faults: Faults, record: Record,
    ) -> None:  # fmt: skip
        self.world = world
        self.links = links
        self.gateway = gateway
        self.interactions = acts
        self.limits = limits
        self.faults = faults
        self.record = record
        self.commands: dict[int | None, list[Json]] = {None: []}
        """Registered commands by guild; None: global ones."""
        self.search = search.Index(world)

    def add_to(self, app: web.Application) -> None:
        """Add every route."""
        for route in ROUTES:
            app.router.add_route(route.method, PREFIX + route.template, self._handler(route))
        app.router.add_route("*", "/api/{rest:.*}", self._unknown)

    def _handler(self, route: Route) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(route, request)

        return handle

    async def _unknown(self, request: web.Request) -> web.Response:
        self.record.count(f"{request.method} {request.path.removeprefix(PREFIX)}", 404)
        return web.json_response({"message": "404: Not Found", "code": 0}, status=404, headers=VIA)

    async def _handle(self, route: Route, request: web.Request) -> web.StreamResponse:
        fault = self.faults.strike(route.name, request.path_qs)
        broken = await self.faults.before(fault, request)
        if broken is not None:
            self.record.count(route.name, broken.status)
            return broken
        major = next((request.match_info[name] for name in _MAJOR if name in request.match_info), "")
        verdict = self.limits.ask(route.name, major, request.path)
        call = None
        if verdict.retry_after is not None:
            status, answer = 429, _limited(verdict.retry_after, everywhere=verdict.everywhere)
        else:
            try:
                self._authorize(route, request)
                call = await parse(route, request)
                status, answer = await self._answer(call, duplicate=fault == "duplicate")
            except ApiError as error:
                status, answer = error.status, error.body()
        headers = VIA | verdict.headers()
        if status == 429:
            headers |= {"Retry-After": str(answer["retry_after"])}
            headers |= {"X-RateLimit-Global": "true"} if answer["global"] else {"X-RateLimit-Scope": "user"}
        self._record(route, request, call, status, answer, headers)
        if answer is NOTHING:
            return web.Response(status=204, headers=headers)
        text = json.dumps(answer, separators=(",", ":"))
        return await self.faults.after(fault, request, text, status, headers)

    def _authorize(self, route: Route, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if not route.open and given != f"Bot {self.world.application.token}":
            raise errors.unauthorized()

    async def _answer(self, call: Call, *, duplicate: bool) -> tuple[int, Any]:
        page = (call.route.name, call.ids.get("channel_id", ""))
        if duplicate and page in self.faults.pages:
            return 200, self.faults.pages[page]
        answer = await call.route.handler(self, call)
        if isinstance(answer, Status):
            return answer.code, answer.body
        if self.faults.remembers and isinstance(answer, list):
            self.faults.pages[page] = answer
        return (204 if answer is NOTHING else 200), answer

    def _record(
        self, route: Route, request: web.Request, call: Call | None, status: int, answer: Any, headers: dict[str, str]
    ) -> None:
        self.record.count(route.name, status)
        if self.record.keeps and call is not None:
            self.record.exchanges.append(
                Exchange(
                    route.name, request.path, call.query, call.body, call.multipart, status,
                    None if answer is NOTHING else answer, headers,
                )
            )  # fmt: skip


def _limited(retry_after: float, *, everywhere: bool) -> Json:
    message = "You are being rate limited."
    return {"message": message, "code": 0, "retry_after": round(retry_after, 3), "global": everywhere}
