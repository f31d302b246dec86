"""Discord's CDN and media proxy: files behind signed links, and smaller copies of them."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from aiohttp import web

from sandbox import smaller_copies
from sandbox.faults import VIA, Faults
from sandbox.links import Links
from sandbox.record import Record
from sandbox.smaller_copies import Unmeasured
from sandbox.world import Attachment, File, World

_CACHE_BYTES: Final = 192 * 1024 * 1024
_GONE: Final = "This content is no longer available."
# The page for people is on the same server: an uploaded HTML file must not be able to act as that page.
_INERT: Final = {"Content-Security-Policy": "default-src 'none'; sandbox", "X-Content-Type-Options": "nosniff"}
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


class Cache:
    """The bytes that were requested last, up to `most` bytes.
    They are made in a thread, each key only once at a time.
    """

    def __init__(self, most: int = _CACHE_BYTES) -> None:
        self._most = most
        self._held: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._size = 0
        self._making: dict[tuple[object, ...], asyncio.Future[bytes]] = {}

    async def get(self, key: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        """The bytes for `key`. Raises what `make` raises."""
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        if key in self._making:
            return await asyncio.shield(self._making[key])
        future = self._making[key] = asyncio.ensure_future(asyncio.to_thread(make))
        try:
            data = await asyncio.shield(future)
        finally:
            del self._making[key]
        self._held[key] = data
        self._size += len(data)
        while self._size > self._most and len(self._held) > 1:
            self._size -= len(self._held.popitem(last=False)[1])
        return data


class Cdn:
    """Serves the world's files."""

    def __init__(self, world: World, links: Links, faults: Faults, record: Record) -> None:
        self.world = world
        self.links = links
        self.faults = faults
        self.record = record
        self.cache = Cache()

    def add_to(self, app: web.Application) -> None:
        """Add the CDN's routes."""
        for folder in ("attachments", "ephemeral-attachments"):
            path = f"/{folder}/{{channel_id}}/{{attachment_id}}/{{name}}"
            app.router.add_get(path, self._original)
            app.router.add_get("/media" + path, self._proxied)
        app.router.add_get("/external/{digest}/{scheme}/{rest:.*}", self._external)
        app.router.add_get("/stickers/{name}", self._sticker)

    def _attachment(self, request: web.Request) -> Attachment | None:
        """The file of a link with a valid signature; None otherwise."""
        info = request.match_info
        found = self.world.attachments.get(int(info["attachment_id"])) if info["attachment_id"].isdecimal() else None
        if found is None or str(found.channel_id) != info["channel_id"] or found.file.name != info["name"]:
            return None
        return found if self.links.valid(found, request.query) else None

    async def _original(self, request: web.Request) -> web.StreamResponse:
        found = self._attachment(request)
        if found is None:
            return await self._send("GET /attachments", request, None, None)
        data = await self.cache.get((found.id,), found.file.make)
        return await self._send("GET /attachments", request, data, found.file.content_type)

    async def _proxied(self, request: web.Request) -> web.StreamResponse:
        found = self._attachment(request)
        if found is None:
            return await self._send("GET /media", request, None, None)
        return await self._smaller("GET /media", request, found.id, found.file)

    async def _external(self, request: web.Request) -> web.StreamResponse:
        info = request.match_info
        url = self.links.external_url(info["digest"], info["scheme"], info["rest"])
        hosted = self.world.hosted.get(url) if url else None
        if hosted is None:
            return await self._send("GET /external", request, None, None)
        return await self._smaller("GET /external", request, hosted.url, hosted.file)

    async def _sticker(self, request: web.Request) -> web.StreamResponse:
        number = request.match_info["name"].partition(".")[0]
        found = self.world.stickers.get(int(number)) if number.isdecimal() else None
        if found is None:
            return await self._send("GET /stickers", request, None, None)
        data = await self.cache.get(("sticker", found.id), found.file.make)
        return await self._send("GET /stickers", request, data, found.file.content_type)

    async def _smaller(self, route: str, request: web.Request, key: object, file: File) -> web.StreamResponse:
        """The file as the proxy returns it: scaled to fit into width × height, in the requested format."""
        copy = smaller_copies.asked(request.query)
        if copy is None:
            return web.Response(status=400, text="Invalid resize parameters.", headers=VIA)
        if file.width is None or file.height is None:
            return self._unsupported(route)
        data = await self.cache.get((key,), file.make)
        if copy.original:
            return await self._send(route, request, data, file.content_type)
        try:
            smaller_copy = await self.cache.get((key, copy), lambda: smaller_copies.made(data, copy))
        except Unmeasured:
            return self._unsupported(route)
        return await self._send(route, request, smaller_copy, smaller_copies.content_type(smaller_copy))

    def _unsupported(self, route: str) -> web.Response:
        self.record.count(route, 415)
        return web.Response(status=415, text="Unsupported media type.", headers=VIA)

    async def _send(
        self, route: str, request: web.Request, data: bytes | None, content_type: str | None
    ) -> web.StreamResponse:
        fault = self.faults.strike(route, request.path_qs)
        broken = await self.faults.before(fault, request)
        if broken is not None:
            self.record.count(route, broken.status)
            return broken
        if data is None:
            self.record.count(route, 404)
            return web.Response(status=404, text=_GONE, headers=VIA)
        headers = VIA | {"Content-Type": content_type or "application/octet-stream", "Accept-Ranges": "bytes"} | _INERT
        span = _span(request.headers.get("Range", ""), len(data))
        if span is None:
            self.record.count(route, 200)
            return await self.faults.send(fault, request, data, 200, headers)
        if not span:
            self.record.count(route, 416)
            return web.Response(status=416, headers=VIA | {"Content-Range": f"bytes */{len(data)}"})
        self.record.count(route, 206)
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{len(data)}"
        return await self.faults.send(fault, request, data[span.start : span.stop], 206, headers)


def _span(header: str, size: int) -> range | None:
    """The bytes that a Range header asks for, empty where there are none; None for all of them.

    A header with no range or with several ranges is ignored (RFC 9110, 14.2).
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    end = min(size, int(last) + 1) if last else size
    if last and int(last) < int(first):
        return None
    return range(int(first), end)
