"""Servers, channels, failures, jobs, duplicates, thumbnails, and the state of the bot."""

from __future__ import annotations

import asyncio
import io
import json
from contextlib import AsyncExitStack

import aiohttp
import pytest
from PIL import Image

from bot.web.api.job_events import STREAMS_OF_A_KEY
from indexer.errors import Reason
from indexer.records.ids import ChannelId, GuildId, PlaceId, UserId
from indexer.sentence import Sentence
from indexer.store import channels, opt_outs, places
from sandbox.world import File
from tests.worlds.api_world import ADMIN, READ, WRITE, ApiWorld
from tests.worlds.picture_files import encoded
from tests.worlds.running_bot import noise
from tests.worlds.waiting import DEADLINE_S, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("api resources")]


async def test_the_servers_are_listed_with_what_is_stored_of_them(api: ApiWorld) -> None:
    found = {guild["name"]: guild for guild in (await api.ask("/api/v1/guilds"))["guilds"]}
    assert found["Town"]["ready"] >= 8
    assert (found["Elsewhere Society"]["ready"], found["Elsewhere Society"]["messages"]) == (3, 3)
    assert found["Town"]["id"] == str(api.place.guild.id)


async def test_each_channel_says_how_far_it_is_read_and_why_it_is_not(api: ApiWorld) -> None:
    async with api.service.db.transaction() as tx:
        await channels.park(tx, ChannelId(api.place.talk.id), Sentence("closed-view", {"channel": "talk"}))
    found = {channel["name"]: channel for channel in (await api.ask(f"{api.town}/channels"))["channels"]}
    async with api.service.db.transaction() as tx:  # what is posted in a parked channel is not stored
        await channels.unpark(tx, ChannelId(api.place.talk.id))
    assert (found["pictures"]["ready"], found["pictures"]["read"], found["pictures"]["parked"]) == (6, 1.0, None)
    assert found["talk"]["parked"] == "Channel talk: the bot lacks View Channel."


async def test_what_failed_is_listed_with_its_reason_and_retried(api: ApiWorld) -> None:
    (hit,) = (await api.ask(f"{api.town}/search", params={"q": "in:#secret count:1"}))["hits"]
    async with api.service.db.transaction() as tx:
        await tx.execute_fetchall("UPDATE places SET state = 'pending' WHERE place_id = ?", (hit["place"],))
        assert await places.failed(tx, PlaceId(int(hit["place"])), Reason.CORRUPT)
    found = await api.ask(f"{api.town}/failures")
    assert (found["total"], found["more"]) == (1, False)
    (failure,) = found["failures"]
    assert (failure["reason"], failure["channel_name"], failure["message"]) == ("corrupt", "secret", hit["message_id"])
    assert failure["sentence"] == "The picture is damaged and cannot be read."
    author = UserId(int(hit["author_id"]))
    for guild_id in (GuildId(0), GuildId(api.place.guild.id)):  # 0: everywhere; opted out, nothing deleted yet
        async with api.service.db.transaction() as tx:
            await opt_outs.add(tx, author, guild_id)
        found = await api.ask(f"{api.town}/failures")
        assert (found["total"], found["failures"]) == (0, [])
        async with api.service.db.transaction() as tx:
            await opt_outs.remove(tx, author, guild_id)
    assert (await api.ask(f"{api.town}/failures?reason=corrupt"))["total"] == 1
    assert (await api.ask(f"{api.town}/failures?reason=too-slow"))["total"] == 0
    assert (await api.ask(f"{api.town}/failures?reason=sorry", status=400))["error"]["code"] == "bad_request"
    key = await api.key(WRITE)
    retry = f"{api.town}/failures/retry"
    assert await api.ask(f"{retry}?reason=too-slow", method="POST", key=key) == {"places": 0}
    assert await api.ask(f"{retry}?reason=corrupt", method="POST", key=key) == {"places": 1}

    async def searchable() -> bool:
        hits = (await api.ask(f"{api.town}/search", params={"q": "in:#secret"}))["hits"]
        return hit["place"] in {found["place"] for found in hits}

    await until(searchable)


async def test_duplicates_are_led_by_the_first_post(api: ApiWorld) -> None:
    again = api.place.talk.post(api.place.owner.user, "seen this?", files=[noise(5)])

    async def there() -> bool:
        return bool((await api.ask(f"{api.town}/search", params={"q": "in:#talk"}))["hits"])

    await until(there)
    found = await api.ask(f"{api.town}/duplicates?threshold=1")
    (group,) = found["groups"]
    assert (group["first"]["text"], group["copies"]) == ("picture number 5", 1)
    assert [post["message_id"] for post in group["others"]] == [str(again.id)]
    assert (found["found"], found["more"]) == (1, False)


async def test_a_thumbnail_is_small_whole_and_asked_for_anew_each_time(api: ApiWorld) -> None:
    wide = Image.linear_gradient("L").resize((600, 150))
    posted = api.place.talk.post(api.place.owner.user, "wide", files=[File.of("wide.png", encoded(wide, "PNG"))])

    async def found() -> list[str]:
        hits = (await api.ask(f"{api.town}/search", params={"q": "in:#talk"}))["hits"]
        return [hit["thumbnail"] for hit in hits if hit["text"] == "wide"]

    await until(found)
    (path,) = await found()
    headers = {"Authorization": f"Bearer {await api.key()}"}
    async with api.http.get(api.url + path, headers=headers) as response:
        assert (response.status, response.content_type) == (200, "image/webp")
        assert response.headers["Cache-Control"] == "private, no-cache"
        tag, body = response.headers["ETag"], await response.read()
    with Image.open(io.BytesIO(body)) as image:
        assert image.size == (128, 32)  # as large as the copy that Discord gave for this small model
        assert image.convert("L").getextrema() == pytest.approx((0, 255), abs=12)  # nothing is cut off, nothing padded
    async with api.http.get(api.url + path, headers={**headers, "If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")
    posted.delete()

    async def gone() -> bool:
        return not await found()

    await until(gone)
    async with api.http.get(api.url + path, headers={**headers, "If-None-Match": tag}) as response:
        assert response.status == 404  # although a copy is remembered


async def test_an_author_who_opted_out_has_no_thumbnails_from_the_wish_on(api: ApiWorld) -> None:
    """Their messages are deleted in steps; a path that somebody kept shows nothing meanwhile."""
    (hit,) = (await api.ask(f"{api.town}/search", params={"q": "in:#pictures count:1"}))["hits"]
    headers = {"Authorization": f"Bearer {await api.key()}"}

    async def status() -> int:
        async with api.http.get(api.url + hit["thumbnail"], headers=headers) as response:
            return response.status

    assert await status() == 200
    for guild_id in (GuildId(0), GuildId(api.place.guild.id)):  # 0: everywhere
        async with api.service.db.transaction() as tx:
            await opt_outs.add(tx, UserId(int(hit["author_id"])), guild_id)
        assert await status() == 404
        async with api.service.db.transaction() as tx:
            await opt_outs.remove(tx, UserId(int(hit["author_id"])), guild_id)
    assert await status() == 200


async def test_a_job_is_started_watched_and_changed(api: ApiWorld) -> None:
    key = await api.key(WRITE)
    job = await api.ask(f"{api.town}/jobs", method="POST", json={"scope": "server"}, key=key, status=201)

    async def done() -> bool:
        newest = (await api.ask(f"{api.town}/jobs"))["jobs"][0]
        return (newest["id"], newest["state"]) == (job["id"], "done")

    await until(done)
    error = (await api.ask(f"{api.town}/jobs/{job['id']}/cancel", method="POST", key=key, status=409))["error"]
    assert error["code"] == "conflict"
    entries = (await api.ask("/api/v1/audit", key=await api.key(ADMIN)))["entries"]
    assert ("reindex.start", job["id"]) in {(entry["action"], entry["detail"].get("job")) for entry in entries}


async def test_a_server_that_nobody_allowed_is_not_read_because_a_key_says_so(api: ApiWorld) -> None:
    key, guild_id = await api.key(WRITE), GuildId(api.elsewhere.id)
    async with api.service.db.transaction() as tx:
        await tx.execute_fetchall("UPDATE guilds SET consent = 0 WHERE guild_id = ?", (guild_id,))
    path = f"/api/v1/guilds/{guild_id}/jobs"
    error = (await api.ask(path, method="POST", json={"scope": "server"}, key=key, status=409))["error"]
    assert "/reindex start" in error["message"]
    assert guild_id not in await api.service.consented()


@pytest.mark.parametrize(
    "body", [{"scope": "channel"}, {"scope": "server", "channel": "1"}, {"scope": "all"}, {"x": 1}]
)
async def test_a_job_that_cannot_be_meant_is_refused(api: ApiWorld, body: dict[str, object]) -> None:
    error = (await api.ask(f"{api.town}/jobs", method="POST", json=body, key=await api.key(WRITE), status=400))["error"]
    assert error["code"] == "bad_request"


async def test_jobs_are_told_live_whenever_they_change(api: ApiWorld) -> None:
    headers = {"Authorization": f"Bearer {await api.fresh_key(READ)}"}
    async with asyncio.timeout(DEADLINE_S), api.http.get(f"{api.url}{api.town}/jobs/events", headers=headers) as stream:
        assert stream.content_type == "text/event-stream"
        assert stream.headers["X-Content-Type-Options"] == "nosniff"
        assert stream.headers["X-Request-Id"]
        before = len(await _told(stream.content))
        job = await api.service.jobs.start(GuildId(api.place.guild.id))
        while True:
            jobs = await _told(stream.content)
            if jobs[0]["id"] == job.id and jobs[0]["state"] == "done":
                break
    assert len(jobs) == before + 1


async def test_a_key_watches_jobs_a_few_times_at_once_and_leaves_room_for_others(api: ApiWorld) -> None:
    _, key = await api.service.api_keys.create("watches", READ)
    path, headers = f"{api.town}/jobs/events", {"Authorization": f"Bearer {key}"}
    async with AsyncExitStack() as streams:
        for _ in range(STREAMS_OF_A_KEY):
            stream = await streams.enter_async_context(api.http.get(api.url + path, headers=headers))
            assert stream.status == 200
        assert (await api.ask(path, key=key, status=503))["error"]["code"] == "busy"
        headers = {"Authorization": f"Bearer {await api.key()}"}
        async with api.http.get(api.url + path, headers=headers) as stream:
            assert stream.status == 200


async def _told(stream: aiohttp.StreamReader) -> list[dict[str, object]]:
    """The jobs of the next event."""
    while True:
        line = await stream.readline()
        if line.startswith(b"data: "):
            jobs: list[dict[str, object]] = json.loads(line[6:])["jobs"]
            return jobs


async def test_the_state_of_the_bot_and_its_settings_hold_no_secret(api: ApiWorld) -> None:
    key = await api.key(ADMIN)
    status = await api.ask("/api/v1/status", key=key)
    assert (status["version"], status["gateway"], status["model"]["name"]) == ("1.2.3", "connected", "in-test")
    assert status["disk_bytes"] > status["disk_free_bytes"] > 0
    settings = {
        setting["key"]: setting["value"] for setting in (await api.ask("/api/v1/settings", key=key))["settings"]
    }
    assert settings["discord.token"] == "<hidden>"
    assert api.bot.sandbox.token not in json.dumps([status, settings])
