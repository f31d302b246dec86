"""A bare REST client: what a library would not send, too."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from sandbox.server import Sandbox


@dataclass(frozen=True)
class Answer:
    """Status, JSON (or text) and headers of an answer."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Raw:
    """Sends one request at a time with the bot's token."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str) -> None:
        self.session = session
        self.base = base
        self.headers = {"Authorization": f"Bot {token}"}

    async def request(self, method: str, path: str, body: Any = None, **kwargs: Any) -> Answer:
        url = path if path.startswith("http") else self.base + path
        extra = {} if body is None else {"json": body}
        async with self.session.request(method, url, headers=self.headers, **extra, **kwargs) as response:
            text = await response.text(errors="replace")
            try:
                found = json.loads(text) if text else None
            except json.JSONDecodeError:
                found = text
            return Answer(response.status, found, response.headers)

    async def get(self, path: str) -> Answer:
        return await self.request("GET", path)

    async def post(self, path: str, body: Any) -> Answer:
        return await self.request("POST", path, body)

    async def read(self, url: str) -> tuple[int, bytes, str]:
        """(status, bytes, content type) of a file."""
        async with self.session.get(url) as response:
            return response.status, await response.read(), response.content_type


@asynccontextmanager
async def raw_client(sandbox: Sandbox) -> AsyncIterator[Raw]:
    """A client for a sandbox."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield Raw(session, sandbox.api_base, sandbox.token)
