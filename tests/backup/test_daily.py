"""The daily backup: when it is made, which ones go, and that nothing that goes wrong costs an older one or the bot."""

from __future__ import annotations

import asyncio
import logging
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.control.operations import upkeep
from indexer.backup import daily, own_process
from indexer.backup.backup_file import read_manifest
from indexer.backup.daily import NAME, DailyBackup
from indexer.backup.make import WORK_PREFIX
from indexer.backup.own_process import Order
from indexer.database.database import FILE_NAME, Database, open_database
from indexer.errors import RetryLater
from indexer.offline_store import open_store
from indexer.settings import BackupSettings, Settings, StorageSettings
from indexer.store import application
from indexer.supervisor import Faults, supervised
from tests.worlds.kept_folder import kept, rows
from tests.worlds.waiting import until


def settings(data_dir: Path, **backup: object) -> Settings:
    return Settings(data_dir=data_dir, backup=replace(BackupSettings(), **backup))  # type: ignore[arg-type]  # names of fields


@asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[Database]:
    await asyncio.to_thread(kept, tmp_path / "data")
    async with open_database(tmp_path / "data") as db:
        yield db


@pytest.fixture
def made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backups are made in this process, where theirs is not what is tested: it takes 0.3 s of a processor to start."""

    async def make(order: Order) -> int | None:
        return await asyncio.to_thread(own_process._make, order, lambda: None)

    monkeypatch.setattr(daily, "make_in_process", make)


async def change_something(db: Database, number: int) -> None:
    async with db.transaction() as tx:
        await tx.execute_fetchall("INSERT INTO deletions VALUES (?)", (number,))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def made_before(folder: Path, *days: float) -> None:
    """Makes the backups there so old, the oldest first."""
    for path, age in zip(files(folder), days, strict=True):
        moment = datetime.now(UTC) - timedelta(days=age)
        path.rename(path.with_name(f"afterimage-0-{moment.strftime('%Y%m%dT%H%M%S%fZ')}.tar.zst"))


async def test_one_a_day_where_something_has_changed_and_the_oldest_goes(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        folder, chosen = tmp_path / "data" / "backups", settings(tmp_path / "data", keep=2)
        assert await DailyBackup(db, chosen).look(new_folder_too=False) is None
        assert not folder.exists()
        assert await DailyBackup(db, chosen).look() is not None
        (first,) = files(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700 or sys.platform == "win32"
        assert stat.S_IMODE(first.stat().st_mode) == 0o600 or sys.platform == "win32"
        await change_something(db, 1)
        assert await DailyBackup(db, chosen).look() is None, "a day has not passed"
        made_before(folder, 1.1)
        backups = DailyBackup(db, chosen)
        assert await backups.look() is not None
        made_before(folder, 2.2, 1.1)
        unchanged = DailyBackup(db, chosen)
        assert await unchanged.look() is None
        assert len(files(folder)) == 2
        await change_something(db, 2)
        assert await unchanged.look() is None, "it looked a moment ago"
        (folder / "afterimage-77-20260101T000000000000Z.tar.zst").touch()  # of another bot
        (folder / "mine.tar.zst").touch()
        assert await DailyBackup(db, chosen).look() is not None
        assert len(files(folder)) == 4
        await backups.look()
        status = backups.status
        assert (status.keep, status.folder, status.newest > "2026", status.byte_count > 0) == (
            2,
            str(folder),
            True,
            True,
        )
        assert backups.newest_s is not None


@pytest.mark.usefixtures("made_here")
async def test_where_nothing_changes_age_removes_all_but_the_newest(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        folder, chosen = tmp_path / "data" / "backups", settings(tmp_path / "data")
        await DailyBackup(db, chosen).look()
        made_before(folder, 1.5)
        await change_something(db, 1)
        await DailyBackup(db, chosen).look()
        made_before(folder, 9, 8)
        newest = files(folder)[-1]
        await DailyBackup(db, chosen).look()
        assert files(folder) == [newest]


@pytest.mark.usefixtures("made_here")
async def test_those_from_before_a_folder_was_named_or_a_bot_was_known_go_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        own, disk = tmp_path / "data" / "backups", tmp_path / "disk"
        await DailyBackup(db, settings(tmp_path / "data")).look()
        made_before(own, 1.1)
        async with db.transaction() as tx:
            await application.claim(tx, 5, adopt=False)
        disk.mkdir()
        assert await DailyBackup(db, settings(tmp_path / "data", folder=disk, keep=1)).look() is not None
        assert files(own) == []
        (made,) = files(disk)
        assert made.name.startswith("afterimage-5-")


@pytest.mark.usefixtures("made_here")
async def test_one_from_a_time_to_come_keeps_no_other_from_being_made_or_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        folder, chosen = tmp_path / "data" / "backups", settings(tmp_path / "data", keep=1)
        await DailyBackup(db, chosen).look()
        made_before(folder, -400)  # the clock was wrong
        (wrong,) = files(folder)
        await change_something(db, 1)
        assert await DailyBackup(db, chosen).look() is not None
        (made,) = files(folder)
        assert made != wrong
        assert await DailyBackup(db, chosen).look() is None


@pytest.mark.usefixtures("made_here")
async def test_a_disk_with_backups_that_is_away_is_told_to_whoever_has_somebody_forgotten(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        disk, chosen = tmp_path / "disk", settings(tmp_path / "data", folder=tmp_path / "disk")
        disk.mkdir()
        backups = DailyBackup(db, chosen)
        assert await backups.renew() == 0, "there has been none"
        await backups.look()
        disk.rename(tmp_path / "elsewhere")
        disk.mkdir()  # where it was mounted
        with pytest.raises(RetryLater, match="still have what was deleted"):
            await backups.renew()
        disk.rmdir()
        with pytest.raises(RetryLater, match="still have what was deleted"):
            await DailyBackup(db, chosen).renew()


async def test_what_goes_wrong_costs_no_older_backup_and_does_not_end_the_bot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily, "LOOK_S", 0.01)
    monkeypatch.setattr(daily, "AGAIN_S", 0.01)
    monkeypatch.setattr(daily, "FIRST_S", 0.0)
    async with opened(tmp_path) as db:
        chosen = settings(tmp_path / "data", folder=tmp_path / "disk", keep=1)
        faults = Faults()
        running = asyncio.create_task(supervised(NAME, lambda: DailyBackup(db, chosen).run(faults), faults))
        await until(lambda: faults.count(NAME) > 1)
        assert "mount the disk" in next(iter(faults)).last
        assert not (tmp_path / "disk").exists(), "it would lie on the wrong disk"
        (tmp_path / "disk").mkdir()
        await until(lambda: bool(list((tmp_path / "disk").glob("*.zst"))) and faults.in_a_row(NAME) == 0)
        running.cancel()
        made_before(tmp_path / "disk", 5)
        before = files(tmp_path / "disk")
        full = replace(chosen, storage=StorageSettings(min_free_bytes=10**15))
        with pytest.raises(RetryLater, match="MB are free"):
            await DailyBackup(db, full).look()
        await change_something(db, 1)
        await db.checkpoint()
        ((root,),) = await asyncio.to_thread(
            rows, tmp_path / "data", "SELECT rootpage FROM sqlite_master WHERE name = 'messages_by_author'"
        )
    with (tmp_path / "data" / FILE_NAME).open("r+b") as file:
        file.seek((int(str(root)) - 1) * 4096)
        file.write(b"\x55" * 4096)
    async with open_database(tmp_path / "data") as db:
        with pytest.raises(RetryLater, match="damaged"):
            await DailyBackup(db, chosen).look()
    assert files(tmp_path / "disk") == before


async def test_one_that_is_stopped_in_the_middle_leaves_no_copy_of_messages(tmp_path: Path) -> None:
    async with opened(tmp_path) as db:
        making = asyncio.create_task(DailyBackup(db, settings(tmp_path / "data")).look())
        folder = tmp_path / "data" / "backups"
        await until(lambda: making.done() or list(folder.glob(f"{WORK_PREFIX}*")))
        making.cancel()
        await asyncio.wait({making})
        assert not list(folder.glob(f"{WORK_PREFIX}*"))


@pytest.mark.usefixtures("made_here")
async def test_switched_off_it_makes_none_and_says_that_old_ones_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(tmp_path) as db:
        await DailyBackup(db, settings(tmp_path / "data")).look()
        with caplog.at_level(logging.WARNING):
            await DailyBackup(db, settings(tmp_path / "data", keep=0)).run(Faults())
    assert "stay until you delete them" in caplog.text
    assert len(files(tmp_path / "data" / "backups")) == 1


@pytest.mark.usefixtures("made_here")
async def test_a_rewrite_that_somebody_asks_for_leaves_one_backup_without_what_was_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "backups"
    async with opened(tmp_path) as db:
        await DailyBackup(db, settings(tmp_path / "data")).look()
    made_before(folder, 0.5)
    async with open_store(settings(tmp_path / "data")) as store:
        async with store.db.transaction() as tx:
            await tx.execute_fetchall("DELETE FROM messages WHERE channel_id = 101")
            ((left,),) = await tx.execute_fetchall("SELECT count(*) FROM messages")
        done = await upkeep(store)["compact"]({}, lambda _: None)
    assert (done["rewritten"], done["backups"]) == (True, 1)
    (backup,) = files(folder)
    assert read_manifest(backup).counts["messages"] == left
