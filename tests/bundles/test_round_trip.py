"""A bundle put in elsewhere is the same index: nothing is lost, nothing is embedded, a second time changes nothing."""

from __future__ import annotations

import asyncio
import shutil
import stat
import sys
from pathlib import Path

import pytest

from indexer.backup.verify import look_through
from indexer.bundles import storing
from indexer.bundles.bundle_import import WORK_PREFIX
from indexer.bundles.gather import Selection
from indexer.database import journal
from indexer.database.database import FILE_NAME
from indexer.errors import StorageError, TellPerson
from indexer.offline_store import open_store
from indexer.records.ids import ChannelId, GuildId
from indexer.settings import Settings
from tests.worlds.bundled import exported, imported, installation, quietly, read, same, written
from tests.worlds.index_world import GUILD as KEPT_GUILD
from tests.worlds.kept_folder import OPTED_OUT, kept, rows
from tests.worlds.killed_child import run_and_kill
from tests.worlds.records import GUILD, message, picture


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bot, and two bundles of it."""
    folder = tmp_path_factory.mktemp("source")
    data_dir = kept(folder / "data")
    for name in ("plain.bundle", "small.bundle.zst"):
        exported(data_dir, folder / name, Selection((KEPT_GUILD,)))
    return folder


@pytest.mark.parametrize("name", ["plain.bundle", "small.bundle.zst"])
async def test_what_comes_in_is_what_went_out_and_sound(source: Path, tmp_path: Path, name: str) -> None:
    file, target = source / name, tmp_path / "data"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 or sys.platform == "win32"
    brought = await imported(target, file)
    before = await asyncio.to_thread(same, target)
    assert before == await asyncio.to_thread(same, source / "data")
    assert brought.stored.messages == len(before["messages"]) > 500
    assert brought.stored.embeddings == len(before["embeddings"]) > 500
    found = await asyncio.to_thread(look_through, target, quietly, quietly)
    assert found.faults == []
    again = await imported(target, file)
    assert await asyncio.to_thread(same, target) == before
    assert (again.stored.messages, again.stored.embeddings, again.stored.known) == (0, 0, brought.stored.messages)
    assert not [path for path in target.iterdir() if path.name.startswith(".afterimage")]


async def test_in_small_steps_beside_a_bot_it_is_the_same(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "STEP_S", 0.0)
    await imported(tmp_path / "data", source / "plain.bundle", alone=False)
    assert await asyncio.to_thread(same, tmp_path / "data") == await asyncio.to_thread(same, source / "data")


async def test_killed_in_the_middle_what_came_in_is_sound_and_the_same_import_goes_on(
    source: Path, tmp_path: Path
) -> None:
    shutil.copy(source / "plain.bundle", tmp_path / "x.bundle")
    await run_and_kill("killed_import", tmp_path)
    found = await asyncio.to_thread(same, tmp_path / "data")
    assert 0 < len(found["messages"]) < 700
    assert found["spans"] == []  # nothing claims to have been read that is not there
    assert list((tmp_path / "data").glob(f"{WORK_PREFIX}*"))
    async with open_store(Settings(data_dir=tmp_path / "data")):
        assert not list((tmp_path / "data").glob(f"{WORK_PREFIX}*"))  # a copy of messages, which nobody would forget
    assert (await asyncio.to_thread(look_through, tmp_path / "data", quietly, quietly)).faults == []
    await imported(tmp_path / "data", source / "plain.bundle")
    assert await asyncio.to_thread(same, tmp_path / "data") == await asyncio.to_thread(same, source / "data")


async def test_one_channel_goes_with_its_threads_and_nothing_of_others(tmp_path: Path) -> None:
    posts = [message(5, picture("a"), channel=10), message(6, picture("b"), channel=11)]
    posts.append(message(7, picture("c"), channel=12))
    data_dir = await installation(
        tmp_path / "a", read(*posts), written("INSERT INTO spans VALUES (10, 0, 0, 9), (12, 0, 0, 9)")
    )
    file = tmp_path / "x.bundle"
    made = await asyncio.to_thread(exported, data_dir, file, Selection((GUILD,), (ChannelId(11),)))
    assert made.manifest.channels == (11,)
    await imported(tmp_path / "b", file)
    found = await asyncio.to_thread(same, tmp_path / "b")
    assert [row[0] for row in found["messages"]] == [6, 7]
    assert [row[0] for row in found["channels"]] == [11, 12]
    assert found["spans"] == [(12, 0, 0, 9)]
    await asyncio.to_thread(exported, data_dir, tmp_path / "y.bundle", Selection((GUILD,), (ChannelId(12),)))
    await imported(tmp_path / "c", tmp_path / "y.bundle")
    found = await asyncio.to_thread(same, tmp_path / "c")
    assert ([row[0] for row in found["channels"]], [row[0] for row in found["messages"]]) == ([11, 12], [7])


async def test_promises_that_were_only_written_down_hold_in_the_bundle(tmp_path: Path) -> None:
    posts = [message(number, picture(str(number)), author=100 + number) for number in range(1, 8)]
    posts += [message(20, channel=11), message(21, channel=12)]
    data_dir = await installation(
        tmp_path / "a",
        read(*posts),
        written("INSERT INTO spans VALUES (10, 0, 0, 9)", "INSERT INTO deletions VALUES (3)"),
    )
    pending: list[dict[str, object]] = [
        {"kind": "OptedOut", "user_id": 101, "guild_id": 0, "by": None},
        {"kind": "MessagesDeleted", "message_ids": [2]},
        {"kind": "MessageChanged", "channel_id": 10, "message_id": 5},
        {"kind": "ChannelDeleted", "channel_id": 11},
    ]
    await asyncio.to_thread(journal.write, data_dir / journal.FILE_NAME, pending)
    await asyncio.to_thread(exported, data_dir, tmp_path / "x.bundle")
    await imported(tmp_path / "b", tmp_path / "x.bundle")
    found = await asyncio.to_thread(same, tmp_path / "b")
    assert [row[0] for row in found["messages"]] == [4, 6, 7]
    assert found["opt_outs"] == [(0, 101)]
    assert found["deletions"] == [(2,), (3,)]
    assert found["spans"] == [(10, 0, 0, 4), (10, 0, 6, 9)]  # what was edited is read anew
    await asyncio.to_thread(
        lambda: (data_dir / journal.FILE_NAME).write_bytes(b'{"add":1,"what":{"kind":"GuildLeft","guild_id":1}}\n')
    )
    with pytest.raises(TellPerson, match="bundle-nothing-stored"):
        await asyncio.to_thread(exported, data_dir, tmp_path / "y.bundle")


def test_nothing_is_written_over_and_nothing_half_is_left(source: Path, tmp_path: Path) -> None:
    (tmp_path / "x.bundle").write_bytes(b"mine")
    with pytest.raises(StorageError, match="exists already"):
        exported(source / "data", tmp_path / "x.bundle", Selection((KEPT_GUILD,)))
    with pytest.raises(TellPerson, match="bundle-nothing-stored"):
        exported(source / "data", tmp_path / "y.bundle", Selection((GuildId(77),)))
    assert [path.name for path in tmp_path.iterdir()] == ["x.bundle"]


async def test_an_opted_out_author_is_in_no_bundle_but_the_promise_is(source: Path, tmp_path: Path) -> None:
    await imported(tmp_path / "data", source / "plain.bundle")
    assert await asyncio.to_thread(rows, tmp_path / "data", "SELECT guild_id, user_id FROM opt_outs") == [
        (0, OPTED_OUT)
    ]
    assert (tmp_path / "data" / FILE_NAME).exists()
