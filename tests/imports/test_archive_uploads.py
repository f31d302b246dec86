"""Uploads in parts: in any order, again, interrupted; bounded, and nothing stays of what nobody finished."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from indexer.database.database import Database
from indexer.errors import DiskFull, RetryLater, TellPerson
from indexer.imports import archive_uploads
from indexer.imports.archive_uploads import DRAFTS, EXPIRES_S, UPLOADS, ArchiveUploads, Upload
from indexer.platforms.files import write_at

PART = 1000
MOST = 10_000
DATA = bytes(range(250)) * 10  # two parts and a half


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def uploads(
    database: Database, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ArchiveUploads]:
    monkeypatch.setattr(archive_uploads, "PART_BYTES", PART)
    (tmp_path / "archives").mkdir()
    made = ArchiveUploads(database, tmp_path / "archives", MOST, 0, clock)
    yield made
    await made.clean()


def sums(data: bytes) -> list[int]:
    """The CRC-32 of each part of the file."""
    return [zlib.crc32(data[at : at + PART]) for at in range(0, len(data), PART)]


def part(number: int) -> bytes:
    return DATA[number * PART : (number + 1) * PART]


async def put(uploads: ArchiveUploads, upload: Upload, number: int, data: bytes | None = None) -> None:
    data = part(number) if data is None else data
    await uploads.put(upload, number, zlib.crc32(data), data)


async def refused(coming: Awaitable[object]) -> str:
    with pytest.raises(TellPerson) as error:
        await coming
    return error.value.sentence.key


async def noted(database: Database) -> list[str]:
    """What the audit log says was done."""
    async with database.reader() as connection:
        return [
            action for (action,) in await connection.execute_fetchall("SELECT action FROM audit_log ORDER BY rowid")
        ]


async def test_parts_in_any_order_and_twice_become_the_file(uploads: ArchiveUploads, tmp_path: Path) -> None:
    upload = await uploads.begin("export.zip", len(DATA))
    assert upload.part_count == 3
    for number in (2, 0, 2):
        await put(uploads, upload, number)
    assert await refused(uploads.finish(upload, sums(DATA))) == "upload-incomplete"
    await put(uploads, upload, 1)
    assert not (tmp_path / "archives" / "export.zip").exists()
    await uploads.finish(upload, sums(DATA))
    assert (tmp_path / "archives" / "export.zip").read_bytes() == DATA
    assert uploads.known() == []
    assert list((tmp_path / "archives" / DRAFTS).iterdir()) == []
    assert await refused(put(uploads, upload, 0)) == "upload-unknown"
    assert await refused(uploads.finish(upload, sums(DATA))) == "upload-unknown"


async def test_parts_of_another_file_of_the_same_name_and_size_never_become_mine(
    uploads: ArchiveUploads, tmp_path: Path
) -> None:
    upload, other = await uploads.begin("export.zip", len(DATA)), DATA[::-1]
    for number in range(3):
        await put(uploads, upload, number)
    await put(uploads, upload, 1, other[PART : 2 * PART])  # of somebody who goes on with "their" export.zip
    for given in (sums(DATA), sums(other), sums(DATA)[:2], []):
        assert await refused(uploads.finish(upload, given)) == "upload-other"
    assert not (tmp_path / "archives" / "export.zip").exists()
    await put(uploads, upload, 1)
    await uploads.finish(upload, sums(DATA))
    assert (tmp_path / "archives" / "export.zip").read_bytes() == DATA


async def test_a_part_that_is_not_what_it_says_is_not_kept(uploads: ArchiveUploads) -> None:
    upload = await uploads.begin("export.zip", len(DATA))
    assert await refused(uploads.put(upload, 0, zlib.crc32(part(0)) ^ 1, part(0))) == "upload-checksum"
    for number, data in ((3, b"x"), (-1, part(0)), (0, part(0)[1:]), (2, part(0)), (0, b"")):
        assert await refused(put(uploads, upload, number, data)) == "upload-part"
    assert upload.parts == {}


@pytest.mark.parametrize(("reason", "told"), [(errno.EIO, OSError), (errno.EDQUOT, DiskFull)])
async def test_a_part_that_is_sent_again_and_not_written_whole_is_not_there_any_more(
    uploads: ArchiveUploads, monkeypatch: pytest.MonkeyPatch, reason: int, told: type[Exception]
) -> None:
    upload = await uploads.begin("export.zip", len(DATA))
    await put(uploads, upload, 0)

    def broken(handle: int, data: bytes, offset: int) -> int:
        write_at(handle, data[:10], offset)
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(archive_uploads, "write_at", broken)
    with pytest.raises(told):
        await put(uploads, upload, 0, bytes(PART))
    assert upload.parts == {}


async def cancelled_in(monkeypatch: pytest.MonkeyPatch, step: str, asked: Coroutine[Any, Any, object]) -> None:
    """The request `asked` ends early: while this step of it, which blocks, is being done in its thread."""
    done, go, real = threading.Event(), threading.Event(), getattr(archive_uploads, step)

    def slow(*arguments: Any) -> Any:
        made = real(*arguments)
        done.set()
        go.wait()
        return made

    monkeypatch.setattr(archive_uploads, step, slow)
    asking = asyncio.create_task(asked)
    await asyncio.to_thread(done.wait)
    asking.cancel()
    await asyncio.sleep(0)  # the cancellation is raised while the thread still works
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_request_that_ends_while_its_draft_is_made_leaves_an_upload_and_no_file_without_one(
    uploads: ArchiveUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cancelled_in(monkeypatch, "_new_draft", uploads.begin("export.zip", 1))
    (upload,) = uploads.known()
    await put(uploads, upload, 0, b"x")
    await uploads.finish(upload, sums(b"x"))


async def test_a_request_that_ends_while_the_file_gets_its_name_leaves_the_file_and_no_upload(
    uploads: ArchiveUploads, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await uploads.begin("export.zip", 1)
    await put(uploads, upload, 0, b"x")
    await cancelled_in(monkeypatch, "_give_name", uploads.finish(upload, sums(b"x")))
    assert uploads.known() == []
    assert {path.name for path in (tmp_path / "archives").rglob("*")} == {DRAFTS, "export.zip"}
    assert await noted(database) == ["upload.begin", "upload.finish"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("link", [True, False])
async def test_drafts_lie_in_no_other_folder_and_where_none_can_be_made_that_is_said(
    uploads: ArchiveUploads, tmp_path: Path, link: bool
) -> None:
    drafts, elsewhere = tmp_path / "archives" / DRAFTS, tmp_path / "elsewhere"
    elsewhere.mkdir()
    if link:
        drafts.symlink_to(elsewhere, target_is_directory=True)
    else:
        drafts.touch()
    assert await refused(uploads.begin("export.zip", 1)) == "upload-folder"
    assert list(elsewhere.iterdir()) == []
    assert uploads.known() == []


async def test_a_file_that_is_there_is_never_replaced(uploads: ArchiveUploads, tmp_path: Path) -> None:
    upload = await uploads.begin("export.zip", 1)
    await put(uploads, upload, 0, b"x")
    (tmp_path / "archives" / "export.zip").write_text("of somebody else")
    assert await refused(uploads.finish(upload, sums(b"x"))) == "upload-exists"
    assert await refused(uploads.begin("export.zip", 1)) == "upload-exists"
    assert (tmp_path / "archives" / "export.zip").read_text() == "of somebody else"


@pytest.mark.parametrize("size", [0, -1, MOST + 1])
async def test_more_than_may_be_uploaded_is_not_begun(uploads: ArchiveUploads, size: int) -> None:
    assert await refused(uploads.begin("export.zip", size)) == "upload-too-large"


async def test_what_comes_at_once_is_bounded_together(
    uploads: ArchiveUploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await uploads.begin("1", MOST - 100)
    assert await refused(uploads.begin("2", 101)) == "upload-too-large"
    await uploads.cancel(first)
    many = [await uploads.begin(f"x{at}", 1) for at in range(UPLOADS)]
    assert await refused(uploads.begin("one too many", 1)) == "upload-too-large"
    assert await refused(uploads.begin("../out", 1)) == "upload-name"
    await uploads.cancel(many[0])
    monkeypatch.setattr(uploads, "_min_free_bytes", shutil.disk_usage(tmp_path).free * 2)
    assert await refused(uploads.begin("no room", 1)) == "upload-no-room"


async def test_few_parts_are_in_memory_at_once(uploads: ArchiveUploads) -> None:
    async with uploads.receiving(), uploads.receiving():
        with pytest.raises(RetryLater):
            async with uploads.receiving():
                pass
    async with uploads.receiving():
        pass


async def test_what_nobody_goes_on_with_expires(uploads: ArchiveUploads, clock: Clock, tmp_path: Path) -> None:
    left, kept = await uploads.begin("left", len(DATA)), await uploads.begin("kept", len(DATA))
    clock.now_s = EXPIRES_S - 1
    await put(uploads, kept, 0)
    clock.now_s = EXPIRES_S
    await uploads.expire()
    assert uploads.known() == [kept]
    assert [path.name for path in (tmp_path / "archives" / DRAFTS).iterdir()] == [str(kept.id)]
    with pytest.raises(TellPerson):
        uploads.get(left.id)


async def test_drafts_of_a_process_that_was_killed_go_at_the_next_start(
    uploads: ArchiveUploads, database: Database, tmp_path: Path
) -> None:
    await put(uploads, await uploads.begin("export.zip", len(DATA)), 0)
    await ArchiveUploads(database, tmp_path / "archives", MOST, 0).clean()
    assert list((tmp_path / "archives").iterdir()) == []


async def test_each_step_is_in_the_audit_log(uploads: ArchiveUploads, database: Database) -> None:
    upload = await uploads.begin("export.zip", 1)
    await put(uploads, upload, 0, b"x")
    await uploads.finish(upload, sums(b"x"))
    assert await refused(uploads.cancel(upload)) == "upload-unknown"
    await uploads.cancel(await uploads.begin("other.zip", 1))
    assert await noted(database) == ["upload.begin", "upload.finish", "upload.begin", "upload.cancel"]
