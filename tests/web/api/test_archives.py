"""Importing over HTTP: from the folder that the configuration names, and of a file that comes in parts."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import sys
import zipfile
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bot.texts.errors import english
from bot.web.api import archive_uploads, archives, job_events
from bot.web.api.api import OPERATIONS
from bot.web.api.archives import import_list
from bot.web.api.models.archives import ImportList
from bot.web.api.parts import Parts
from bot.web.api.refusals import refusal
from indexer.archives.export import open_export
from indexer.errors import ArchiveClosed, DiskFull, RetryLater, StorageError
from indexer.imports import archive_imports
from indexer.records.ids import GuildId
from indexer.store import jobs
from indexer.store.jobs import JobState, Scope, ScopeKind
from tests.worlds.api_world import ADMIN, WRITE, ApiWorld
from tests.worlds.exports import GUILD, document, picture_message
from tests.worlds.picture_files import picture
from tests.worlds.waiting import DEADLINE_S, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("api archives")]


def folder(api: ApiWorld) -> Path:
    return api.bot.data_dir.with_name("archives")


def export() -> bytes:
    """A .zip of an export with three pictures."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("export.json", document([picture_message(at, f"{at}.png") for at in range(3)]))
        for at in range(3):
            archive.writestr(f"{at}.png", picture(500 + at))
    return held.getvalue()


async def ended(api: ApiWorld, number: int) -> dict[str, Any]:
    """The import, once it is not looked through any more."""
    found: list[dict[str, Any]] = []

    async def over() -> bool:
        imports = (await api.ask("/api/v1/imports", key=await api.key(ADMIN)))["imports"]
        found[:] = [listed for listed in imports if listed["id"] == number]
        return bool(found[0]["state"] != "looking")

    await until(over)
    return found[0]


async def imported(api: ApiWorld, body: dict[str, Any]) -> dict[str, Any]:
    """The import that this asks for, once it is not looked through any more."""
    begun = await api.ask("/api/v1/imports", method="POST", json=body, key=await api.key(ADMIN), status=201)
    return await ended(api, begun["id"])


async def test_a_file_comes_in_parts_is_looked_through_and_imported(api: ApiWorld) -> None:
    admin, data = await api.key(ADMIN), export()
    about = {"name": "my export.zip", "bytes": len(data)}
    upload = await api.ask("/api/v1/uploads", method="POST", json=about, key=admin, status=201)
    assert (upload["parts"], upload["there"]) == (1, [])
    part = f"/api/v1/uploads/{upload['id']}/parts/0"
    headers = {"Content-Type": "application/octet-stream"}
    wrong = {"crc32": f"{zlib.crc32(data) ^ 1:08x}"}
    error = (await api.ask(part, method="PUT", params=wrong, data=data, headers=headers, key=admin, status=422))[
        "error"
    ]
    assert (error["code"], "checksum" in error["message"]) == ("bad_archive", True)
    right = {"crc32": f"{zlib.crc32(data):08x}"}
    upload = await api.ask(part, method="PUT", params=right, data=data, headers=headers, key=admin)
    assert upload["there"] == [{"part": 0, "crc32": right["crc32"]}]
    listed = await api.ask("/api/v1/archives", key=admin)
    assert about["name"] not in {entry["name"] for entry in listed["entries"]}
    finish = f"/api/v1/uploads/{upload['id']}/finish"
    error = (await api.ask(finish, method="POST", json={"crc32": [wrong["crc32"]]}, key=admin, status=422))["error"]
    assert (error["code"], "another file" in error["message"]) == ("bad_archive", True)
    await api.ask(finish, method="POST", json={"crc32": [right["crc32"]]}, key=admin)
    listed = await api.ask("/api/v1/archives", key=admin)
    (entry,) = [entry for entry in listed["entries"] if entry["name"] == about["name"]]
    assert (entry["folder"], entry["bytes"]) == (False, len(data))
    assert not [entry for entry in listed["entries"] if entry["name"][0] == "."]  # drafts are hidden

    tried = {"path": "my export.zip", "dry_run": True}
    looked = await imported(api, tried)
    assert looked["state"] == "done", looked
    (guild,) = looked["guilds"]
    assert (guild["id"], guild["messages"], guild["saved"], guild["job"]) == (str(GUILD), 3, 3, None)
    assert str(GUILD) not in [known["id"] for known in (await api.ask("/api/v1/guilds"))["guilds"]]

    done = await imported(api, {**tried, "dry_run": False})
    (guild,) = done["guilds"]

    async def found() -> bool:
        hits = (await api.ask(f"/api/v1/guilds/{GUILD}/search"))["hits"]
        return len(hits) == 3

    await until(found)
    jobs = (await api.ask(f"/api/v1/guilds/{GUILD}/jobs"))["jobs"]
    assert [(job["id"], job["imported"]) for job in jobs] == [(guild["job"], True)]
    entries = (await api.ask("/api/v1/audit", key=admin))["entries"]
    assert {"upload.begin", "upload.finish", "reindex.start"} <= {entry["action"] for entry in entries}
    entry = next(entry for entry in entries if entry["action"] == "archive.import")
    assert f"afterimage_{entry['key']}_" in admin
    assert entry["request"]


@pytest.mark.parametrize("path", ["", "..", "../data", "/etc", "nowhere", ".afterimage-uploads", "link"])
async def test_nothing_outside_of_the_folder_is_imported(api: ApiWorld, path: str) -> None:
    link = folder(api) / "link"
    if not link.is_symlink():
        link.symlink_to(api.bot.data_dir)
    admin = await api.key(ADMIN)
    body = {"path": path, "dry_run": True}
    error = (await api.ask("/api/v1/imports", method="POST", json=body, key=admin, status=422))["error"]
    assert error["code"] == "bad_archive"
    if path:
        error = (await api.ask("/api/v1/archives", params={"path": path}, key=admin, status=422))["error"]
        assert error["code"] == "bad_archive"


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
async def test_a_link_that_takes_an_archives_place_while_it_is_looked_through_is_not_imported(
    api: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, name = folder(api) / "swapped.zip", "swapped.zip"
    place.write_bytes(export())

    def open_and_swap(*arguments: Any) -> Any:
        opened = open_export(*arguments)
        place.unlink()
        place.symlink_to(api.bot.data_dir)
        return opened

    monkeypatch.setattr(archive_imports, "open_export", open_and_swap)
    found = await imported(api, {"path": name})
    assert (found["state"], "a link leads to it" in found["reason"]) == ("failed", True)
    assert [guild["job"] for guild in found["guilds"]] == [None]


def nameless(data_dir: Path) -> int:
    """How many open files of the data folder have no name."""
    names = []
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the handle of this listing
            names.append(str(handle.readlink()))
    return sum(name.startswith(f"{data_dir}{os.sep}") and name.endswith("(deleted)") for name in names)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells")
async def test_of_an_archive_that_was_only_looked_through_no_messages_stay_on_the_disk(api: ApiWorld) -> None:
    (folder(api) / "looked.zip").write_bytes(export())
    gc.collect()
    before = nameless(api.bot.data_dir)
    found = await imported(api, {"path": "looked.zip", "dry_run": True})
    gc.collect()
    assert (found["state"], found["guilds"][0]["messages"]) == ("done", 3)
    assert nameless(api.bot.data_dir) <= before


async def test_what_is_no_archive_is_told_as_such(api: ApiWorld) -> None:
    (folder(api) / "letter").mkdir(exist_ok=True)
    (folder(api) / "letter" / "letter.txt").write_text("Dear diary")
    found = await imported(api, {"path": "letter"})
    assert (found["state"], "needs a name" in found["reason"]) == ("failed", True)


async def test_a_folder_of_pictures_comes_in_under_its_name(api: ApiWorld) -> None:
    (folder(api) / "photos").mkdir(exist_ok=True)
    (folder(api) / "photos" / "cat.png").write_bytes(picture(700))
    found = await imported(api, {"path": "photos", "name": "Holidays"})
    assert (found["collection"], [guild["name"] for guild in found["guilds"]]) == (True, ["Holidays"])


async def test_an_answer_names_files_below_the_folder_and_never_where_that_lies(api: ApiWorld) -> None:
    """What cannot be read, an archive that waits for the server's job, and a failure of the disk."""
    broken = folder(api) / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "cut.zip").write_bytes(export()[:100])
    found = await imported(api, {"path": "broken", "dry_run": True})
    assert [problem["file"] for problem in found["problems"]] == ["broken/cut.zip"]
    town = {"id": str(api.place.guild.id), "name": "Town"}
    (folder(api) / "town.json").write_bytes(document([picture_message(0, "gone.png")], guild=town))
    async with api.service.db.transaction() as tx:
        job_id = await jobs.create(tx, GuildId(api.place.guild.id), Scope(ScopeKind.SERVER))
        await jobs.set_state(tx, job_id, JobState.PAUSED)
    busy = await imported(api, {"path": "town.json"})
    await api.ask(f"{api.town}/jobs/{job_id}/cancel", method="POST", key=await api.key(WRITE))
    assert (busy["state"], "Town" in busy["reason"], "town.json waits" in busy["reason"]) == ("failed", True, True)
    operation = next(operation for operation in OPERATIONS if operation.name == "search")
    for error in (DiskFull(f"No room for {folder(api)}."), StorageError(f"{folder(api)} is damaged."), RetryLater("x")):
        answer = refusal(error, operation)
        assert (answer.status, answer.code, str(folder(api)) in answer.message) == (503, "busy", False)
    gone = ArchiveClosed(folder(api) / "town.json")
    assert str(folder(api)) in str(gone)  # in the log
    assert str(folder(api).parent) not in json.dumps([found, busy]) + english(gone)


async def test_imports_are_told_live(api: ApiWorld) -> None:
    headers = {"Authorization": f"Bearer {await api.fresh_key(ADMIN)}"}
    async with (
        asyncio.timeout(DEADLINE_S),
        api.http.get(f"{api.url}/api/v1/imports/events", headers=headers) as response,
    ):
        assert response.content_type == "text/event-stream"
        assert await response.content.readline() == b"event: imports\n"
        line = await response.content.readline()
    assert "imports" in json.loads(line.removeprefix(b"data: "))


async def test_while_nothing_changes_nothing_is_put_into_words_again(
    api: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[ImportList] = []

    async def list_and_count(parts: Parts) -> ImportList:
        told.append(await import_list(parts))
        return told[-1]

    (folder(api) / "letter").mkdir(exist_ok=True)
    monkeypatch.setattr(job_events, "LOOK_S", 0.01)
    monkeypatch.setattr(archives, "import_list", list_and_count)
    headers = {"Authorization": f"Bearer {await api.fresh_key(ADMIN)}"}
    async with asyncio.timeout(60), api.http.get(f"{api.url}/api/v1/imports/events", headers=headers) as response:
        while await response.content.readline() != b": alive\n":
            pass  # it has looked ten times
        assert len(told) == 1
        begun = await api.ask(
            "/api/v1/imports", method="POST", json={"path": "letter"}, key=await api.key(ADMIN), status=201
        )
        while f'"id":{begun["id"]},'.encode() not in await response.content.readline():
            pass
    await ended(api, begun["id"])


async def test_a_part_that_does_not_say_how_long_it_is_is_read_no_further_than_a_part_is_long(
    api: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_uploads, "PART_BYTES", 1000)
    admin, about = await api.key(ADMIN), {"name": "long.zip", "bytes": 2000}
    upload = await api.ask("/api/v1/uploads", method="POST", json=about, key=admin, status=201)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield bytes(500)

    part = f"/api/v1/uploads/{upload['id']}/parts/0?crc32=00000000"
    headers = {"Content-Type": "application/octet-stream"}
    refused = await api.ask(part, method="PUT", data=pieces(), headers=headers, key=admin, status=413)
    assert (refused["error"]["code"], refused["error"]["details"]) == ("too_large", {"most": 1000})
    await api.ask(f"/api/v1/uploads/{upload['id']}", method="DELETE", key=admin)


async def test_only_who_may_see_every_server_imports(api: ApiWorld) -> None:
    for key in (await api.key(WRITE), await api.key(ADMIN, api.place.guild)):
        for path in ("/api/v1/archives", "/api/v1/imports", "/api/v1/uploads"):
            assert (await api.ask(path, key=key, status=403))["error"]["code"] == "forbidden"
