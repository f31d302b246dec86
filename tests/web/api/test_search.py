"""Searching over HTTP: words, pictures, both, pages, and what cannot be asked."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from bot.web.api import admission
from indexer.one_at_a_time import WAITING
from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.query.grammar import parse
from indexer.records.api_keys import KeyId
from indexer.records.colours import SAMPLES, SHOWN
from indexer.records.pictures import PixelSpec
from tests.worlds.api_world import ADMIN, READ, ApiWorld
from tests.worlds.running_bot import noise
from tests.worlds.waiting import DEADLINE_S

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("api search")]


async def test_without_words_the_newest_pictures_are_listed_in_pages(api: ApiWorld) -> None:
    seen = []
    for page, more in ((1, True), (2, True), (3, False)):
        found = await api.ask(f"{api.town}/search?per_page=3&page={page}")
        assert (found["page"], found["more"]) == (page, more)
        seen += found["hits"]
    assert len({hit["message_id"] for hit in seen}) == len(seen) == 8
    assert [hit["message_id"] for hit in seen] == sorted((hit["message_id"] for hit in seen), key=int, reverse=True)
    assert {hit["channel"] for hit in seen} == {"pictures", "secret"}  # an operator's key sees every channel
    assert all(hit["link"] is None and hit["score"] is None for hit in seen)  # the sandbox's links open nowhere


async def test_where_too_many_questions_wait_the_next_is_told_when_to_come_again(
    api: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "WAIT_S", 0.01)
    async with AsyncExitStack() as taken:
        for number in range(admission.AT_ONCE):
            await taken.enter_async_context(api.admission.turn(KeyId(-1 - number)))  # of others
        bulk = {"method": "POST", "json": {"q": "cat"}, "key": await api.key(ADMIN)}
        asked: list[tuple[str, dict[str, Any]]] = [("search?q=cat", {}), ("messages/delete", bulk)]
        for path, options in asked:
            refused = await api.ask(f"{api.town}/{path}", status=503, **options)
            assert refused["error"]["code"] == "busy"
            assert refused["error"]["details"]["retry_after_s"] >= 1
    assert (await api.ask(f"{api.town}/search?q=cat"))["hits"]


async def test_the_grammar_is_that_of_the_command(api: ApiWorld) -> None:
    found = await api.ask(f"{api.town}/search", params={"q": '"picture number 3" in:#pictures from:@Bo'})
    assert found["hits"][0]["text"] == "picture number 3"
    assert (found["hits"][0]["author"], found["hits"][0]["channel"]) == ("Bo", "pictures")
    only = await api.ask(f"{api.town}/search", params={"q": "in:#secret count:1"})
    assert len(only["hits"]) == 1


async def test_a_colour_is_a_filter_here_too(api: ApiWorld) -> None:
    asked = parse("color:blue", 0).colours[0]
    stored = [decode_picture(noise(number).data, PixelSpec(64), Limits(10**8)).colours for number in range(6)]
    numbers = [number for number, seen in enumerate(stored) if asked.share(seen) >= SHOWN / SAMPLES]
    assert 0 < len(numbers) < len(stored)
    found = await api.ask(f"{api.town}/search", params={"q": "color:blue in:#pictures"})
    assert sorted(hit["text"] for hit in found["hits"]) == [f"picture number {number}" for number in numbers]


async def test_an_uploaded_picture_finds_itself_and_a_stored_one_finds_it_too(api: ApiWorld) -> None:
    picture = noise(4).data
    found = await api.ask(
        f"{api.town}/search",
        method="POST",
        data=picture,
        headers={"Content-Type": "image/png"},
        params={"q": "in:#pictures"},
    )
    best = found["hits"][0]
    assert (best["text"], best["band"]) == ("picture number 4", "same-picture")
    assert best["named"]
    near = await api.ask(f"{api.town}/places/{best['place']}/similar")
    assert best["place"] not in {hit["place"] for hit in near["hits"]}  # a picture is not like itself
    assert near["hits"]


async def test_an_answer_says_how_long_the_search_took_and_not_longer(
    api: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is kept waiting, so that nothing else of the request takes as long as the search."""
    gate = asyncio.Event()
    monkeypatch.setattr(api.service.encoder, "gate", gate)
    waited_s, began_s = 0.5, time.perf_counter()
    asyncio.get_running_loop().call_later(waited_s, gate.set)
    found = await api.ask(
        f"{api.town}/search", method="POST", data=noise(77).data, headers={"Content-Type": "image/png"}
    )
    assert waited_s * 500 <= found["took_ms"] <= (time.perf_counter() - began_s) * 1000


async def test_a_picture_at_random_passes_the_filters(api: ApiWorld) -> None:
    found = await api.ask(f"{api.town}/random", params={"q": "in:#secret"})
    assert found["picture"]["channel"] == "secret"
    assert (await api.ask(f"{api.town}/random", params={"q": "before:2016-01-01"}))["picture"] is None


@pytest.mark.parametrize(
    ("q", "word"), [("in:#nowhere cat", "nowhere"), ("-dog", ""), ("from:@nobody", "nobody"), ("count:many", "many")]
)
async def test_what_cannot_be_asked_is_said_in_one_sentence(api: ApiWorld, q: str, word: str) -> None:
    error = (await api.ask(f"{api.town}/search", params={"q": q}, status=422))["error"]
    assert error["code"] == "bad_question"
    assert word in error["message"]


async def test_the_longest_question_of_any_script_fits_into_a_request(api: ApiWorld) -> None:
    found = await api.ask(f"{api.town}/search", params={"q": "\U0001f43e" * 1000})
    assert found["page"] == 1


@pytest.mark.parametrize("query", ["page=0", "page=x", "per_page=51", "nothing=1", "page=1&page=2", f"q={'a' * 1001}"])
async def test_a_query_that_does_not_fit_is_refused(api: ApiWorld, query: str) -> None:
    error = (await api.ask(f"{api.town}/search?{query}", status=400))["error"]
    assert error["code"] == "bad_request"


async def test_a_file_that_is_no_picture_is_refused_with_its_reason(api: ApiWorld) -> None:
    path, octets = f"{api.town}/search", {"Content-Type": "application/octet-stream"}
    error = (await api.ask(path, method="POST", data=b"no picture", headers=octets, status=422))["error"]
    assert (error["code"], error["details"]) == ("bad_picture", {"reason": "not-a-picture"})
    error = (await api.ask(path, method="POST", data=b"{}", headers={"Content-Type": "text/plain"}, status=400))[
        "error"
    ]
    assert error["code"] == "bad_request"


async def test_a_picture_that_is_too_large_is_not_read_to_its_end(api: ApiWorld) -> None:
    most = api.service.settings.fetch.max_download_bytes
    octets = {"Content-Type": "application/octet-stream", "Content-Length": str(most + 1)}
    headers = {"Authorization": f"Bearer {await api.key()}", **octets}
    async with (
        aiohttp.ClientSession() as http,  # its connection waits for the rest, and serves nothing else
        http.post(f"{api.url}{api.town}/search", data=b"x", headers=headers) as response,
    ):
        assert response.status == 413
        assert (await response.json())["error"]["code"] == "too_large"


async def test_of_many_uploads_of_a_key_at_once_few_wait_and_the_others_are_not_read(api: ApiWorld) -> None:
    _, key = await api.service.api_keys.create("many uploads", READ)
    head = (
        f"POST {api.town}/search HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
    )
    port = int(api.url.rpartition(":")[2])
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(WAITING + 2)]
    for _, writer in connections:
        writer.write(head.encode())  # and no body
    answers = [asyncio.create_task(reader.readuntil(b"}}")) for reader, _ in connections]
    first, others = await asyncio.wait(answers, timeout=DEADLINE_S, return_when=asyncio.FIRST_COMPLETED)
    assert [b'"busy"' in answer.result() for answer in first] == [True]
    for _, writer in connections:
        writer.close()
    await asyncio.gather(*others, return_exceptions=True)
