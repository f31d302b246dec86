"""A hub of models on this machine: as much of the real one's HTTP interface as its client uses to download a file.

It counts the ranges that were asked for, breaks a download off after so many bytes, or holds it there.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """`files` by "organisation/name/file". `ranges` are the Range headers that came with each GET of a file."""

    files: dict[str, bytes]
    address: str = ""
    ranges: list[str] = field(default_factory=list)
    breaks_after: int | None = None  # of the next download only
    holds_after: int | None = None
    held: asyncio.Event = field(default_factory=asyncio.Event)
    knows_ranges: bool = True
    gives: bytes | None = None  # other bytes than it promises
    redirects_to: str = ""  # where it sends whoever asks for a file

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = f"{request.match_info['repository']}/{request.match_info['file']}"
        data = self.files.get(path)
        if data is None:
            return web.Response(status=404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        headers = {
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Linked-Size": str(len(data)),
            "ETag": '"of-the-pointer"',
            "Accept-Ranges": "bytes",
        }
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(len(data))})
        if self.redirects_to:
            return web.Response(status=302, headers={"Location": self.redirects_to})
        asked = request.headers.get("Range", "")
        self.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").partition("-")[0] or 0) if self.knows_ranges else 0
        return await self._send(request, (self.gives or data), start, headers)

    async def _send(self, request: web.Request, data: bytes, start: int, headers: dict[str, str]) -> web.StreamResponse:
        partial = self.knows_ranges and "Range" in request.headers
        response = web.StreamResponse(status=206 if partial else 200, headers=headers)
        response.content_length = len(data) - start
        if partial:
            response.headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        await response.prepare(request)
        ends = len(data)
        if self.breaks_after is not None:
            ends, self.breaks_after = start + self.breaks_after, None
        elif self.holds_after is not None:
            ends = start + self.holds_after
        await response.write(data[start:ends])
        if self.holds_after is not None:
            self.held.set()
            await asyncio.sleep(600)  # whoever asked is killed meanwhile
        if ends < len(data):
            assert request.transport is not None
            request.transport.close()
        else:
            await response.write_eof()
        return response


@asynccontextmanager
async def open_hub(files: dict[str, bytes]) -> AsyncIterator[Hub]:
    """Serves on a free port of this machine until the block ends."""
    hub = Hub(files)
    app = web.Application()
    app.router.add_route("*", "/{repository:[^/]+/[^/]+}/resolve/{revision}/{file}", hub.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        hub.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield hub
    finally:
        await runner.cleanup()
