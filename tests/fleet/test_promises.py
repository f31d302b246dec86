"""A promise that was called done holds after the machine is lost: restored from any backup, the journal is replayed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from indexer.backup.make import make
from indexer.backup.restore import restore
from indexer.database.database import open_database
from indexer.errors import StorageError
from indexer.records.hits import Filter
from indexer.records.ids import GuildId, UserId
from indexer.store import guilds, promises
from tests.soak import tries
from tests.worlds import killed_promises, records
from tests.worlds.forked import as_command, forking
from tests.worlds.killed_promises import AUTHORS
from tests.worlds.promising import authors, come_back, fill, folder, opted_out
from tests.worlds.waiting import DEADLINE_S


def back_up(data_dir: Path, file: Path) -> None:
    make(data_dir, file, lambda: None, lambda *_: None)


def lose(data_dir: Path, backup: Path, *, replace: bool = False) -> None:
    """The folder is gone with its machine; the backup takes its place."""
    if not replace:
        shutil.rmtree(data_dir)
    restore(data_dir, backup, lambda: None, lambda *_: None, replace=replace)


def kinds(storage: Path) -> list[str]:
    return [json.loads(path.read_bytes())["kind"] for path in sorted((storage / "promises").glob("0*.json"))]


async def test_what_was_promised_after_the_backup_holds_after_a_restore(tmp_path: Path) -> None:
    data, storage, backup = tmp_path / "data", tmp_path / "storage", tmp_path / "b.tar"
    await fill(data, 4)
    async with folder(data, storage) as store:
        await store.forget_user(UserId(4))
        assert await store.made_safe()
    back_up(data, backup)
    async with folder(data, storage) as store:
        await store.forget_user(UserId(1))
        await store.forget_user(UserId(2), records.GUILD)
        await come_back(store, 4)
        meant = await store.deletions.meant(
            records.GUILD, Filter(frozenset({records.CHANNEL}), authors=frozenset({UserId(3)}))
        )
        assert await store.deletions.delete(records.GUILD, meant) == 2
        assert await store.made_safe()
    lose(data, backup)
    async with folder(data, storage) as store:
        assert await opted_out(store) == {(1, 0), (2, records.GUILD)}
        assert await authors(store) == set()
        assert store.promises is not None
        assert store.promises.status.waiting == 0
    assert kinds(storage) == ["consented", "opted-out", "opted-out", "opted-out", "returned", "deleted"]


async def test_an_opt_out_everywhere_holds_in_every_folder(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    for name in ("one", "two"):
        await fill(tmp_path / name, 2)
    async with folder(tmp_path / "two", storage, "two") as two, folder(tmp_path / "one", storage, "one") as one:
        await one.forget_user(UserId(1))
        assert await one.made_safe()
        assert await authors(two) == {1, 2}
        assert two.promises is not None
        await two.promises.exchange()
        assert await opted_out(two) == {(1, 0)}
        assert await authors(two) == {2}
        await come_back(two, 1)
        assert await two.made_safe()
        assert await one.made_safe()
        assert await opted_out(one) == set()


async def test_who_came_back_before_a_folder_heard_of_it_was_forgotten_there_too(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    await fill(tmp_path / "two", 2)
    async with folder(tmp_path / "two", storage, "two"):
        pass
    async with folder(tmp_path / "one", storage, "one") as one:
        await one.forget_user(UserId(1))
        await come_back(one, 1)
        assert await one.made_safe()
    async with folder(tmp_path / "two", storage, "two") as two:
        assert await opted_out(two) == set()
        assert await authors(two) == {2}


async def test_what_one_folder_decides_of_its_servers_changes_no_other(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    for name in ("one", "two"):
        await fill(tmp_path / name, 2)
    async with folder(tmp_path / "one", storage, "one") as one:
        await one.forget_guild(records.GUILD)
        assert await one.made_safe()
    async with folder(tmp_path / "two", storage, "two") as two:
        assert await authors(two) == {1, 2}


async def test_consent_is_given_withdrawn_and_given_again_after_a_restore(tmp_path: Path) -> None:
    data, storage, backup = tmp_path / "data", tmp_path / "storage", tmp_path / "b.tar"
    await fill(data, 2)
    async with folder(data, storage):
        pass
    back_up(data, backup)
    async with folder(data, storage) as store:
        await store.forget_guild(records.GUILD)
        assert await store.made_safe()
    lose(data, backup)
    async with folder(data, storage) as store:
        assert await authors(store) == set()
        async with store.db.reader() as connection:
            assert await guilds.consented(connection) == []
        assert await store.made_safe()
    before = kinds(storage)
    assert before[-2:] == ["withdrawn", "forgotten"]
    async with folder(data, storage) as store:
        await records.settle(store.db)
        assert await store.made_safe()
    assert kinds(storage) == [*before, "consented"]  # what was replayed is not told again
    lose(data, backup)
    async with folder(data, storage) as store:
        async with store.db.reader() as connection:
            assert await guilds.consented(connection) == [records.GUILD]
        assert await authors(store) == set()


async def test_what_was_taken_back_may_come_back_after_a_restore(tmp_path: Path) -> None:
    data, storage, backup = tmp_path / "data", tmp_path / "storage", tmp_path / "b.tar"
    await fill(data, 1)
    async with folder(data, storage) as store:
        meant = await store.deletions.meant(records.GUILD, Filter(frozenset({records.CHANNEL})))
        await store.deletions.delete(records.GUILD, meant)
        assert await store.made_safe()
    back_up(data, backup)
    async with folder(data, storage) as store:
        assert await store.deletions.take_back([records.CHANNEL], records.GUILD, 0, 2**62) == 2
        assert await store.made_safe()
    lose(data, backup)
    async with folder(data, storage) as store, store.db.reader() as connection:
        assert await connection.execute_fetchall("SELECT * FROM deleted_here") == []


async def test_a_storage_that_is_away_refuses_nobody_and_is_told_later(tmp_path: Path) -> None:
    data, storage, away = tmp_path / "data", tmp_path / "storage", tmp_path / "away"
    await fill(data, 2)
    async with folder(data, storage) as store:
        storage.rename(away)
        assert await store.forget_user(UserId(1)) == 2
        assert not await store.made_safe()
        assert store.promises is not None
        assert store.promises.status.waiting == 1
        away.rename(storage)
        assert await store.made_safe()
        assert store.promises.status.waiting == 0
    assert kinds(storage)[-1] == "opted-out"


async def test_a_folder_that_was_never_behind_starts_without_the_storage_and_a_restored_one_does_not(
    tmp_path: Path,
) -> None:
    data, storage, backup = tmp_path / "data", tmp_path / "storage", tmp_path / "b.tar"
    await fill(data, 1)
    async with folder(data, storage):
        pass
    back_up(data, backup)
    storage.rename(tmp_path / "away")
    from indexer.offline_store import open_store
    from tests.worlds.promising import settings_of

    async with open_store(settings_of(data, storage)) as store:
        await store.forget_user(UserId(1))
        assert not await store.made_safe()
    lose(data, backup)
    with pytest.raises(StorageError, match="was restored"):
        async with open_store(settings_of(data, storage)):
            pass
    (tmp_path / "away").rename(storage)
    async with open_store(settings_of(data, storage)) as store:
        assert await authors(store) == {1}


async def test_what_waited_when_an_older_backup_was_restored_over_it_is_not_lost(tmp_path: Path) -> None:
    data, storage, backup = tmp_path / "data", tmp_path / "storage", tmp_path / "b.tar"
    await fill(data, 3)
    async with folder(data, storage) as store:
        await store.forget_user(UserId(3))
        assert await store.made_safe()
    back_up(data, backup)
    async with folder(data, storage) as store:
        storage.rename(tmp_path / "away")
        await store.forget_user(UserId(1))
        await come_back(store, 3)
        assert not await store.made_safe()
    (tmp_path / "away").rename(storage)
    lose(data, backup, replace=True)
    async with folder(data, storage) as store:
        assert await opted_out(store) == {(1, 0)}
        assert await authors(store) == {2}
        assert store.promises is not None
        assert store.promises.status.waiting == 0
    assert sorted(kinds(storage)) == ["consented", "opted-out", "opted-out", "returned"]


async def test_a_record_that_was_created_and_not_noted_is_met_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, storage = tmp_path / "data", tmp_path / "storage"
    await fill(data, 2)

    class Ended(Exception):
        """As a kill between the two."""

    async def never(*_: object) -> None:
        raise Ended

    async with folder(data, storage) as store:
        await store.forget_user(UserId(1))
        with monkeypatch.context() as patched:
            patched.setattr(promises, "arrived", never)
            with pytest.raises(Ended):
                await store.made_safe()
        await come_back(store, 1)
    async with folder(data, storage) as store:
        assert await opted_out(store) == set()
    assert kinds(storage) == ["consented", "opted-out", "returned"]


async def test_two_folders_that_promise_at_once_make_one_order(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    async with (
        folder(tmp_path / "one", storage, "one") as one,
        folder(tmp_path / "two", storage, "two") as two,
        asyncio.TaskGroup() as tasks,
    ):
        for number, store in enumerate((one, two)):
            tasks.create_task(_opt_out_some(store, range(number * 100, number * 100 + 10)))
    assert len(kinds(storage)) == 20
    async with folder(tmp_path / "three", storage, "three") as three:
        assert len(await opted_out(three)) == 20


async def _opt_out_some(store: object, users: Sequence[int]) -> None:
    from indexer.offline_store import Store

    assert isinstance(store, Store)
    for user in users:
        await store.forget_user(UserId(user))
        assert await store.made_safe()


@tries(usual=6, soak=200, part=20)
async def test_no_promise_that_was_called_done_is_lost_to_a_kill_and_an_old_backup(
    tmp_path: Path, numbers: range
) -> None:
    told = 0
    for number in numbers:
        told += await _killed(tmp_path / str(number), random.Random(number))
    assert told > len(numbers)


async def _killed(place: Path, chance: random.Random) -> int:
    """Kills a process that promises, restores a backup of before, and compares. Returns how often it said "done"."""
    data, storage, backup = place / "data", place / "storage", place / "b.tar"
    place.mkdir()
    await fill(data, AUTHORS)
    if chance.random() < 0.5:
        async with folder(data, storage) as store:
            await store.forget_user(UserId(1))
            assert await store.made_safe()
    storage.mkdir(exist_ok=True)
    back_up(data, backup)
    lines = await asyncio.to_thread(_lines_until_killed, data, storage, chance)
    lose(data, backup)
    async with folder(data, storage) as store:
        out, stored = await opted_out(store), await authors(store)
        async with store.db.reader() as connection:
            marked = {number for (number,) in await connection.execute_fetchall("SELECT message_id FROM deleted_here")}
    last: dict[tuple[int, int], str] = {}
    begun: list[str] = []
    meant: list[int] = []
    for line in lines:
        word, *rest = line.split()
        if word == "begin":
            begun, meant = rest, []
        elif word == "meant":
            meant = [int(message) for message in rest]
        elif word == "done":
            kind, author, where = rest[0], int(rest[1]), int(rest[2])
            if kind == "delete":
                assert set(meant) <= marked, line
                assert author not in stored or not meant, line
            else:
                last[author, where] = kind
            if kind == "out":
                assert author not in stored, line
            begun = []
    for (author, where), kind in last.items():
        if begun[1:] == [str(author), str(where)] and begun[0] != "delete":
            continue  # another wish of the same member had begun: either may hold
        assert ((author, where) in out) is (kind == "out"), (author, where, lines[-8:])
    shutil.rmtree(place)
    return sum(line.startswith("done") for line in lines)


def _lines_until_killed(data: Path, storage: Path, chance: random.Random) -> list[str]:
    context = forking()
    output, its_output = context.Pipe(duplex=False)
    arguments = [str(data), str(storage), str(chance.randrange(10**6))]
    given = (its_output, None, killed_promises.main, data.parent, arguments, dict(os.environ))
    process = context.Process(target=as_command, args=given)  # to start Python took most of the test
    process.start()
    its_output.close()
    with output, open(output.fileno(), encoding="utf-8", closefd=False) as lines:
        try:
            assert lines.readline() == "open\n"
            time.sleep(chance.random() * 0.3)
        finally:
            process.kill()
            text = lines.read()
            process.join(DEADLINE_S)
            process.close()
    return text[: text.rfind("\n") + 1].splitlines()  # the last line may be cut


async def test_without_the_setting_nothing_is_written_down(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await fill(data, 1)
    async with open_database(data) as db:
        async with db.transaction() as tx:
            await tx.execute_fetchall("INSERT INTO opt_outs VALUES (0, 1, 1)")
            await guilds.set_consent(tx, GuildId(records.GUILD), False)
        async with db.reader() as connection:
            assert await connection.execute_fetchall("SELECT * FROM promises_waiting") == []
