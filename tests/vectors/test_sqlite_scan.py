"""Without FAISS, and with every file gone, cut or rotten: the same answers from SQLite, and then the files again."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from indexer.records.hits import Floor
from indexer.settings import IndexSettings
from indexer.vectors import kernels, log_follower
from indexer.vectors.index import VectorIndex
from tests.vectors.test_index import filters
from tests.worlds.index_world import GUILD, MODEL, World, open_world, unit

SETTINGS = IndexSettings(seal_rows=64, threads=1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "data", SETTINGS) as opened:
        rng = np.random.default_rng(1)
        await opened.fill(rng, 300, moving=True)
        await opened.index.maintain(opened.database)
        await opened.fill(rng, 50)
        await opened.delete(rng.choice(list(opened.places), 30, replace=False).tolist())
        yield opened


def reopened(world: World, settings: IndexSettings = SETTINGS) -> VectorIndex:
    world.index.close()
    world.index = VectorIndex(world.index.database_path, world.folder, settings)
    return world.index


def floor(world: World) -> Floor:
    return world.index.search(GUILD, MODEL, unit(np.random.default_rng(0), 1)[0], 1, world.everything()).floor


async def test_the_direct_scan_agrees_under_every_filter(world: World) -> None:
    rng = np.random.default_rng(2)
    reopened(world, IndexSettings(engine="direct"))
    assert floor(world) is Floor.DIRECT
    for k in (1, 10, 1000):
        for allowed in filters(world, rng):
            await world.check(unit(rng, 1)[0], k, allowed)


WITHOUT_FAISS = """
import json, sys
if sys.argv[1] == "without":
    sys.modules["faiss"] = None
import numpy as np
from pathlib import Path
from indexer.records.hits import Filter
from indexer.settings import IndexSettings
from indexer.vectors.index import VectorIndex
data = Path(sys.argv[2])
index = VectorIndex(data / "afterimage.sqlite3", data / "segments", IndexSettings(seal_rows=64))
query = np.array(json.loads(sys.argv[3]), np.float32)
answer = index.search(1, 1, query, 40, Filter(frozenset(range(100, 107))))
print(json.dumps([answer.floor, answer.searched, [[c.picture_id, c.score] for c in answer.candidates]]))
index.close()
"""


async def test_a_process_that_cannot_import_faiss_finds_the_same(world: World, tmp_path: Path) -> None:
    query = json.dumps(unit(np.random.default_rng(3), 1)[0].tolist())
    said = []
    for how in ("with", "without"):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WITHOUT_FAISS, how, str(tmp_path / "data"), query,
            stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        )  # fmt: skip
        out, _ = await process.communicate()
        said.append(json.loads(out))
    assert [floor for floor, *_ in said] == [Floor.INDEX, Floor.DIRECT]
    assert said[0][1:] == said[1][1:]
    assert len(said[0][2]) == 40


@pytest.mark.parametrize("harm", ["deleted", "truncated", "emptied", "flipped in the header", "flipped in the table"])
async def test_damage_found_at_opening_is_answered_around_and_mended(world: World, harm: str) -> None:
    rng = np.random.default_rng(4)
    for path in world.folder.glob("*/*/*.segment"):
        data = path.read_bytes()
        path.unlink()
        position = {"flipped in the header": 40, "flipped in the table": len(data) - 200}.get(harm)
        if position is not None:
            path.write_bytes(data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :])
        elif harm != "deleted":
            path.write_bytes(data[: len(data) // 2] if harm == "truncated" else b"")
    reopened(world)
    assert floor(world) is Floor.DIRECT
    for allowed in filters(world, rng):
        await world.check(unit(rng, 1)[0], 10, allowed)
    await world.index.maintain(world.database)
    assert floor(world) is Floor.INDEX
    for allowed in filters(world, rng):
        await world.check(unit(rng, 1)[0], 10, allowed)


async def test_a_flip_anywhere_is_never_a_crash_nor_a_leak_and_is_noticed(world: World) -> None:
    rng = np.random.default_rng(5)
    (path,) = world.folder.glob("*/*/*.segment")
    clean = path.read_bytes()
    narrow = filters(world, rng)[1]
    for position in [*range(0, 81, 9), *rng.integers(81, len(clean), 50).tolist(), len(clean) - 1]:
        path.unlink()  # a new file: what an older index has mapped keeps its bytes
        path.write_bytes(clean[:position] + bytes([clean[position] ^ (1 << position % 8)]) + clean[position + 1 :])
        reopened(world)
        for allowed in (world.everything(), narrow):
            answer = world.index.search(GUILD, MODEL, unit(rng, 1)[0], 20, allowed)
            assert {
                place.channel_id for candidate in answer.candidates for place in candidate.places
            } <= allowed.channels
        await asyncio.to_thread(world.index.wait_for_checks)
        await world.check(unit(rng, 1)[0], 20, world.everything())
        assert floor(world) is Floor.DIRECT
    await world.index.maintain(world.database)
    assert floor(world) is Floor.INDEX
    await world.check(unit(rng, 1)[0], 20, world.everything())
    assert not path.exists()


async def test_only_the_damaged_segment_is_rebuilt(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    async with open_world(tmp_path / "data", SETTINGS) as world:
        await world.fill(rng, 400)
        await world.index.maintain(world.database)
        await world.fill(rng, 70)
        await world.index.maintain(world.database)
        before = sorted(world.folder.glob("*/*/*.segment"), key=lambda path: path.stat().st_size)
        assert len(before) == 2
        before[0].unlink()
        reopened(world)
        await world.index.maintain(world.database)
        after = set(world.folder.glob("*/*/*.segment"))
        assert before[1] in after
        assert len(after) == 2
        assert floor(world) is Floor.INDEX
        await world.check(unit(rng, 1)[0], 30, world.everything())


async def test_rot_is_found_before_it_is_copied_into_a_new_segment(world: World) -> None:
    (path,) = world.folder.glob("*/*/*.segment")
    data = path.read_bytes()
    with path.open("r+b") as file:  # under the open mapping, as a failing disk does it
        file.seek(1_000)
        file.write(bytes([data[1_000] ^ 16]))
    await world.index.compact(world.database)
    assert floor(world) is Floor.INDEX
    await world.check(unit(np.random.default_rng(7), 1)[0], 1000, world.everything())


async def test_a_backlog_too_long_for_memory_is_searched_in_sqlite_until_it_is_sealed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(8)
    monkeypatch.setattr(log_follower, "TAIL_ROWS", 100)
    await world.fill(rng, 120)
    assert floor(world) is Floor.DIRECT
    await world.check(unit(rng, 1)[0], 10, world.everything())
    await world.fill(rng, 5)
    await world.check(unit(rng, 1)[0], 10, world.everything())
    await world.index.maintain(world.database)
    assert floor(world) is Floor.INDEX
    await world.check(unit(rng, 1)[0], 10, world.everything())


async def test_without_faiss_nothing_is_sealed_but_what_was_deleted_still_leaves_the_files(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(9)
    monkeypatch.setattr(kernels, "load", lambda: None)
    index = reopened(world)
    await world.fill(rng, 200)
    before = set(world.folder.glob("*/*/*.segment"))
    await index.maintain(world.database)
    assert set(world.folder.glob("*/*/*.segment")) == before
    gone = world.vectors[next(iter(world.vectors))].astype("<f2").tobytes()
    assert any(gone in path.read_bytes() for path in before)
    await world.delete([place for place, shown in world.places.items() if shown.picture == next(iter(world.vectors))])
    await index.compact(world.database)
    after = set(world.folder.glob("*/*/*.segment"))
    assert after
    assert not any(gone in path.read_bytes() for path in after)
    await world.check(unit(rng, 1)[0], 10, world.everything())
