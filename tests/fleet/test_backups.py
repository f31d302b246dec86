"""Backups in the storage: whole or not there, few, and put in place by one command with what was promised since."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import cli
from indexer.backup.make import make
from indexer.errors import RetryLater, StorageError
from indexer.fleet.backups import StoredBackups, restore_newest
from indexer.fleet.object_storage import Folder, open_storage
from indexer.records.ids import UserId
from tests.worlds.promising import authors, fill, folder, settings_of


def quietly(*_: object) -> None:
    """Nobody looks how far it is."""


def name_of(days_ago: float) -> str:
    at = datetime.now(UTC) - timedelta(days=days_ago)
    return f"afterimage-0-{at:%Y%m%dT%H%M%S%fZ}.tar.zst"


def backed_up(data_dir: Path, place: Path, days_ago: float = 0) -> Path:
    place.mkdir(exist_ok=True)
    made = place / name_of(days_ago)
    make(data_dir, made, lambda: None, quietly)
    return made


async def test_a_lost_machine_comes_back_by_one_command_with_what_was_promised_since(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, storage = tmp_path / "data", tmp_path / "storage"
    await fill(data, 3)
    async with folder(data, storage) as store:
        assert await store.backups.look() is not None
        await store.backups.put_elsewhere(3)
        await store.forget_user(UserId(1))
        assert await store.made_safe()
    shutil.rmtree(data)
    config = tmp_path / "config.toml"
    config.write_text(f'data_dir = "{data.as_posix()}"\n[fleet]\nstorage = "{storage.as_posix()}"\nname = "one"\n')
    assert await asyncio.to_thread(cli.main, ["restore", "--config", str(config), "--from-storage", "--quiet"]) == 0
    assert "holds" in capsys.readouterr().out
    async with folder(data, storage) as store:
        assert await authors(store) == {2, 3}


async def test_few_stay_and_what_was_cut_short_goes(tmp_path: Path) -> None:
    data, storage, place = tmp_path / "data", tmp_path / "storage", tmp_path / "place"
    storage.mkdir()
    await fill(data, 1)
    made = [backed_up(data, place, days) for days in (9, 2, 1, 0)]
    async with open_storage(str(storage)) as opened:
        backups = StoredBackups(opened, "one")
        await opened.upload(f"backups/one/{name_of(0.5)}", made[0])  # a kill came before it was called whole
        for at, file in enumerate(made):
            await backups.keep(file, 2 if at else 9)
        assert [stored.name for stored in await backups.stored()] == [made[3].name, made[2].name]
        assert len(await opened.names("backups/one")) == 4
        await backups.keep(made[3], 1)
        assert len(await opened.names("backups/one")) == 2


async def test_a_damaged_one_is_passed_over(tmp_path: Path) -> None:
    data, storage, place = tmp_path / "data", tmp_path / "storage", tmp_path / "place"
    storage.mkdir()
    await fill(data, 1)
    made = [backed_up(data, place, days) for days in (1, 0)]
    settings = settings_of(tmp_path / "new", storage)
    async with open_storage(str(storage)) as opened:
        with pytest.raises(StorageError, match="no backup of a folder named one"):
            await restore_newest(settings, quietly, replace=False)
        for file in made:
            await StoredBackups(opened, "one").keep(file, 3)
    newest = storage / "backups" / "one" / made[1].name
    newest.write_bytes(newest.read_bytes()[:-9])
    _, name = await restore_newest(settings, quietly, replace=False)
    assert name == made[0].name
    assert not list((tmp_path / "new").glob(".afterimage-*"))


async def test_an_upload_that_fails_costs_no_older_one_and_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, storage, place = tmp_path / "data", tmp_path / "storage", tmp_path / "place"
    storage.mkdir()
    await fill(data, 1)
    made = [backed_up(data, place, days) for days in (1, 0)]

    def full(*_: object) -> None:
        raise OSError(28, "No space left")

    async with open_storage(str(storage)) as opened:
        backups = StoredBackups(opened, "one")
        await backups.keep(made[0], 1)
        with monkeypatch.context() as patched:
            patched.setattr(Folder, "upload", full)
            with pytest.raises(RetryLater, match="No space"):
                await backups.keep(made[1], 1)
        assert [stored.name for stored in await backups.stored()] == [made[0].name]
        await backups.keep(made[1], 1)
        assert [stored.name for stored in await backups.stored()] == [made[1].name]


async def test_who_is_forgotten_by_command_is_in_no_backup_of_the_storage(tmp_path: Path) -> None:
    data, storage = tmp_path / "data", tmp_path / "storage"
    await fill(data, 2)
    async with folder(data, storage) as store:
        await store.backups.look()
        await store.backups.put_elsewhere(3)
        before = await StoredBackups(store.promises.storage, "one").stored() if store.promises else []
        await store.forget_user(UserId(1))
        assert await store.backups.renew() == 1
        after = await StoredBackups(store.promises.storage, "one").stored() if store.promises else []
    assert len(before) == len(after) == 1
    assert before != after
