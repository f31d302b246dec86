"""Who may ask what: keys, scopes, servers, sessions of the console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from bot.web.api import access
from bot.web.api.api import OPERATIONS
from bot.web.api.openapi import document
from indexer.records.api_keys import KeyId
from indexer.records.ids import GuildId
from tests.worlds.api_world import ADMIN, READ, WRITE, ApiWorld, served

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("api access")]

UNKNOWN = "1234567"  # the id of nothing
IDS = ("place", "job", "key", "upload", "part", "bundle")  # of what operations name in their paths

Called = tuple[int, dict[str, Any]]


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every operation, as the document says."""
    for path, methods in document(OPERATIONS)["paths"].items():
        for method, described in methods.items():
            yield method.upper(), path, described


BODIES = {
    "startJob": {"scope": "server"},
    "createKey": {"name": "another", "scope": "read"},
    "tagMany": {"q": "after:2000", "add": ["seen"], "confirm": 3},
    "tagPicture": {"add": ["seen"]},
    "deleteMessages": {"q": "after:2000", "confirm": 3},
    "undeleteMessages": {},
}


async def called(api: ApiWorld, method: str, path: str, key: str, operation: str) -> tuple[int, str]:
    """Status and text of an answer, without the request's own id."""
    headers = {"Authorization": f"Bearer {key}"}
    options: dict[str, Any] = {"json": BODIES[operation]} if operation in BODIES else {}
    if operation == "searchByPicture":
        options, headers["Content-Type"] = {"data": b"no picture"}, "image/png"
    async with api.http.request(method, api.url + path, headers=headers, **options) as response:
        return response.status, re.sub(r'"id": ?"\w{16}"', "", await response.text())


async def test_a_key_for_one_server_learns_nothing_of_another_from_any_path(api: ApiWorld) -> None:
    """Another server answers like one that does not exist; what has no server in its path holds nothing of others."""
    theirs = await api.ask(f"/api/v1/guilds/{api.elsewhere.id}/search")
    place = theirs["hits"][0]["place"]
    (job,) = (await api.ask(f"/api/v1/guilds/{api.elsewhere.id}/jobs"))["jobs"]
    other_key, _ = await api.service.api_keys.create("their key", READ, guild_id=GuildId(api.elsewhere.id))
    hidden = (str(api.elsewhere.id), "Elsewhere Society", "their-attic", "heirloom", "Zora Stranger", "their key", "<<")
    looked_at = set()
    for method, path, described in operations():
        name = described["operationId"]
        # All operations together cost more than one key may ask at once.
        _, bound = await api.service.api_keys.create("a bound key", ADMIN, guild_id=GuildId(api.place.guild.id))
        ids = {"place": place, "job": job["id"], "key": other_key.id, "upload": 1, "part": 0, "bundle": 1}
        theirs_path = path.format(guild=api.elsewhere.id, **ids)
        nowhere = path.format(guild=UNKNOWN, **dict.fromkeys(ids, UNKNOWN))
        if "{" in path:
            assert await called(api, method, theirs_path, bound, name) == await called(
                api, method, nowhere, bound, name
            )
            looked_at.add(name)
        elif method == "GET":
            _, text = await called(api, method, path, bound, name)
            assert [word for word in hidden if word in text] == []
            looked_at.add(name)
    assert {"search", "thumbnail", "jobs", "startJob", "cancelJob", "revokeKey", "guilds", "keys", "audit"} <= looked_at
    assert (await api.service.api_keys.still_valid(other_key.id)) is not None
    theirs = await api.ask(f"/api/v1/guilds/{api.elsewhere.id}/search")
    assert [hit["tags"] for hit in theirs["hits"]] == [[], [], []]  # neither tagged nor deleted


async def test_a_place_of_another_server_is_not_found_below_ones_own(api: ApiWorld) -> None:
    bound = await api.key(READ, api.place.guild)
    theirs = (await api.ask(f"/api/v1/guilds/{api.elsewhere.id}/search"))["hits"][0]["place"]
    body = {"add": ["mine"]}
    path = f"{api.town}/places/{theirs}/tags"
    error = (await api.ask(path, key=await api.key(WRITE), method="POST", json=body, status=404))["error"]
    assert error["code"] == "not_found"
    for what in ("similar", "thumbnail"):
        error = (await api.ask(f"{api.town}/places/{theirs}/{what}", key=bound, status=404))["error"]
        assert error["code"] == "not_found"


async def test_each_operation_needs_its_scope(api: ApiWorld) -> None:
    given = {READ: await api.key(READ), WRITE: await api.key(WRITE)}
    for operation in OPERATIONS:
        path = "/api/v1" + operation.path.format(guild=api.place.guild.id, **dict.fromkeys(IDS, 1))
        for scope, key in given.items():
            if not scope.includes(operation.scope):
                status, text = await called(api, operation.method, path, key, operation.name)
                assert (status, '"forbidden"' in text) == (403, True), (operation.name, scope, text)


async def test_what_shows_every_server_needs_a_key_for_every_server(api: ApiWorld) -> None:
    bound = await api.key(ADMIN, api.place.guild)
    for path in ("/api/v1/status", "/api/v1/settings"):
        assert (await api.ask(path, key=bound, status=403))["error"]["code"] == "forbidden"
        assert await api.ask(path, key=await api.key(ADMIN))


async def test_a_key_for_one_server_makes_no_key_for_more(api: ApiWorld) -> None:
    bound = await api.key(ADMIN, api.place.guild)
    for guild in (None, str(api.elsewhere.id)):
        body = {"name": "more", "scope": "read", "guild": guild}
        error = (await api.ask("/api/v1/keys", method="POST", json=body, key=bound, status=403))["error"]
        assert error["code"] == "forbidden"
    body = {"name": "as much", "scope": "read", "guild": str(api.place.guild.id)}
    created = await api.ask("/api/v1/keys", method="POST", json=body, key=bound, status=201)
    assert (await api.ask("/api/v1/guilds", key=created["secret"]))["guilds"][0]["name"] == "Town"


@pytest.mark.parametrize(
    "header", ["", "Bearer ", "Bearer afterimage_1_x", "Basic YTpi", f"Bearer afterimage_1_{'a' * 43}"]
)
async def test_without_a_valid_key_nothing_is_answered(api: ApiWorld, header: str) -> None:
    async with api.http.get(f"{api.url}/api/v1/guilds", headers={"Authorization": header}) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert (await response.json())["error"]["code"] == "unauthorized"


async def test_a_key_that_is_revoked_opens_nothing_from_then_on(api: ApiWorld) -> None:
    body = {"name": "short", "scope": "read", "days": 1}
    created = await api.ask("/api/v1/keys", method="POST", json=body, key=await api.key(ADMIN), status=201)
    assert await api.ask("/api/v1/guilds", key=created["secret"])
    await api.ask(f"/api/v1/keys/{created['key']['id']}", method="DELETE", key=await api.key(ADMIN))
    assert (await api.ask("/api/v1/guilds", key=created["secret"], status=401))["error"]["code"] == "unauthorized"


async def test_a_change_is_told_to_the_audit_log_with_its_request_and_key(api: ApiWorld) -> None:
    admin = await api.key(ADMIN)
    headers = {"Authorization": f"Bearer {admin}"}
    async with api.http.post(f"{api.url}{api.town}/failures/retry", headers=headers) as response:
        assert response.status == 200
        request = response.headers["X-Request-Id"]
    entry = (await api.ask("/api/v1/audit?count=1", key=admin))["entries"][0]
    assert (entry["action"], entry["request"], entry["guild"]) == ("retry", request, str(api.place.guild.id))
    assert f"afterimage_{entry['key']}_" in admin


async def test_a_key_that_asks_too_often_is_told_when_to_ask_again(api: ApiWorld) -> None:
    _, greedy = await api.service.api_keys.create("greedy", READ)
    statuses = []
    for _ in range(round(access.BURST / 20) + 2):
        async with api.http.get(
            f"{api.url}{api.town}/duplicates", headers={"Authorization": f"Bearer {greedy}"}
        ) as response:
            statuses.append(response.status)
            if response.status == 429:
                assert int(response.headers["Retry-After"]) >= 1
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert await api.ask("/api/v1/guilds")  # others are not limited by it


async def test_kept_thumbnails_cost_a_key_next_to_nothing_and_other_ones_cost_it(
    api: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "PER_MINUTE", 0.01)
    monkeypatch.setattr(access, "BURST", 3)
    (hit,) = (await api.ask(f"{api.town}/search", params={"q": "in:#pictures count:1"}))["hits"]
    headers = {"Authorization": f"Bearer {await api.key()}"}
    async with served(api.bot) as (url, http, _):

        async def status(path: str) -> int:
            async with http.get(url + path, headers=headers) as response:
                return response.status

        assert {await status(hit["thumbnail"]) for _ in range(100)} == {200}  # 1.2 tokens
        statuses = [await status(f"{api.town}/places/{UNKNOWN}/thumbnail") for _ in range(12)]
        assert statuses[:8] == [404] * 8
        assert statuses[-1] == 429


async def signed_in(api: ApiWorld, http: aiohttp.ClientSession, key: str) -> str:
    async with http.post(f"{api.url}/api/v1/session", json={"key": key}) as response:
        assert response.status == 200
        cookie = response.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert key not in cookie
        return str((await response.json())["csrf"])


async def test_the_consoles_cookie_reads_and_changes_only_with_its_token(api: ApiWorld) -> None:
    created, secret = await api.service.api_keys.create("console", ADMIN)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        csrf = await signed_in(api, http, secret)
        async with http.get(f"{api.url}/api/v1/guilds") as response:
            assert response.status == 200
        for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": csrf[:-1] + "é"}):
            async with http.post(f"{api.url}{api.town}/failures/retry", headers=headers) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (403, "csrf")
        async with http.post(f"{api.url}{api.town}/failures/retry", headers={"X-CSRF-Token": csrf}) as response:
            assert response.status == 200
        await api.service.api_keys.revoke(KeyId(created.id))
        async with http.get(f"{api.url}/api/v1/guilds") as response:
            assert response.status == 401  # the session ends with its key


async def test_who_signs_out_is_signed_out(api: ApiWorld) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        csrf = await signed_in(api, http, await api.key())
        before = {cookie.key: cookie.value for cookie in http.cookie_jar}
        async with http.delete(f"{api.url}/api/v1/session", headers={"X-CSRF-Token": csrf}) as response:
            assert response.status == 200
        async with http.get(f"{api.url}/api/v1/session", cookies=before) as response:
            assert response.status == 401  # also for whoever kept the cookie


async def test_a_key_that_signs_in_again_and_again_signs_nobody_else_out(api: ApiWorld) -> None:
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as operator,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as greedy,
    ):
        await signed_in(api, operator, await api.key(ADMIN))
        for _ in range(access.SESSIONS):
            await signed_in(api, greedy, await api.key(READ, api.place.guild))
        async with operator.get(f"{api.url}/api/v1/session") as response:
            assert response.status == 200


async def test_a_form_of_another_site_signs_nobody_in(api: ApiWorld) -> None:
    key = await api.key()
    async with api.http.post(
        f"{api.url}/api/v1/session", data=f'{{"key": "{key}"}}', headers={"Content-Type": "text/plain"}
    ) as response:
        assert response.status == 400
        assert "Set-Cookie" not in response.headers


async def test_no_answer_allows_another_origin(api: ApiWorld) -> None:
    headers = {"Authorization": f"Bearer {await api.key()}", "Origin": "https://evil.example"}
    async with api.http.get(f"{api.url}/api/v1/guilds", headers=headers) as response:
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]
