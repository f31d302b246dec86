"""A server goes into one file over HTTP: it is made in the background, fetched once, and nothing of it is left."""

from __future__ import annotations

import asyncio
import json
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.web.api import bundles
from indexer import bundle_exports
from indexer.bundle_exports import WORK_PREFIX, BundleExports
from indexer.bundles import bundle_file
from indexer.bundles.bundle_import import OpenBundle, open_bundle
from indexer.crawl.removals import ChannelDeleted, OptedOut
from indexer.errors import TellPerson
from indexer.imports import archive_imports
from indexer.imports.archive_folder import ArchiveFolder
from indexer.imports.archive_imports import ArchiveImports, ImportState
from indexer.records.ids import ChannelId, GuildId, UserId
from indexer.supervisor import Faults
from tests.web.api.test_archives import folder
from tests.worlds.api_world import ADMIN, READ, WRITE, ApiWorld
from tests.worlds.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("api bundles")]


async def made(api: ApiWorld, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """A bundle of the town, which is ready."""
    admin = await api.key(ADMIN)
    begun = await api.ask(f"{api.town}/bundles", method="POST", json=body or {}, key=admin, status=201)
    return await reached(api, begun["id"], "ready")


async def reached(api: ApiWorld, number: int, state: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def there() -> bool:
        listed = (await api.ask(f"{api.town}/bundles", key=await api.key(ADMIN)))["bundles"]
        found.update(next(bundle for bundle in listed if bundle["id"] == number))
        return bool(found["state"] == state)

    await until(there)
    return found


async def fresh(api: ApiWorld) -> dict[str, str]:
    """The header of a key that has all its tokens: these tests ask for much that is dear."""
    return {"Authorization": f"Bearer {await api.fresh_key(ADMIN)}"}


async def fetched(api: ApiWorld, number: int) -> tuple[aiohttp.ClientResponse, bytes]:
    async with api.http.get(f"{api.url}{api.town}/bundles/{number}/file", headers=await fresh(api)) as response:
        return response, await response.read()


def left(api: ApiWorld) -> list[Path]:
    """What lies in the data folder of bundles."""
    return list(api.bot.data_dir.glob(f"{WORK_PREFIX}*"))


async def test_a_server_is_in_one_file_which_is_fetched_once_and_then_gone(api: ApiWorld, tmp_path: Path) -> None:
    bundle = await made(api)
    assert (bundle["channels"], bundle["reason"]) == (None, "")
    response, data = await fetched(api, bundle["id"])
    assert (response.status, response.content_type, len(data)) == (200, "application/octet-stream", bundle["bytes"])
    assert response.headers["Content-Disposition"] == f'attachment; filename="{bundle["name"]}"'
    assert bundle["name"].startswith("town-2")
    (tmp_path / "town.zst").write_bytes(data)
    manifest = bundle_file.read_manifest(tmp_path / "town.zst")
    (guild,) = manifest.guilds
    assert (guild.id, guild.pictures > 5, manifest.channels) == (api.place.guild.id, True, None)
    gone = await reached(api, bundle["id"], "gone")
    assert (gone["reason"], left(api)) == ("It was fetched.", [])
    response, body = await fetched(api, bundle["id"])
    assert (response.status, json.loads(body)["error"]["code"]) == (409, "conflict")
    admin = await api.key(ADMIN)
    entries = (await api.ask("/api/v1/audit", key=admin))["entries"]
    for action in ("bundle.export", "bundle.fetch"):
        entry = next(entry for entry in entries if entry["action"] == action)
        assert entry["guild"] == str(api.place.guild.id)
        assert entry["key"]
        assert entry["request"]


async def test_only_the_channels_that_were_asked_for_go_along(api: ApiWorld, tmp_path: Path) -> None:
    talk = str(api.place.talk.id)
    bundle = await made(api, {"channels": [talk]})
    (tmp_path / "talk.zst").write_bytes((await fetched(api, bundle["id"]))[1])
    manifest = bundle_file.read_manifest(tmp_path / "talk.zst")
    assert (manifest.channels, manifest.guilds[0].channels) == ((api.place.talk.id,), 1)
    body = {"channels": [str(api.hidden.id)]}  # of another server
    refused = await api.ask(f"{api.town}/bundles", method="POST", json=body, key=await api.key(ADMIN), status=422)
    assert refused["error"]["code"] == "bad_question"


async def test_there_is_one_at_a_time_and_whoever_made_it_may_delete_it(api: ApiWorld) -> None:
    bundle, admin = await made(api), await api.key(ADMIN)
    elsewhere = f"/api/v1/guilds/{api.elsewhere.id}/bundles"
    for path in (f"{api.town}/bundles", elsewhere):
        assert (await api.ask(path, method="POST", json={}, key=admin, status=409))["error"]["code"] == "conflict"
    await api.ask(f"{elsewhere}/{bundle['id']}", method="DELETE", key=admin, status=404)
    await api.ask(f"{api.town}/bundles/{bundle['id']}", method="DELETE", key=admin)
    assert left(api) == []
    assert (await reached(api, bundle["id"], "gone"))["reason"] == "It was deleted."


async def test_what_nobody_fetches_is_deleted(api: ApiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_exports, "KEPT_S", 0.0)
    begun = await api.ask(f"{api.town}/bundles", method="POST", json={}, key=await api.key(ADMIN), status=201)
    gone = await reached(api, begun["id"], "gone")
    assert (gone["reason"], left(api)) == ("Nobody fetched it in time.", [])


async def test_what_must_be_forgotten_takes_the_bundle_along(api: ApiWorld) -> None:
    """Of another server, nothing of it can be in there."""
    bundle = await made(api)
    await api.service.removals.write_down(OptedOut(UserId(5), GuildId(api.elsewhere.id)))
    assert (await reached(api, bundle["id"], "ready"))["reason"] == ""
    await api.service.removals.write_down(OptedOut(UserId(5), GuildId(api.place.guild.id)))
    assert "forgotten" in (await reached(api, bundle["id"], "gone"))["reason"]
    assert left(api) == []


async def test_what_must_be_forgotten_is_not_sent_on_to_whoever_fetches_it_now(
    api: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "CHUNK", 1)
    bundle = await made(api)
    path = f"{api.url}{api.town}/bundles/{bundle['id']}/file"
    async with api.http.get(path, headers=await fresh(api)) as response:
        assert response.status == 200
        await response.content.readexactly(1)
        await api.service.removals.write_down(ChannelDeleted(ChannelId(5)))
        with pytest.raises(aiohttp.ClientError):
            await response.read()
    assert (await reached(api, bundle["id"], "gone"))["reason"].startswith("Something in it")
    entries = (await api.ask("/api/v1/audit", key=await api.key(ADMIN)))["entries"]
    fetches = [entry["detail"]["bundle"] for entry in entries if entry["action"] == "bundle.fetch"]
    assert bundle["id"] in fetches  # also of what broke off


async def test_bundles_are_told_live(api: ApiWorld) -> None:
    path = f"{api.url}{api.town}/bundles/events"
    async with asyncio.timeout(60), api.http.get(path, headers=await fresh(api)) as response:
        assert response.content_type == "text/event-stream"
        bundle = await made(api)
        while f'"id":{bundle["id"]},'.encode() not in await response.content.readline():
            pass
    await api.ask(f"{api.town}/bundles/{bundle['id']}", method="DELETE", key=await api.key(ADMIN))


async def test_without_room_on_the_disk_none_is_begun(api: ApiWorld) -> None:
    guild = await api.service.reports.guild(GuildId(api.place.guild.id))
    assert guild is not None
    async with asyncio.TaskGroup() as tasks:
        exports = BundleExports(api.service.db, api.bot.data_dir, 2**62, tasks, Faults())
        with pytest.raises(TellPerson) as refused:
            await exports.start(guild, None)
    assert refused.value.sentence.key == "bundle-no-room"
    assert exports.recent(guild.id) == []


async def test_only_who_may_see_every_server_takes_one_along(api: ApiWorld) -> None:
    """It holds who opted out everywhere, and deletions of any server."""
    for key in (await api.key(READ), await api.key(WRITE), await api.key(ADMIN, api.place.guild)):
        for method, path in (("GET", ""), ("POST", ""), ("GET", "/events"), ("GET", "/1/file"), ("DELETE", "/1")):
            refused = await api.ask(f"{api.town}/bundles{path}", method=method, json={}, key=key, status=403)
            assert refused["error"]["code"] == "forbidden"


async def uploaded(api: ApiWorld, name: str) -> None:
    """A bundle of the town, fetched, and brought into the folder for archives as an archive is."""
    _, data = await fetched(api, (await made(api))["id"])
    headers, crc32 = await fresh(api), f"{zlib.crc32(data):08x}"
    about = {"name": name, "bytes": len(data)}
    upload = await api.ask("/api/v1/uploads", method="POST", json=about, headers=headers, status=201)
    part = f"/api/v1/uploads/{upload['id']}/parts/0"
    sent = {**headers, "Content-Type": "application/octet-stream"}
    await api.ask(part, method="PUT", params={"crc32": crc32}, data=data, headers=sent)
    body = {"crc32": [crc32]}
    await api.ask(f"/api/v1/uploads/{upload['id']}/finish", method="POST", json=body, headers=headers)


async def imported(api: ApiWorld, body: dict[str, Any]) -> dict[str, Any]:
    """The import that this asks for, once it has ended."""
    headers = await fresh(api)
    begun = await api.ask("/api/v1/imports", method="POST", json=body, headers=headers, status=201)
    found: dict[str, Any] = {}

    async def over() -> bool:
        imports = (await api.ask("/api/v1/imports", headers=headers))["imports"]
        found.update(next(listed for listed in imports if listed["id"] == begun["id"]))
        return found["state"] not in ("looking", "storing")

    await until(over)
    return found


async def messages(api: ApiWorld) -> int:
    async with api.service.db.reader() as connection:
        ((count,),) = await connection.execute_fetchall("SELECT count(*) FROM messages")
    return int(count)


async def test_a_bundle_comes_in_by_upload_dry_run_and_confirmation(api: ApiWorld) -> None:
    await uploaded(api, "town.bundle.zst")
    whole = await messages(api)
    async with api.service.db.transaction() as tx:  # as if a former bot alone had read it
        ((lost,),) = await tx.execute_fetchall(
            "DELETE FROM messages WHERE message_id = (SELECT max(message_id) FROM messages WHERE guild_id = ?)"
            " RETURNING message_id",
            (api.place.guild.id,),
        )
    looked = await imported(api, {"path": "town.bundle.zst", "dry_run": True})
    bundle = looked["bundle"]
    assert (looked["state"], bundle["messages"], bundle["deleted"], bundle["asks"]) == ("done", 1, 0, True)
    assert [(guild["name"], guild["job"]) for guild in looked["guilds"]] == [("Town", None)]
    for body, reason in (({}, "gives this number"), ({"confirm": 5}, "You confirmed 5, and now 0")):
        refused = await imported(api, {"path": "town.bundle.zst", **body})
        assert (refused["state"], reason in refused["reason"]) == ("failed", True), refused
        assert await messages(api) == whole - 1
    done = await imported(api, {"path": "town.bundle.zst", "confirm": 0})
    assert (done["state"], done["bundle"]["messages"], done["reason"]) == ("done", 1, "")
    assert await messages(api) == whole
    hits = (await api.ask(f"{api.town}/search", params={"per_page": 50}))["hits"]
    assert str(lost) in {hit["message_id"] for hit in hits}
    entries = (await api.ask("/api/v1/audit", key=await api.key(ADMIN)))["entries"]
    (entry,) = [entry for entry in entries if entry["action"] == "bundle.import"]
    assert entry["key"]
    assert entry["request"]
    assert not list(api.bot.data_dir.glob(".afterimage-import-*"))


async def test_a_bundle_that_is_not_whole_changes_nothing_and_its_answer_names_no_folder(api: ApiWorld) -> None:
    await uploaded(api, "cut.bundle.zst")
    path = folder(api) / "cut.bundle.zst"
    path.write_bytes(path.read_bytes()[:-200])
    failed = await imported(api, {"path": "cut.bundle.zst", "confirm": 0})
    assert (failed["state"], "does not come in: " in failed["reason"]) == ("failed", True), failed
    assert str(folder(api).parent) not in json.dumps(failed)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_a_link_that_takes_a_bundles_place_while_it_is_looked_through_brings_nothing(
    api: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await uploaded(api, "swapped.bundle.zst")
    place = folder(api) / "swapped.bundle.zst"

    @asynccontextmanager
    async def open_and_swap(*arguments: Any, **more: Any) -> AsyncIterator[OpenBundle]:
        async with open_bundle(*arguments, **more) as bundle:
            place.unlink()
            place.symlink_to(api.bot.data_dir)
            yield bundle

    monkeypatch.setattr(archive_imports, "open_bundle", open_and_swap)
    failed = await imported(api, {"path": "swapped.bundle.zst", "confirm": 0})
    assert (failed["state"], failed["bundle"], "a link leads to it" in failed["reason"]) == ("failed", None, True)


async def test_a_bot_that_ends_does_not_wait_for_a_bundle_that_comes_in(api: ApiWorld) -> None:
    await uploaded(api, "slow.bundle.zst")
    async with asyncio.TaskGroup() as tasks:
        imports = ArchiveImports(api.service, ArchiveFolder(folder(api)), tasks)
        async with api.service.db.transaction():  # so that its first step waits
            begun = await imports.start("slow.bundle.zst", None, dry_run=False, confirm=0)
            await until(lambda: begun.state is ImportState.STORING)
            ending = tasks.create_task(imports.end())
            await asyncio.sleep(0)
        await ending
    assert begun.reason is not None
    assert (begun.state, begun.reason.key) == (ImportState.FAILED, "bundle-import-stopped")
    async with api.service.db.transaction() as tx:  # nothing of it is attached any more
        assert "bundle" not in {name for _, name, _ in await tx.execute_fetchall("PRAGMA database_list")}
