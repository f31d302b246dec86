"""A picture's address → its bytes, from allowed hosts only, under a byte cap and a deadline."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from indexer.errors import LinkExpired, Reason, Rejected, RetryLater
from indexer.pictures.hosts import allowed, expires, is_loopback, is_public, sized, without_query
from indexer.ports import Priority
from indexer.settings import FetchSettings

_MAX_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 64 * 1024  # bytes read at once
_QUERIES_AT_ONCE = 4  # in addition to indexing, so that a member's upload never waits for a crawl
_LONGEST_WAIT_S = 3600.0  # a server that says "retry in a day" is asked again after an hour
_HEADERS = {
    "User-Agent": "Afterimage (picture indexer)",
    "Accept": "image/*,*/*;q=0.1",
    "Accept-Encoding": "identity",  # pictures do not compress, and a compressed body could be a bomb
}


class _PrivateAddressError(OSError):
    """The name is allowed, but it resolved to an address that is not."""


class _Refused(Exception):
    """A server answered with a status in the 400s other than 429."""

    def __init__(self, address: URL, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.address = address
        self.status = status


class _GuardedResolver(AbstractResolver):
    """Returns public addresses only. A connection uses the same look-up, so an attacker cannot change the address of a
    name between a check and the connection. For names among `insecure_hosts` it returns loopback addresses only."""

    def __init__(self, inner: AbstractResolver, insecure_hosts: tuple[str, ...]) -> None:
        self._inner = inner
        self._insecure_hosts = insecure_hosts

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        fits = is_loopback if f"{host}:{port}" in self._insecure_hosts else is_public
        fitting = [result for result in found if fits(result["host"])]
        if found and not fitting:
            raise _PrivateAddressError(f"{host} resolves to {found[0]['host']}, which is not contacted")
        return fitting

    async def close(self) -> None:
        await self._inner.close()


class Fetcher:
    """Downloads pictures. Holds at most (concurrency + 4) × max_download_bytes at a time."""

    def __init__(self, session: aiohttp.ClientSession, settings: FetchSettings, target_px: int) -> None:
        self._session = session
        self._settings = settings
        self._target_px = target_px
        self._slots = {
            Priority.INDEXING: asyncio.Semaphore(settings.concurrency),
            Priority.QUERY: asyncio.Semaphore(_QUERIES_AT_ONCE),
        }

    async def fetch(
        self,
        url: str,
        *,
        proxy_url: str | None = None,
        width: int | None = None,
        height: int | None = None,
        priority: Priority = Priority.INDEXING,
        least_px: int = 0,
        max_bytes: int | None = None,
    ) -> bytes:
        """The bytes of the picture at `url`, or of the media proxy's smaller copy where that is large enough: for the
        model, and for `least_px` on its shorter side.

        `width` and `height` are those that Discord gives for the original, in pixels. `max_bytes` takes the place of
        the setting. A picture outside Discord (of an embed) is fetched only through `proxy_url`. Raises Rejected (host
        not allowed, too many bytes, gone, forbidden), LinkExpired (request the message again; if its fresh link has
        expired too, the picture is gone) or RetryLater (429, 5xx, time-out, broken connection, incomplete body).
        """
        tries = self._addresses(url, proxy_url, width, height, max(self._target_px, least_px))
        most = self._settings.max_download_bytes if max_bytes is None else max_bytes
        async with self._slots[priority]:
            try:
                async with asyncio.timeout(self._settings.timeout_s):
                    return await self._first_of(tries, most)
            except TimeoutError as error:
                waited = f"{self._settings.timeout_s:g} s"
                raise RetryLater(f"{without_query(tries[-1])} did not finish within {waited}.") from error
            except aiohttp.ClientError as error:
                if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, _PrivateAddressError):
                    raise Rejected(Reason.HOST_NOT_ALLOWED, str(error.os_error)) from error
                what = f"{type(error).__name__}: {error}"
                raise RetryLater(f"{without_query(tries[-1])} could not be read: {what}") from error

    def _addresses(
        self, url: str, proxy_url: str | None, width: int | None, height: int | None, target_px: int
    ) -> list[URL]:
        """The addresses to try, in order. The last one decides the outcome. Raises Rejected when none is allowed."""
        extra, insecure = self._settings.extra_hosts, self._settings.insecure_hosts
        proxy: URL | None = None
        if proxy_url and self._settings.use_media_proxy:
            with suppress(Rejected):  # then only the original is tried
                proxy = allowed(proxy_url, extra, insecure)
        try:
            original = allowed(url, extra, insecure)
        except Rejected:
            if not proxy_url:
                raise
            original = allowed(proxy_url, extra, insecure)
        copy = sized(proxy, width, height, target_px) if proxy else None
        return [copy, original] if copy else [original]

    async def _first_of(self, tries: list[URL], most: int) -> bytes:
        *copies, original = tries
        for address in copies:
            try:
                body, is_picture = await self._get(address, most)
            except _Refused:  # 415 and 400: it cannot resize this file; 403 and 404: the original gives the reason
                continue
            if body and is_picture:
                return body
        try:
            return (await self._get(original, most))[0]
        except _Refused as refused:
            raise _meaning(refused) from refused

    async def _get(self, address: URL, most: int) -> tuple[bytes, bool]:
        """The body, and whether the server calls it a picture. Follows redirects, each hop checked."""
        for _ in range(_MAX_REDIRECTS + 1):
            async with self._session.get(address, allow_redirects=False) as response:
                if response.status in _REDIRECTS:
                    address = self._next_hop(address, response.headers.get("Location", ""))
                    continue
                if response.status == 200:
                    return await self._read(response, most), response.content_type.startswith("image/")
                if response.status == 429 or response.status >= 500:
                    raise RetryLater(
                        f"{without_query(address)} answered HTTP {response.status}.",
                        retry_after=_retry_after(response.headers.get("Retry-After")),
                    )
                raise _Refused(address, response.status)
        raise Rejected(Reason.UNREACHABLE, f"more than {_MAX_REDIRECTS} redirects")

    def _next_hop(self, address: URL, location: str) -> URL:
        try:
            target = str(address.join(URL(location, encoded=True)))
        except ValueError as error:
            raise Rejected(Reason.HOST_NOT_ALLOWED, f"a redirect to no address: {error}") from error
        return allowed(target, self._settings.extra_hosts, self._settings.insecure_hosts)

    async def _read(self, response: aiohttp.ClientResponse, cap: int) -> bytes:
        claimed = response.content_length
        if claimed is not None and claimed > cap:
            raise Rejected(Reason.TOO_MANY_BYTES, f"{claimed} bytes, {cap} are allowed")
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > cap:
                raise Rejected(Reason.TOO_MANY_BYTES, f"over {cap} bytes")
        return bytes(body)


def _meaning(refused: _Refused) -> Rejected | LinkExpired:
    address, status = refused.address, refused.status
    if status in (401, 403, 404) and expires(address):
        return LinkExpired(
            f"{without_query(address)} answered HTTP {status}: its link has expired or the file is gone."
        )
    if status in (401, 403):
        return Rejected(Reason.FORBIDDEN, f"HTTP {status}")
    if status in (404, 410):
        return Rejected(Reason.GONE, f"HTTP {status}")
    if status == 415:
        return Rejected(Reason.UNSUPPORTED, "Discord's media proxy cannot read it")
    return Rejected(Reason.UNREACHABLE, f"HTTP {status}")


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header; None where it is absent, a date or nonsense."""
    try:
        seconds = float(value or "")
    except ValueError:
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S) if math.isfinite(seconds) else None


@asynccontextmanager
async def open_fetcher(
    settings: FetchSettings, target_px: int, *, resolver: AbstractResolver | None = None
) -> AsyncIterator[Fetcher]:
    """A Fetcher for a model whose input is `target_px` wide. `resolver` replaces the resolver of the system."""
    guarded = _GuardedResolver(resolver or aiohttp.ThreadedResolver(), settings.insecure_hosts)
    connector = aiohttp.TCPConnector(resolver=guarded, limit=settings.concurrency + _QUERIES_AT_ONCE)
    async with aiohttp.ClientSession(
        connector=connector,
        headers=_HEADERS,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # ours spans all hops
        auto_decompress=False,
        trust_env=False,
    ) as session:
        try:
            yield Fetcher(session, settings, target_px)
        finally:
            await guarded.close()
