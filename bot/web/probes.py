"""/healthz: is the process alive? /readyz: can it serve members, and if not, why?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Check:
    """One part that must work so that members can be served. `reason` is a sentence, empty where the part works."""

    name: str
    ok: bool
    reason: str = ""


Checks = Callable[[], Awaitable[Sequence[Check]]]


def probe_routes(checks: Checks) -> list[web.RouteDef]:
    """The two probes; `checks` is awaited for each request to /readyz."""

    async def healthz(_: web.Request) -> web.Response:
        # An answer of the event loop is all that this probe proves: an orchestrator restarts a process that does not
        # answer.
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        results = await checks()
        ready = all(check.ok for check in results)
        return web.json_response(
            {
                "status": "ready" if ready else "not ready",
                "checks": {check.name: {"ok": check.ok, "reason": check.reason} for check in results},
            },
            status=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE,
        )

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]
