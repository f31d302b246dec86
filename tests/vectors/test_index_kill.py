"""SIGKILL at random moments of writing, sealing, publishing and compacting: what was acknowledged stays true.

A few kills in every run, 200 with AFTERIMAGE_SOAK=1 (`make soak`).
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from indexer.database.database import FILE_NAME, open_database
from indexer.records.hits import Filter, Floor
from indexer.records.ids import ChannelId
from indexer.settings import IndexSettings
from indexer.vectors.index import VectorIndex
from tests.soak import tries
from tests.worlds import index_victim
from tests.worlds.forked import forking
from tests.worlds.index_world import GUILD, MODEL, unit, write_guild, write_models
from tests.worlds.waiting import DEADLINE_S

if sys.platform == "win32":
    KILLED: int = signal.SIGTERM  # the exit code of what was killed
else:
    KILLED = -signal.SIGKILL
LONGEST_S = 0.3  # a victim's working life, at most: some ten publications on an idle machine


@tries(usual=12, soak=200, part=25)
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path, numbers: range) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}, kills {numbers}")
    chance = random.Random(seed)
    context = forking()  # 12 starts of an interpreter with faiss in it would take most of the test's time
    asyncio.run(_begin(tmp_path))
    seals = 0
    for number in numbers:
        victim = context.Process(target=index_victim.run, args=(str(tmp_path), seed + number))
        victim.start()
        if chance.random() < 0.9:  # the others die while they open what the last one left
            _wait_for_more(tmp_path / "diary")
        time.sleep(chance.random() * LONGEST_S)
        victim.kill()
        victim.join(DEADLINE_S)
        assert victim.exitcode == KILLED, "it ended by itself"
        seals += asyncio.run(_check(tmp_path, np.random.default_rng(seed + number)))
    assert seals, "no victim lived long enough to seal anything"


def _wait_for_more(diary: Path) -> None:
    """Returns when the victim has begun to write."""
    before = diary.stat().st_size
    deadline = time.monotonic() + DEADLINE_S
    while diary.stat().st_size == before:
        assert time.monotonic() < deadline, "the victim did not begin"
        time.sleep(0.002)


async def _begin(folder: Path) -> None:
    async with open_database(folder) as database, database.transaction() as tx:
        await write_models(tx)
        await write_guild(tx, GUILD, range(100, 104), [500])
    (folder / "diary").touch()


async def _check(folder: Path, rng: np.random.Generator) -> int:
    """Opens what the victim left; returns how many segments were in force."""
    added, maybe, deleted = _diary(folder / "diary")
    segments = list((folder / "segments").glob("*/*/*.segment"))
    mapped, plain = (
        VectorIndex(folder / FILE_NAME, folder / "segments", IndexSettings(engine, seal_rows=20, threads=1))
        for engine in ("auto", "direct")
    )
    try:
        allowed = Filter(frozenset(ChannelId(number) for number in range(100, 104)))
        async with open_database(folder) as database:
            query = unit(rng, 1)[0]
            for _ in range(2):  # as the victim left it, and after the next start has tidied up
                answer = await asyncio.to_thread(mapped.search, GUILD, MODEL, query, 10**6, allowed)
                truth = await asyncio.to_thread(plain.search, GUILD, MODEL, query, 10**6, allowed)
                assert answer.floor is Floor.INDEX
                assert (answer.candidates, answer.searched) == (truth.candidates, truth.searched)
                found = {place.place_id for candidate in answer.candidates for place in candidate.places}
                assert added <= found, "an acknowledged picture is not found"
                assert not deleted & found, "an acknowledged deletion is found"
                assert found <= added | maybe
                await mapped.compact(database)
            async with database.reader() as connection:
                rows = await connection.execute_fetchall("SELECT name FROM segments")
            names = {name for (name,) in rows}
            assert {path.stem for path in (folder / "segments").glob("*/*/*")} == names
        await asyncio.to_thread(mapped.wait_for_checks)
        assert (await asyncio.to_thread(mapped.search, GUILD, MODEL, query, 1, allowed)).floor is Floor.INDEX
    finally:
        mapped.close()
        plain.close()
    return len(segments)


def _diary(path: Path) -> tuple[set[int], set[int], set[int]]:
    """Places that must be found, that may be, and that must not be. Ids are never used twice."""
    said: dict[str, set[int]] = {verb: set() for verb in ("add", "added", "delete", "deleted")}
    for line in path.read_text().splitlines():
        verb, *places = line.split()
        said[verb].update(map(int, places))
    must = said["added"] - said["delete"]
    return must, said["add"] - said["deleted"], said["deleted"]
