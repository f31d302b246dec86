"""What leaves the files, when, and what maintenance does not disturb."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.errors import RetryLater
from indexer.records.hits import Floor
from indexer.settings import IndexSettings
from indexer.vectors import compaction_plan, index, segment_writer
from indexer.vectors.compaction_plan import PARTIAL
from indexer.vectors.index import VectorIndex
from indexer.vectors.segment import SUFFIX
from tests.worlds.index_world import GUILD, MODEL, World, half, open_world, unit
from tests.worlds.waiting import DEADLINE_S

SETTINGS = IndexSettings(seal_rows=64, threads=1, purge_after_s=86_400)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "data", SETTINGS) as opened:
        await opened.index.maintain(opened.database)  # a guild with nothing yet
        await opened.fill(np.random.default_rng(1), 300)
        await opened.index.maintain(opened.database)
        yield opened


def files(world: World) -> set[Path]:
    return set(world.folder.glob("*/*/*.segment"))


def holds(world: World, vector: bytes) -> bool:
    return any(vector in path.read_bytes() for path in files(world))


async def delete_picture(world: World) -> bytes:
    """Deletes every place of a picture whose vector no other picture shares; returns the vector's bytes."""
    vectors = {picture: half(vector) for picture, vector in world.vectors.items()}
    seen = Counter(vectors.values())
    picture, vector = next((picture, vector) for picture, vector in vectors.items() if seen[vector] == 1)
    await world.delete([place for place, shown in world.places.items() if shown.picture == picture])
    return vector


async def test_compact_removes_the_bytes_of_everything_deleted_at_once(world: World) -> None:
    gone = [await delete_picture(world) for _ in range(3)]
    assert all(holds(world, vector) for vector in gone)
    await world.index.maintain(world.database)
    assert all(holds(world, vector) for vector in gone), "a day is allowed for it"
    await world.index.compact(world.database)
    assert not any(holds(world, vector) for vector in gone)
    await world.check(unit(np.random.default_rng(2), 1)[0], 1000, world.everything())


async def test_frames_leave_the_files_with_their_picture_and_when_others_take_their_place(world: World) -> None:
    rng = np.random.default_rng(20)
    kept_picture, gone_picture = sorted(world.vectors)[:2]
    frames = {picture: unit(rng, 2) for picture in (kept_picture, gone_picture)}
    for picture, vectors in frames.items():
        await world.move(picture, vectors)
    await world.index.compact(world.database)
    await world.fill(rng, 70)
    await world.index.maintain(world.database)
    assert all(holds(world, half(vector)) for vectors in frames.values() for vector in vectors)
    await world.check(frames[gone_picture][1], 3, world.everything())
    await world.move(kept_picture, frames[kept_picture][:1])
    await world.delete([place for place, shown in world.places.items() if shown.picture == gone_picture])
    await world.index.compact(world.database)
    await world.fill(rng, 70)
    await world.index.maintain(world.database)
    assert holds(world, half(frames[kept_picture][0]))
    gone = (frames[kept_picture][1], *frames[gone_picture])
    assert not any(holds(world, half(vector)) for vector in gone)
    for vector in gone:
        await world.check(vector, 3, world.everything())


async def test_deleted_bytes_leave_by_themselves_when_their_time_is_up(world: World) -> None:
    vector = await delete_picture(world)
    async with world.database.transaction() as tx:
        await tx.execute_fetchall("UPDATE index_log SET at_s = at_s - 86400 + 3700")
    await world.index.maintain(world.database)
    assert holds(world, vector)
    async with world.database.transaction() as tx:
        await tx.execute_fetchall("UPDATE index_log SET at_s = at_s - 200")
    await world.index.maintain(world.database)
    assert not holds(world, vector)


async def test_a_deletion_keeps_its_time_when_the_tail_is_sealed(world: World) -> None:
    vector = await delete_picture(world)
    async with world.database.transaction() as tx:
        await tx.execute_fetchall("UPDATE index_log SET at_s = at_s - 50000")
    before = files(world)
    await world.fill(np.random.default_rng(3), 70)
    await world.index.maintain(world.database)
    assert files(world) > before
    async with world.database.reader() as connection:
        ((count,),) = await connection.execute_fetchall("SELECT count(*) FROM tombstones")
        ((lines,),) = await connection.execute_fetchall("SELECT count(*) FROM index_log")
    assert (count, lines) == (1, 0)
    await world.check(unit(np.random.default_rng(4), 1)[0], 1000, world.everything())
    async with world.database.transaction() as tx:
        await tx.execute_fetchall("UPDATE tombstones SET at_s = at_s - 36000")
    await world.index.maintain(world.database)
    assert not holds(world, vector)
    async with world.database.reader() as connection:
        ((count,),) = await connection.execute_fetchall("SELECT count(*) FROM tombstones")
    assert count == 0


async def test_a_segment_with_many_dead_rows_does_not_wait(world: World) -> None:
    await world.delete(list(world.places)[:100])
    before = files(world)
    await world.index.maintain(world.database)
    assert not files(world) & before
    await world.check(unit(np.random.default_rng(5), 1)[0], 1000, world.everything())


async def test_a_segment_in_which_nothing_lives_is_only_removed(world: World) -> None:
    await world.delete(list(world.places))
    await world.index.compact(world.database)
    assert not files(world)
    assert world.index.search(GUILD, MODEL, unit(np.random.default_rng(6), 1)[0], 5, world.everything()).searched == 0
    await world.fill(np.random.default_rng(7), 80)
    await world.index.maintain(world.database)
    await world.check(unit(np.random.default_rng(8), 1)[0], 10, world.everything())


async def test_maintenance_with_nothing_to_do_changes_nothing(world: World) -> None:
    before = {path: path.stat().st_mtime_ns for path in files(world)}
    for _ in range(3):
        await world.index.maintain(world.database)
        await world.index.compact(world.database)
    assert {path: path.stat().st_mtime_ns for path in files(world)} == before


async def test_segments_stay_few_and_each_row_is_copied_few_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    write = segment_writer.write

    def counted(*args: object) -> object:
        nonlocal written
        record = write(*args)  # type: ignore[arg-type]  # passed through as it came
        written += record.vectors
        return record

    monkeypatch.setattr(segment_writer, "write", counted)
    rng = np.random.default_rng(9)
    async with open_world(tmp_path / "data", IndexSettings(seal_rows=20)) as world:
        for _ in range(40):
            await world.fill(rng, 20)
            await world.index.maintain(world.database)
        assert len(files(world)) <= 6
        assert written <= 8 * len(world.vectors)
        await world.check(unit(rng, 1)[0], 50, world.everything())


async def test_a_reader_keeps_what_it_opened_while_the_files_are_replaced(world: World) -> None:
    rng = np.random.default_rng(10)
    reader = VectorIndex(world.index.database_path, world.folder, SETTINGS)
    try:
        query, allowed = unit(rng, 1)[0], world.everything()
        before = reader.search(GUILD, MODEL, query, 50, allowed)
        follower = reader._followers[GUILD, MODEL][1]
        view = follower.view
        await world.delete(list(world.places)[:50])
        await world.index.compact(world.database)
        old = view.parts[0].block
        assert len(old.vectors.tobytes()) == old.vectors.nbytes, "still mapped, though its file has been unlinked"
        assert before.floor is Floor.INDEX
        after = reader.search(GUILD, MODEL, query, 1000, allowed)
        assert {place.place_id for candidate in after.candidates for place in candidate.places} == set(world.places)
    finally:
        reader.close()


async def test_searches_go_on_while_a_segment_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    write = segment_writer.write

    def held_up(*args: object) -> object:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(20)
        return write(*args)  # type: ignore[arg-type]  # passed through as it came

    monkeypatch.setattr(segment_writer, "write", held_up)
    rng = np.random.default_rng(11)
    await world.delete(list(world.places)[:3])
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.index.compact(world.database))
        async with asyncio.timeout(DEADLINE_S):
            await begun.wait()
        await world.check(unit(rng, 1)[0], 20, world.everything())
        await world.fill(rng, 30)
        await world.delete(list(world.places)[5:9])
        await world.check(unit(rng, 1)[0], 20, world.everything())
        go_on.set()
    await world.check(unit(rng, 1)[0], 1000, world.everything())


async def test_maintenance_that_is_cancelled_leaves_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def forever(*args: Any) -> None:
        loop.call_soon_threadsafe(begun.set)
        check = args[-1]
        while True:
            check()

    monkeypatch.setattr(segment_writer, "_write_vectors", forever)
    await world.delete(list(world.places)[:3])
    before = files(world)
    task = asyncio.ensure_future(world.index.compact(world.database))
    async with asyncio.timeout(DEADLINE_S):
        await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    assert set(world.folder.glob("*/*/*")) == before
    await world.check(unit(np.random.default_rng(12), 1)[0], 20, world.everything())
    await world.index.compact(world.database)
    assert len(files(world)) == 1
    await world.check(unit(np.random.default_rng(12), 1)[0], 20, world.everything())


async def test_a_full_disk_is_no_end_of_searching(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    await world.delete(list(world.places)[:3])
    before = files(world)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RetryLater, match="No space left on device"):
        await world.index.compact(world.database)
    monkeypatch.undo()
    assert set(world.folder.glob("*/*/*")) == before
    await world.check(unit(np.random.default_rng(13), 1)[0], 20, world.everything())


async def test_files_that_a_killed_process_left_are_removed(world: World) -> None:
    folder = next(iter(files(world))).parent
    (folder / "0123456789abcdef.segment").write_bytes(b"renamed, never published")
    (folder / f"fedcba9876543210{PARTIAL}").write_bytes(b"half")
    other = world.folder / "77" / "1"
    other.mkdir(parents=True)
    (other / "aaaaaaaaaaaaaaaa.segment").write_bytes(b"of a guild that left")
    before = files(world) - {folder / "0123456789abcdef.segment", other / "aaaaaaaaaaaaaaaa.segment"}
    await world.index.maintain(world.database)
    assert set(world.folder.glob("*/*/*")) == before
    assert not other.parent.exists()


async def test_a_guild_that_leaves_while_its_segment_is_written_leaves_no_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = compaction_plan.make

    def then_leaves(*args: object, **more: object) -> object:
        work = make(*args, **more)  # type: ignore[arg-type]  # passed through as it came
        asyncio.run_coroutine_threadsafe(leave(), loop).result(20)
        return work

    async def leave() -> None:
        async with world.database.transaction() as tx:
            await tx.execute_fetchall("DELETE FROM guilds")

    loop = asyncio.get_running_loop()
    await world.delete(list(world.places)[:3])
    monkeypatch.setattr(compaction_plan, "make", then_leaves)
    await world.index.compact(world.database)
    monkeypatch.undo()
    await world.index.maintain(world.database)
    assert not list(world.folder.rglob("*.*"))


async def test_no_file_is_ever_larger_than_one_step_may_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction_plan, "MAX_ROWS", 50)
    rng = np.random.default_rng(14)
    async with open_world(tmp_path / "data", IndexSettings(seal_rows=30)) as world:
        await world.fill(rng, 230)
        await world.index.maintain(world.database)
        async with world.database.reader() as connection:
            rows = await connection.execute_fetchall("SELECT vectors FROM segments")
        assert max(count for (count,) in rows) <= 50
        assert sum(count for (count,) in rows) == len(world.vectors)
        await world.delete(list(world.places)[:20])
        await world.index.compact(world.database)
        await world.check(unit(rng, 1)[0], 1000, world.everything())


async def test_a_segment_replaced_while_a_reader_was_about_to_open_it_is_no_damage(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    reader = VectorIndex(world.index.database_path, world.folder, SETTINGS)
    opened = VectorIndex._open_segment
    replaced = 0

    def too_late(self: VectorIndex, *args: Any) -> Any:
        nonlocal replaced
        if self is reader and replaced < 2:  # twice in a row, even
            replaced += 1
            asyncio.run_coroutine_threadsafe(replace(), loop).result(20)
        return opened(self, *args)

    async def replace() -> None:
        await world.delete(list(world.places)[:2])
        await world.index.compact(world.database)

    monkeypatch.setattr(VectorIndex, "_open_segment", too_late)
    try:
        query = unit(np.random.default_rng(15), 1)[0]
        answer = await asyncio.to_thread(reader.search, GUILD, MODEL, query, 1000, world.everything())
    finally:
        reader.close()
    assert replaced == 2
    assert answer.floor is Floor.INDEX
    assert {place.place_id for candidate in answer.candidates for place in candidate.places} == set(world.places)
    assert "set aside" not in caplog.text


async def test_a_guild_that_nobody_searches_is_let_go_and_opened_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = unit(np.random.default_rng(16), 1)[0]
    await world.check(query, 5, world.everything())
    assert world.index._followers
    await world.index.maintain(world.database)
    assert world.index._followers
    monkeypatch.setattr(index, "IDLE_S", -1.0)
    await world.index.maintain(world.database)
    assert not world.index._followers
    await world.check(query, 5, world.everything())


@pytest.mark.skipif(sys.platform != "linux", reason="it reads a process's mappings as Linux shows them")
async def test_segments_that_nobody_searches_give_their_memory_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = unit(np.random.default_rng(16), 1)[0]
    await world.fill(np.random.default_rng(17), 500)
    await world.index.maintain(world.database)
    await world.check(query, 5, world.everything())
    world.index.wait_for_checks()
    held = _mapped_kb()
    await world.index.maintain(world.database)
    assert held == _mapped_kb() > 0
    monkeypatch.setattr(index, "REST_S", -1.0)
    await world.index.maintain(world.database)
    assert _mapped_kb() == 0
    await world.check(query, 5, world.everything())


def _mapped_kb() -> int:
    """How much of the mapped segments is in this process's memory."""
    total, of_segment = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0]:
            of_segment = line.endswith(SUFFIX)
        elif of_segment and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


async def test_the_log_of_a_small_guild_does_not_grow_for_ever(tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    async with open_world(tmp_path / "data", SETTINGS) as world:
        for _ in range(12):
            await world.fill(rng, 10)
            await world.delete(list(world.places)[:9])
            await world.index.maintain(world.database)
            await world.check(unit(rng, 1)[0], 100, world.everything())
        async with world.database.reader() as connection:
            ((lines,),) = await connection.execute_fetchall("SELECT count(*) FROM index_log")
        assert lines < 2 * SETTINGS.seal_rows
