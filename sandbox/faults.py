"""Faults between a bot and Discord: a seeded storm, or one fault at a time."""

import asyncio
import hashlib
import json
import re
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from aiohttp import web

VIA: Final = {"Via": "1.1 google"}
KINDS: Final = (
    "429",  # this route's limit
    "429-global",
    "429-shared",  # the limit of a resource that other users share
    "429-cloudflare",  # no Via header, no JSON: a ban of the address
    "500",
    "502",
    "503",
    "504",
    "reset",  # the connection is reset before an answer
    "truncate",  # the answer breaks off in the middle
    "duplicate",  # history returns the previous page once more
    "expired",  # the CDN answers 404, as for an expired link
    "slow",  # the answer comes after `slow_s` seconds
)
_STORM: Final = ("429", "500", "502", "503", "reset", "truncate", "duplicate")
_SIGNATURE: Final = re.compile(r"(ex|is|hm)=[0-9a-f]+&?")
Fault: TypeAlias = str | None


@dataclass(slots=True)
class Faults:
    """`rates`: the probability of each kind of fault for one request. The same seed and the same requests give the same
    faults.

    A request (method, path and query) fails at most `in_a_row` times in a row, so that a repeated request succeeds.
    `only` limits the storm to routes that contain that text. `delay_s` slows every answer.
    """

    seed: int = 0
    rates: dict[str, float] = field(default_factory=dict)
    only: str = ""
    in_a_row: int = 2
    retry_after_s: float = 0.05
    slow_s: float = 1.0
    delay_s: float = 0.0
    struck: Counter[str] = field(default_factory=Counter)
    pages: dict[tuple[str, str], Any] = field(default_factory=dict)
    _planned: list[tuple[str, str]] = field(default_factory=list)
    _asked: Counter[str] = field(default_factory=Counter)

    @staticmethod
    def storm(seed: int, share: float = 0.05) -> "Faults":
        """429, 500, 502, 503, resets, truncation and duplicate pages, each with probability `share`."""
        return Faults(seed, dict.fromkeys(_STORM, share))

    @property
    def remembers(self) -> bool:
        """Whether pages must be stored for duplicates."""
        return "duplicate" in self.rates or any(kind == "duplicate" for kind, _ in self._planned)

    def plan(self, kind: str, route: str = "", times: int = 1) -> None:
        """The next `times` requests whose route contains `route` get this fault. Raises ValueError."""
        if kind not in KINDS:
            raise ValueError(f"no fault is called {kind!r}; there are {', '.join(KINDS)}")
        self._planned += [(kind, route)] * times

    def strike(self, route: str, path: str) -> Fault:
        """The fault that this request gets, if any."""
        for planned in self._planned:
            if planned[1] in route:
                self._planned.remove(planned)
                self.struck[planned[0]] += 1
                return planned[0]
        if not self.rates or self.only not in route:
            return None
        request = f"{route} {_SIGNATURE.sub('', path)}"
        self._asked[request] += 1
        if self._asked[request] > self.in_a_row:
            return None
        draw = hashlib.sha256(f"{self.seed} {request} {self._asked[request]}".encode()).digest()
        point = int.from_bytes(draw[:7]) / (1 << 56)
        for kind, rate in self.rates.items():
            point -= rate
            if point < 0:
                self.struck[kind] += 1
                return kind
        return None

    async def before(self, fault: Fault, request: web.Request) -> web.Response | None:
        """Faults that replace an answer."""
        delay = self.delay_s + (self.slow_s if fault == "slow" else 0.0)
        if delay:
            await asyncio.sleep(delay)
        if fault is None:
            return None
        if fault.startswith("429"):
            return self._limited(fault)
        if fault in ("500", "502", "503", "504"):
            return web.Response(status=int(fault), text=f"{fault}: the sandbox was told to fail", headers=VIA)
        if fault == "reset":
            _reset(request)
            return web.Response(status=502)
        if fault == "expired":
            return web.Response(status=404, text="This content is no longer available.", headers=VIA)
        return None

    async def after(
        self, fault: Fault, request: web.Request, text: str, status: int, headers: dict[str, str]
    ) -> web.StreamResponse:
        """The answer, complete or broken off in the middle."""
        return await self.send(fault, request, text.encode(), status, headers | {"Content-Type": "application/json"})

    async def send(
        self, fault: Fault, request: web.Request, data: bytes, status: int, headers: dict[str, str]
    ) -> web.StreamResponse:
        """Like `after`, for bytes."""
        if fault != "truncate":
            return web.Response(body=data, status=status, headers=headers)
        broken = web.StreamResponse(status=status, headers=headers | {"Content-Length": str(len(data))})
        broken.force_close()
        await broken.prepare(request)
        await broken.write(data[: len(data) // 2])
        if request.transport is not None:
            request.transport.close()
        return broken

    def _limited(self, fault: str) -> web.Response:
        if fault == "429-cloudflare":
            return web.Response(status=429, text="error code: 1015", headers={"Retry-After": "1"})
        scope = {"429": "user", "429-global": "global", "429-shared": "shared"}[fault]
        body = {
            "message": "You are being rate limited.", "code": 0, "retry_after": self.retry_after_s,
            "global": scope == "global",
        }  # fmt: skip
        headers = VIA | {"Retry-After": f"{self.retry_after_s}", "X-RateLimit-Scope": scope}
        if scope == "global":
            headers["X-RateLimit-Global"] = "true"
        # Discord names no charset, and discord.py recognizes JSON only by the bare type.
        return web.Response(body=json.dumps(body), status=429, headers=headers | {"Content-Type": "application/json"})


def _reset(request: web.Request) -> None:
    """Close so that the other side reads ECONNRESET, not an end of stream."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
