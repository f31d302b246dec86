"""Every request over a real socket: hosts, limits, deadlines, the one shape of errors."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.config.tables import WebSettings
from bot.config.values import listen_address
from bot.web import server
from bot.web.errors import CODES, ApiError
from bot.web.guards import Endpoint, host_name
from bot.web.server import open_web
from indexer.errors import Stop
from tests.worlds.waiting import DEADLINE_S, until


async def _fails(_: web.Request) -> web.Response:
    raise RuntimeError("secret detail of the failure")


async def _waits(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("never")


async def _takes(request: web.Request) -> web.Response:
    return web.json_response({"bytes": len(await request.read())})


async def _begins(request: web.Request) -> web.StreamResponse:
    """The reader goes between its request and the answer's first byte."""
    assert request.transport is not None
    request.transport.close()
    response = web.StreamResponse()
    await response.prepare(request)
    raise AssertionError("nothing can be written any more")


ROUTES = (web.get("/begins", _begins), web.get("/fails", _fails), web.get("/waits", _waits), web.post("/takes", _takes))


@asynccontextmanager
async def served(settings: WebSettings | None = None) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    settings = settings or WebSettings(listen="127.0.0.1:0")
    async with open_web(settings, ROUTES) as url, aiohttp.ClientSession() as session:
        yield url, session


async def error_of(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """The one shape: checked for every refusal."""
    assert response.content_type == "application/json"
    body = await response.json()
    assert body.keys() == {"error"}
    error: dict[str, Any] = body["error"]
    assert error.keys() == {"code", "message", "details", "id"}
    assert error["code"] in CODES
    assert error["id"] == response.headers["X-Request-Id"]
    return error


async def test_an_unknown_path_and_a_wrong_method_are_told_apart() -> None:
    async with served() as (url, session):
        async with session.get(f"{url}/nowhere") as response:
            assert response.status == 404
            assert (await error_of(response))["code"] == "not_found"
        async with session.delete(f"{url}/takes") as response:
            assert response.status == 405
            assert response.headers["Allow"] == "POST"
            error = await error_of(response)
    assert (error["code"], error["details"]) == ("method_not_allowed", {"allowed": ["POST"]})


async def test_a_failure_tells_the_log_and_not_the_asker(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as (url, session), session.get(f"{url}/fails?token=in-a-query") as response:
        assert response.status == 500
        text = await response.text()
        error = await error_of(response)
    assert error["code"] == "internal"
    assert "secret" not in text
    assert error["id"] in caplog.text
    assert "secret detail" in caplog.text
    assert "in-a-query" not in caplog.text


async def test_every_answer_forbids_framing_sniffing_and_keeping() -> None:
    async with served() as (url, session):
        for path in ("/nowhere", "/fails"):
            async with session.get(url + path) as response:
                assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["Cache-Control"] == "no-store"
                assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        ("127.0.0.1:1", True),
        ("LOCALHOST", True),
        ("[::1]:80", True),
        ("bot.internal:8642", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("bot.internal.evil.example", False),
        ("", False),
    ],
)
async def test_a_name_that_was_not_configured_is_refused(host: str, answered: bool) -> None:
    settings = WebSettings(listen="127.0.0.1:0", hosts=("Bot.internal",))
    async with (
        served(settings) as (url, session),
        session.post(f"{url}/takes", data=b"1", headers={"Host": host}) as response,
    ):
        assert response.status == (200 if answered else 403)
        if not answered:
            assert (await error_of(response))["code"] == "host_not_allowed"


PAGE = "http://tools.example:3000"


async def test_a_page_of_a_named_origin_may_ask_the_interface_and_no_other() -> None:
    """Also what refuses it: a page must be able to read why."""
    settings = WebSettings(listen="127.0.0.1:0", origins=(PAGE,))
    asks = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}

    async def allowed(path: str, method: str, origin: str) -> tuple[int, set[str]]:
        headers = {"Origin": origin} | (asks if method == "OPTIONS" else {})
        async with served(settings) as (url, session), session.request(method, url + path, headers=headers) as response:
            assert "Access-Control-Allow-Credentials" not in response.headers
            assert response.headers.get("Access-Control-Allow-Origin", PAGE) == PAGE
            assert ("Origin" in response.headers.get("Vary", "")) is path.startswith("/api/")
            return response.status, {name for name in response.headers if name.startswith("Access-Control-Allow-")}

    origin = {"Access-Control-Allow-Origin"}
    methods = {*origin, "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"}
    assert await allowed("/api/v1/nothing", "OPTIONS", PAGE) == (204, methods)
    assert await allowed("/api/v1/nothing", "GET", PAGE) == (404, origin)
    assert await allowed("/api/v1/nothing", "OPTIONS", "http://tools.example") == (404, set())
    assert await allowed("/api/v1/nothing", "GET", "http://evil.example") == (404, set())
    assert await allowed("/nothing", "GET", PAGE) == (404, set())
    assert await allowed("/nothing", "OPTIONS", PAGE) == (404, set())


async def test_an_address_that_asks_too_often_is_told_when_to_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PER_MINUTE", 1.0)
    monkeypatch.setattr(server, "BURST", 3)
    async with served() as (url, session):
        answers = []
        for _ in range(4):
            async with session.post(f"{url}/takes") as response:
                answers.append(response.status)
        assert answers == [200, 200, 200, 429]
        async with session.post(f"{url}/takes") as response:
            error = await error_of(response)
            assert int(response.headers["Retry-After"]) == error["details"]["retry_after_s"] > 0


class _Cheap(Endpoint):
    """What costs a hundredth of a request, for whoever has a key."""

    async def handle(self, request: web.Request) -> web.Response:
        if "Authorization" not in request.headers:
            raise ApiError(HTTPStatus.UNAUTHORIZED, "unauthorized", "There is no key.")
        return web.Response()


async def test_what_is_cheap_with_a_key_costs_whoever_has_none_a_whole_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "API_PER_MINUTE", 0.001)
    monkeypatch.setattr(server, "API_BURST", 3)
    routes = [web.get("/api/cheap", _Cheap(None, 0.01).handle)]
    async with open_web(WebSettings(listen="127.0.0.1:0"), routes) as url, aiohttp.ClientSession() as session:

        async def status(**headers: str) -> int:
            async with session.get(f"{url}/api/cheap", headers=headers) as response:
                return response.status

        assert {await status(Authorization="Bearer …") for _ in range(100)} == {200}
        assert [await status() for _ in range(4)] == [401, 401, 429, 429]


async def test_a_body_that_is_too_large_is_refused() -> None:
    async with served() as (url, session):
        async with session.post(f"{url}/takes", data=b"x" * server.REQUEST_BYTES) as response:
            assert response.status == 200
        async with session.post(f"{url}/takes", data=b"x" * (server.REQUEST_BYTES + 1)) as response:
            assert response.status == 413
            assert (await error_of(response))["code"] == "too_large"


async def test_a_request_ends_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LONGEST_S", 0.05)
    async with served() as (url, session), session.get(f"{url}/waits") as response:
        assert response.status == 503
        assert (await error_of(response))["code"] == "too_slow"


async def test_a_request_in_hand_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SHUTDOWN_S", 0.05)
    async with aiohttp.ClientSession() as session:
        async with open_web(WebSettings(listen="127.0.0.1:0"), ROUTES) as url:
            waiting = asyncio.create_task(session.get(f"{url}/waits"))
            await asyncio.sleep(0.05)
        with pytest.raises(aiohttp.ClientError):
            await waiting


async def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Stop, match=rf"web\.listen: 127\.0\.0\.1, port {port} cannot be listened on"):
            async with open_web(WebSettings(listen=f"127.0.0.1:{port}"), ROUTES):
                pass


async def test_debug_lines_name_no_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with served() as (url, session), session.get(f"{url}/nowhere?words=private") as response:
        assert response.status == 404
    assert re.search(r"request \w{16}: GET /nowhere → 404", caplog.text)
    assert "private" not in caplog.text


@pytest.mark.parametrize("sent", [b"secret\x00words\r\n\r\n", b"GET /?q=" + b"secret" * 4000 + b" HTTP/1.1\r\n\r\n"])
async def test_what_is_no_http_is_refused_and_not_quoted_in_the_log(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with served() as (url, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(sent)
        assert b" 400 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert "secret" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_body_that_cannot_be_decoded_is_no_failure_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        served() as (url, session),
        session.post(f"{url}/takes", data=b"no gzip at all", headers={"Content-Encoding": "gzip"}) as response,
    ):
        assert response.status == 400
        assert (await error_of(response))["code"] == "bad_request"
    assert "Traceback" not in caplog.text


async def test_somebody_who_goes_in_the_middle_of_a_body_leaves_no_failure_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with served() as (url, _):
        async with connected(url) as (reader, writer):
            head = b"POST /takes HTTP/1.1\r\nHost: [::1]\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"
            writer.write(head)
            assert b" 100 " in await reader.readline()  # it is being answered
            writer.write(b"half")
        await until(lambda: "POST /takes → " in caplog.text)
    assert "Traceback" not in caplog.text


async def test_somebody_who_goes_before_the_answer_begins_leaves_no_failure_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as (url, session):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.get(f"{url}/begins")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_an_expectation_that_nobody_knows_is_refused() -> None:
    async with served() as (url, session), session.get(f"{url}/nowhere", headers={"Expect": "more"}) as response:
        assert response.status == 417
        assert response.headers["X-Content-Type-Options"] == "nosniff"


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def answered(connection: Connection) -> bool:
    reader, writer = connection
    writer.write(b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        return b" 404 " in await reader.readline()
    except ConnectionError:
        return False


async def test_connections_are_bounded_and_there_is_room_again_when_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 2)
    async with asyncio.timeout(DEADLINE_S), served() as (url, _):

        async def room() -> bool:
            async with connected(url) as connection:
                return await answered(connection)

        async with connected(url) as held:
            assert await answered(held)
            async with connected(url) as also_held:
                assert await answered(also_held)
                async with connected(url) as (reader, _):
                    assert await reader.read() == b""  # closed without an answer
            await until(room)


async def test_a_connection_on_which_no_request_comes_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_S", 0.05)
    async with asyncio.timeout(DEADLINE_S), served() as (url, _), connected(url) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: loc")
        assert await reader.read() == b""


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_and_port_is_understood(address: Any, port: int) -> None:
    written = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    if "%" not in written:
        assert listen_address(written) == (str(address), port)
        assert host_name(written) == str(address).lower()


_NO_ADDRESSES = (
    *("", "8642", ":8642", "localhost:8642", "127.0.0.1", "127.0.0.1:"),
    *("::1:80", "[127.0.0.1]:1", "1.2.3.4:65536", "1.2.3.4:-1"),
)


@pytest.mark.parametrize("text", _NO_ADDRESSES)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no address and port"):
        listen_address(text)
