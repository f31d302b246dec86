"""What can go wrong on purpose: single faults, the seeded storm, and rate limits."""

import aiohttp
import discord
import pytest

from sandbox.faults import KINDS, Faults
from sandbox.limits import Limit, Limits
from sandbox.server import open_sandbox
from tests.sandbox.conftest import Connect
from tests.sandbox.raw import raw_client
from tests.worlds.rich_guild import rich_world

HISTORY = "GET /channels/{channel_id}/messages"


@pytest.mark.parametrize(
    ("kind", "status", "scope", "everywhere"),
    [("429", 429, "user", False), ("429-global", 429, "global", True), ("429-shared", 429, "shared", False)],
)
async def test_a_planned_limit_answers_as_discord_does(kind: str, status: int, scope: str, everywhere: bool) -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        sandbox.faults.plan(kind, HISTORY)
        answer = await api.get(f"/channels/{rich.chat.id}/messages")
        assert (answer.status, answer.body["global"], answer.headers["X-RateLimit-Scope"]) == (
            status,
            everywhere,
            scope,
        )
        assert answer.headers["Via"]
        assert (await api.get(f"/channels/{rich.chat.id}/messages")).status == 200


async def test_a_ban_by_cloudflare_has_no_via_and_no_json() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        sandbox.faults.plan("429-cloudflare")
        answer = await api.get("/users/@me")
        assert (answer.status, answer.body, "Via" in answer.headers) == (429, "error code: 1015", False)


@pytest.mark.parametrize("kind", ["500", "502", "503", "504"])
async def test_a_server_error_is_text(kind: str) -> None:
    async with open_sandbox(rich_world().world) as sandbox, raw_client(sandbox) as api:
        sandbox.faults.plan(kind)
        answer = await api.get("/users/@me")
        assert (answer.status, isinstance(answer.body, str)) == (int(kind), True)


async def test_a_reset_is_an_error_of_the_operating_system() -> None:
    async with open_sandbox(rich_world().world) as sandbox, raw_client(sandbox) as api:
        sandbox.faults.plan("reset", times=2)  # aiohttp repeats a GET once by itself
        with pytest.raises(OSError, match="104"):
            await api.get("/users/@me")
        assert (await api.get("/users/@me")).status == 200


async def test_a_truncated_answer_breaks_off() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        sandbox.faults.plan("truncate")
        with pytest.raises(aiohttp.ClientPayloadError):
            await api.get("/users/@me")
        link = sandbox.links.signed(rich.picture.attachments[0])
        sandbox.faults.plan("truncate", "/attachments")
        with pytest.raises(aiohttp.ClientPayloadError):
            await api.read(link)
        sandbox.faults.plan("expired", "/attachments")
        assert (await api.read(link))[0] == 404


async def test_a_duplicate_gives_the_page_before_once_more() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        path = f"/channels/{rich.chat.id}/messages?limit=2"
        sandbox.faults.plan("duplicate", "nowhere")
        first = (await api.get(path)).body
        sandbox.faults.plan("duplicate", HISTORY)
        again = (await api.get(f"{path}&before={first[-1]['id']}")).body
        assert [m["id"] for m in again] == [m["id"] for m in first]
        assert (await api.get(f"{path}&before={first[-1]['id']}")).body[0]["id"] < first[-1]["id"]


def test_a_storm_strikes_the_same_requests_each_time_and_lets_everyone_through_in_the_end() -> None:
    def strikes(seed: int) -> list[str | None]:
        storm = Faults.storm(seed)
        return [storm.strike(HISTORY, f"/channels/1/messages?before={i}") for i in range(2000)]

    first = strikes(7)
    assert first == strikes(7)
    assert first != strikes(8)
    share = sum(fault is not None for fault in first) / len(first)
    assert 0.28 < share < 0.42
    storm = Faults(1, {"500": 1.0})
    assert [storm.strike(HISTORY, "/channels/1") for _ in range(4)] == ["500", "500", None, None]
    # A link signed anew is the same request.
    assert storm.strike("GET /attachments", "/a.png?ex=1a&is=2b&hm=3c") == "500"
    assert storm.strike("GET /attachments", "/a.png?ex=9a&is=8b&hm=7c") == "500"
    assert storm.strike("GET /attachments", "/a.png?ex=5a&is=6b&hm=7d") is None


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault is called"):
        Faults().plan("418")
    assert "slow" in KINDS


async def test_every_answer_carries_rate_limit_headers_and_via() -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, raw_client(sandbox) as api:
        for path in ("/users/@me", f"/channels/{rich.chat.id}/messages", "/channels/1", "/nowhere"):
            answer = await api.get(path)
            assert answer.headers["Via"] == "1.1 google"
            if path != "/nowhere":
                names = ("Limit", "Remaining", "Reset", "Reset-After", "Bucket")
                assert all(f"X-RateLimit-{name}" in answer.headers for name in names)


async def test_limits_are_counted_a_route_and_channel() -> None:
    rich = rich_world()
    limits = Limits(routes={HISTORY: Limit(2, 60.0)})
    async with open_sandbox(rich.world, limits=limits) as sandbox, raw_client(sandbox) as api:
        path = f"/channels/{rich.chat.id}/messages"
        left = [(await api.get(path)).headers["X-RateLimit-Remaining"] for _ in range(2)]
        assert left == ["1", "0"]
        refused = await api.get(path)
        assert (refused.status, refused.body["global"]) == (429, False)
        assert 0 < refused.body["retry_after"] <= 60
        assert (await api.get(f"/channels/{rich.post.id}/messages")).status == 200
        assert (await api.get(f"/channels/{rich.chat.id}")).status == 200


async def test_the_global_limit_is_over_all_routes_but_interactions() -> None:
    rich = rich_world()
    limits = Limits(everywhere=Limit(2, 60.0))
    async with open_sandbox(rich.world, limits=limits) as sandbox, raw_client(sandbox) as api:
        answers = [await api.get(path) for path in ("/users/@me", "/gateway", "/users/@me")]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[-1].body["global"]
        callback = await api.post("/interactions/1/token/callback", {"type": 5})
        assert callback.body["code"] == 10062


async def test_without_the_token_nothing_is_answered() -> None:
    async with open_sandbox(rich_world().world) as sandbox, raw_client(sandbox) as api:
        api.headers = {"Authorization": "Bot wrong"}
        answer = await api.get("/users/@me")
        assert (answer.status, answer.body["code"]) == (401, 0)
        assert (await api.get("/gateway")).status == 200


async def test_discord_py_lives_through_what_it_knows_to_repeat(connect: Connect) -> None:
    rich = rich_world()
    async with open_sandbox(rich.world) as sandbox, connect(sandbox) as bot:
        channel = bot.get_channel(rich.chat.id)
        assert isinstance(channel, discord.TextChannel)
        for kind in ("429", "429-global", "429-shared", "500"):
            sandbox.faults.plan(kind, HISTORY)
        assert [message async for message in channel.history(limit=5)]
        assert sandbox.record.counts[HISTORY] == 5
        sandbox.faults.plan("503", HISTORY)
        with pytest.raises(discord.DiscordServerError):
            _ = [message async for message in channel.history(limit=5)]
