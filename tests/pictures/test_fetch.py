"""Fetching from real servers on loopback: copies, redirects, caps, deadlines, and every way a server can fail."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypedDict

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from indexer.errors import LinkExpired, Reason, Rejected, RetryLater
from indexer.pictures.fetch import Fetcher, open_fetcher
from indexer.ports import Priority
from indexer.settings import FetchSettings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(5000)
SIGNATURE = "ex=6&is=5&hm=ab"


class Upload(TypedDict):
    """What `fetch` is given for one attachment."""

    url: str
    proxy_url: str


class Cdn:
    """A server that answers what a test tells it to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.base = ""
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.handlers: dict[str, Handler] = {}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self.headers.append(dict(request.headers))
        for prefix, handler in self.handlers.items():
            if request.path.startswith(prefix):
                return await handler(request)
        return web.Response(body=PNG, content_type="image/png")

    def says(self, prefix: str, status: int, body: bytes = b"no", **headers: str) -> None:
        async def handler(_: web.Request) -> web.Response:
            return web.Response(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

        self.handlers[prefix] = handler

    @property
    def netloc(self) -> str:
        return self.base.removeprefix("http://")

    def upload(self) -> Upload:
        path = f"/attachments/1/2/a.png?{SIGNATURE}"
        return {"url": f"{self.base}{path}", "proxy_url": f"{self.base}/media{path}"}


async def serving(cdn: Cdn) -> AsyncIterator[Cdn]:
    app = web.Application()
    app.router.add_get("/{path:.*}", cdn.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    cdn.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield cdn
    await runner.cleanup()


@pytest.fixture
async def cdn() -> AsyncIterator[Cdn]:
    async for server in serving(Cdn()):
        yield server


@pytest.fixture
async def other() -> AsyncIterator[Cdn]:
    async for server in serving(Cdn()):
        yield server


@pytest.fixture
async def fetcher(cdn: Cdn) -> AsyncIterator[Fetcher]:
    async with open_fetcher(settings(cdn), 256) as opened:
        yield opened


def settings(cdn: Cdn, **changes: object) -> FetchSettings:
    values: dict[str, object] = {"insecure_hosts": (cdn.netloc,), "max_download_bytes": 20_000, "timeout_s": 10.0}
    return FetchSettings(**(values | changes))  # type: ignore[arg-type]  # the test names the settings


async def reason_of(fetching: Awaitable[bytes]) -> Reason:
    with pytest.raises(Rejected) as caught:
        await fetching
    return caught.value.reason


# Which copy


async def test_a_large_picture_is_fetched_as_a_copy_just_above_the_models_input(cdn: Cdn, fetcher: Fetcher) -> None:
    assert await fetcher.fetch(**cdn.upload(), width=4000, height=3000) == PNG
    assert cdn.asked == [f"/media/attachments/1/2/a.png?{SIGNATURE}&format=webp&width=448&height=336"]


async def test_a_small_picture_or_one_of_unknown_size_is_fetched_as_it_is(cdn: Cdn, fetcher: Fetcher) -> None:
    await fetcher.fetch(**cdn.upload(), width=300, height=400)
    await fetcher.fetch(**cdn.upload())
    await fetcher.fetch(cdn.upload()["url"], width=4000, height=3000)
    assert cdn.asked == [f"/attachments/1/2/a.png?{SIGNATURE}"] * 3


async def test_the_media_proxy_can_be_switched_off(cdn: Cdn) -> None:
    async with open_fetcher(settings(cdn, use_media_proxy=False), 256) as fetcher:
        await fetcher.fetch(**cdn.upload(), width=4000, height=3000)
    assert cdn.asked == [f"/attachments/1/2/a.png?{SIGNATURE}"]


@pytest.mark.parametrize("status", [400, 403, 404, 415, 422])
async def test_what_the_proxy_cannot_resize_is_fetched_as_the_original(status: int, cdn: Cdn, fetcher: Fetcher) -> None:
    cdn.says("/media", status)
    assert await fetcher.fetch(**cdn.upload(), width=4000, height=3000) == PNG
    assert len(cdn.asked) == 2


@pytest.mark.parametrize(("body", "kind"), [(b"", "image/webp"), (b"<html>oops</html>", "text/html")])
async def test_a_proxy_that_sends_no_picture_is_not_believed(
    body: bytes, kind: str, cdn: Cdn, fetcher: Fetcher
) -> None:
    cdn.says("/media", 200, body, Content_Type=kind)
    assert await fetcher.fetch(**cdn.upload(), width=4000, height=3000) == PNG


async def test_a_picture_outside_discord_is_fetched_through_discords_proxy_only(cdn: Cdn, fetcher: Fetcher) -> None:
    proxy = f"{cdn.base}/external/abc/https/elsewhere.example/a.png"
    assert await fetcher.fetch("https://elsewhere.example/a.png", proxy_url=proxy) == PNG
    cdn.says("/external", 404)
    assert await reason_of(fetcher.fetch("https://elsewhere.example/a.png", proxy_url=proxy)) is Reason.GONE
    assert await reason_of(fetcher.fetch("https://elsewhere.example/a.png")) is Reason.HOST_NOT_ALLOWED
    assert len(cdn.asked) == 2


async def test_a_proxy_elsewhere_is_not_asked(cdn: Cdn, fetcher: Fetcher) -> None:
    url = cdn.upload()["url"]
    assert await fetcher.fetch(url, proxy_url="https://evil.example/a.png", width=4000, height=3000) == PNG


# Limits


async def test_a_file_that_claims_too_many_bytes_is_not_read(cdn: Cdn, fetcher: Fetcher) -> None:
    read_on = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "20001"})
        await response.prepare(request)
        await read_on.wait()  # not one byte of the body is sent
        return response

    cdn.handlers["/"] = endless
    assert await reason_of(fetcher.fetch(**cdn.upload())) is Reason.TOO_MANY_BYTES
    read_on.set()


async def test_a_file_that_does_not_end_is_cut_at_the_cap(cdn: Cdn, fetcher: Fetcher) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        while sent < 100_000_000:
            await response.write(bytes(10_000))
            sent += 10_000
        return response

    cdn.handlers["/"] = endless
    assert await reason_of(fetcher.fetch(**cdn.upload())) is Reason.TOO_MANY_BYTES
    assert sent < 50_000_000  # what socket buffers hold, not what the server has


async def test_a_file_of_just_the_cap_is_fetched(cdn: Cdn, fetcher: Fetcher) -> None:
    cdn.says("/", 200, bytes(20_000))
    assert len(await fetcher.fetch(**cdn.upload())) == 20_000


@pytest.mark.parametrize("stalls_after", [None, 0, 100])
async def test_a_server_that_stalls_meets_the_deadline(stalls_after: int | None, cdn: Cdn) -> None:
    released = asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000"})
        if stalls_after is not None:
            await response.prepare(request)
            await response.write(bytes(stalls_after))
        await released.wait()
        return response

    cdn.handlers["/"] = stall
    async with open_fetcher(settings(cdn, timeout_s=0.2), 256) as fetcher:
        with pytest.raises(RetryLater, match=r"within 0\.2 s"):
            await fetcher.fetch(**cdn.upload())
    released.set()


async def test_no_more_downloads_run_at_once_than_allowed_and_queries_do_not_queue_behind_them(cdn: Cdn) -> None:
    running, most = 0, 0
    three, released = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if most == 3:
            three.set()
        await released.wait()
        running -= 1
        return web.Response(body=PNG)

    cdn.handlers["/attachments"] = slow
    async with open_fetcher(settings(cdn, concurrency=3), 256) as fetcher, asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(fetcher.fetch(**cdn.upload()))
        await three.wait()
        url = f"{cdn.base}/ephemeral-attachments/1/2/mine.png?{SIGNATURE}"
        assert await fetcher.fetch(url, priority=Priority.QUERY) == PNG
        released.set()
    assert most == 3


async def test_a_cancelled_download_gives_its_place_back(cdn: Cdn) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    cdn.handlers["/attachments/never"] = never
    async with open_fetcher(settings(cdn, concurrency=1), 256) as fetcher:
        stuck = asyncio.create_task(fetcher.fetch(f"{cdn.base}/attachments/never"))
        await asyncio.sleep(0.05)
        stuck.cancel()
        assert await fetcher.fetch(**cdn.upload()) == PNG


# Refusals and faults


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_an_upload_that_is_refused_has_an_expired_link(status: int, cdn: Cdn, fetcher: Fetcher) -> None:
    cdn.says("/", status, b"This content is no longer available.")
    with pytest.raises(LinkExpired) as caught:
        await fetcher.fetch(**cdn.upload(), width=4000, height=3000)
    assert "hm=" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (403, Reason.FORBIDDEN),
        (404, Reason.GONE),
        (410, Reason.GONE),
        (415, Reason.UNSUPPORTED),
        (418, Reason.UNREACHABLE),
    ],
)
async def test_what_has_no_signature_is_refused_for_good(
    status: int, reason: Reason, cdn: Cdn, fetcher: Fetcher
) -> None:
    cdn.says("/", status)
    assert await reason_of(fetcher.fetch(f"{cdn.base}/stickers/1.gif")) is reason


@pytest.mark.parametrize("status", [429, 500, 502, 503, 524])
@pytest.mark.parametrize(
    ("header", "seconds"), [("1.5", 1.5), ("", None), ("soon", None), ("-3", 0.0), ("1e9", 3600.0), ("nan", None)]
)
async def test_a_busy_or_broken_server_is_asked_again_later(
    status: int, header: str, seconds: float | None, cdn: Cdn, fetcher: Fetcher
) -> None:
    cdn.says("/", status, Retry_After=header)
    with pytest.raises(RetryLater) as caught:
        await fetcher.fetch(**cdn.upload(), width=4000, height=3000)
    assert caught.value.retry_after == seconds
    assert len(cdn.asked) == 1


async def test_half_a_body_is_fetched_again_later(cdn: Cdn, fetcher: Fetcher) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000"})
        await response.prepare(request)
        await response.write(bytes(2500))
        assert request.transport is not None
        request.transport.close()
        return response

    cdn.handlers["/"] = half
    with pytest.raises(RetryLater):
        await fetcher.fetch(**cdn.upload())


async def test_a_broken_connection_is_tried_again_later(cdn: Cdn, fetcher: Fetcher) -> None:
    async def reset(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    cdn.handlers["/"] = reset
    with pytest.raises(RetryLater):
        await fetcher.fetch(**cdn.upload())


async def test_nobody_there_is_tried_again_later() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        netloc = f"127.0.0.1:{bound.getsockname()[1]}"  # bound but not listening: refused
        async with open_fetcher(FetchSettings(insecure_hosts=(netloc,)), 256) as fetcher:
            with pytest.raises(RetryLater):
                await fetcher.fetch(f"http://{netloc}/a.png")


async def test_a_compressed_body_is_not_unpacked(cdn: Cdn, fetcher: Fetcher) -> None:
    cdn.says("/", 200, b"\x1f\x8b\x08bomb", Content_Encoding="gzip")
    assert await fetcher.fetch(**cdn.upload()) == b"\x1f\x8b\x08bomb"
    assert cdn.headers[0]["Accept-Encoding"] == "identity"
    assert "Cookie" not in cdn.headers[0]


# Redirects and addresses


async def test_redirects_are_followed_up_to_three(cdn: Cdn, fetcher: Fetcher) -> None:
    async def hop(request: web.Request) -> web.StreamResponse:
        left = int(request.match_info["path"].removeprefix("hop/"))
        return web.Response(status=302, headers={"Location": f"/hop/{left - 1}" if left > 1 else "/end"})

    cdn.handlers["/hop"] = hop
    assert await fetcher.fetch(f"{cdn.base}/hop/3") == PNG
    assert await reason_of(fetcher.fetch(f"{cdn.base}/hop/4")) is Reason.UNREACHABLE


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/",
        "http://169.254.169.254/latest",
        "//evil.example/",
        "file:///etc/passwd",
        "http://[",
        "OTHER",
    ],
)
async def test_a_redirect_elsewhere_is_not_followed(location: str, cdn: Cdn, other: Cdn, fetcher: Fetcher) -> None:
    cdn.says("/", 302, Location=location.replace("OTHER", other.base))
    assert await reason_of(fetcher.fetch(**cdn.upload())) is Reason.HOST_NOT_ALLOWED
    assert other.asked == []


async def test_a_redirect_without_a_target_ends(cdn: Cdn, fetcher: Fetcher) -> None:
    cdn.says("/", 302)
    assert await reason_of(fetcher.fetch(**cdn.upload())) is Reason.UNREACHABLE


class FixedResolver(AbstractResolver):
    """Every name leads to these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        kind = {True: socket.AF_INET6, False: socket.AF_INET}
        return [
            ResolveResult(hostname=host, host=at, port=port, family=kind[":" in at], proto=0, flags=0)
            for at in self.addresses
        ]

    async def close(self) -> None: ...


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"])
async def test_a_name_of_discords_that_leads_to_a_private_address_is_not_contacted(address: str, cdn: Cdn) -> None:
    resolver = FixedResolver(address)
    async with open_fetcher(settings(cdn), 256, resolver=resolver) as fetcher:
        assert await reason_of(fetcher.fetch("https://cdn.discordapp.com/attachments/1/2/a.png")) is (
            Reason.HOST_NOT_ALLOWED
        )
    assert resolver.asked == ["cdn.discordapp.com"]
    assert cdn.asked == []


async def test_a_listed_insecure_name_must_lead_to_loopback(cdn: Cdn) -> None:
    port = cdn.base.rpartition(":")[2]
    named = settings(cdn, insecure_hosts=(f"sandbox:{port}",))
    async with open_fetcher(named, 256, resolver=FixedResolver("8.8.8.8")) as fetcher:
        assert await reason_of(fetcher.fetch(f"http://sandbox:{port}/a.png")) is Reason.HOST_NOT_ALLOWED
    async with open_fetcher(named, 256, resolver=FixedResolver("8.8.8.8", "127.0.0.1")) as fetcher:
        assert await fetcher.fetch(f"http://sandbox:{port}/a.png") == PNG
