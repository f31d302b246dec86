"""A storage creates a name once, whoever asks, and gives back whole files: a folder, and a server that speaks S3."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.errors import ConfigError, RetryLater
from indexer.fleet.object_storage import Folder, open_storage, require_create_only
from indexer.records.ids import UserId
from tests.worlds.promising import authors, fill, folder, opted_out
from tests.worlds.s3_server import s3_server


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    for name in ("s3fs", "moto", "flask"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is in the extra for benchmarks")
    with s3_server():
        yield "s3://afterimage"


@pytest.fixture(params=["folder", "s3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
    (tmp_path / "storage").mkdir()
    return str(tmp_path / "storage")


async def test_of_many_who_create_a_name_one_succeeds(address: str) -> None:
    async with open_storage(address) as one, open_storage(address) as two:
        await require_create_only(one)
        created = await asyncio.gather(
            *(storage.create(f"some/{name}", bytes([at])) for name in range(3) for at, storage in enumerate((one, two)))
        )
        assert sum(created) == 3
        for name in range(3):
            assert await two.read(f"some/{name}") == bytes([created[2 * name : 2 * name + 2].index(True)])
        assert await one.names("some") == ["0", "1", "2"]
        assert await one.names("none") == []
        assert await one.read("some/other") is None


async def test_files_come_back_as_they_were(address: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\0\1" * 3_000_000)
    async with open_storage(address) as storage:
        await storage.upload("backups/one", tmp_path / "file")
        await storage.download("backups/one", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()
        await storage.delete("backups/one")
        await storage.delete("backups/one")
        assert await storage.names("backups") == []


async def test_a_promise_outlives_its_folder(address: str, tmp_path: Path) -> None:
    await fill(tmp_path / "data", 2)
    async with folder(tmp_path / "data", address) as store:
        await store.forget_user(UserId(1))
        assert await store.made_safe()
    await fill(tmp_path / "other", 2)
    async with folder(tmp_path / "other", address) as store:
        assert await opted_out(store) == {(1, 0)}
        assert await authors(store) == {2}


async def test_a_storage_that_writes_over_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_over(self: Folder, name: str, data: bytes) -> bool:
        (tmp_path / name).write_bytes(data)
        return True

    monkeypatch.setattr(Folder, "create", write_over)
    async with open_storage(str(tmp_path)) as storage:
        with pytest.raises(ConfigError, match="If-None-Match"):
            await require_create_only(storage)


async def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    async with open_storage(str(tmp_path / "unmounted")) as storage:
        with pytest.raises(RetryLater, match="mount the disk"):
            await storage.create("some", b"")
    assert not (tmp_path / "unmounted").exists()
