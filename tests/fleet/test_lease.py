"""Two writers of a name are impossible: by a lease that is renewed and taken over, and checked before each commit."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from asyncio.subprocess import Process
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.database.database import FILE_NAME, open_database
from indexer.errors import StorageError
from indexer.fleet import lease
from indexer.fleet.claim import Entry
from indexer.fleet.lease import MARGIN, open_lease
from indexer.settings import FleetSettings
from tests.worlds.claiming import PAUSES_S, STEPS, STOPPED_S, Machine
from tests.worlds.migrated import migrated
from tests.worlds.waiting import DEADLINE_S

TTL_S = 10.0


def machine(name: str, lying: dict[int, Entry]) -> Machine:
    return Machine(name, lying, TTL_S, TTL_S * (1 - MARGIN))


@given(st.integers(0, 2**32))
def test_at_no_moment_may_two_processes_write(seed: int) -> None:
    """4,000 steps a seed of three processes, each of which is stopped in the middle of its work now and then."""
    chance = random.Random(seed)
    lying: dict[int, Entry] = {}
    machines = [machine(name, lying) for name in "abc"]
    stopped_s = dict.fromkeys("abc", 0.0)
    now_s, writers = 0.0, set()
    for _ in range(4_000):
        now_s += chance.choice(PAUSES_S)
        chosen = chance.choice(machines)
        if chance.random() < 0.004:
            stopped_s[chosen.claim.holder] = now_s + chance.choice(STOPPED_S)
        if now_s >= stopped_s[chosen.claim.holder]:
            chosen.step(chance.choice(STEPS), now_s)
        writing = {machine.claim.holder for machine in machines if machine.claim.holds(now_s)}
        assert len(writing) <= 1, now_s
        writers |= writing
    assert writers


def test_a_holder_that_ended_without_a_word_is_followed_after_its_time() -> None:
    lying: dict[int, Entry] = {}
    first, second = machine("a", lying), machine("b", lying)
    for step in ("look", "begin", "effect", "answer"):
        first.step(step, 0.0)
    assert first.claim.holds(TTL_S * 0.79)
    assert not first.claim.holds(TTL_S * 0.81)
    for now_s, may in ((1.0, False), (10.9, False), (11.0, True)):
        second.step("look", now_s)
        second.step("begin", now_s)
        assert (second.attempt is not None) is may


async def test_who_ends_gives_it_back_and_who_is_there_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "TRIES", 0.01)  # whoever has to wait gives up
    settings = FleetSettings(str(tmp_path), "one", 20.0)
    async with open_lease(settings) as first:
        with pytest.raises(StorageError, match="goes on renewing it"):
            async with open_lease(settings):
                pass
        first.require()
    async with open_lease(settings) as second:
        second.require()


async def test_a_transaction_without_the_lease_is_rolled_back(tmp_path: Path) -> None:
    def lost() -> None:
        raise StorageError("lost")

    async with open_database(migrated(tmp_path), fence=lost) as db:
        with pytest.raises(StorageError, match="lost"):
            async with db.transaction() as tx:
                await tx.execute_fetchall("INSERT INTO deletions VALUES (5)")
        async with db.reader() as connection:
            assert await connection.execute_fetchall("SELECT * FROM deletions") == []


async def test_a_process_that_was_stopped_commits_nothing_once_another_one_took_over(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    first = await _writer(tmp_path, "first")
    try:
        await _until(first, "committed")
        psutil.Process(first.pid).suspend()  # SIGSTOP, where there are signals
        before = _rows(tmp_path / "first")
        second = await _writer(tmp_path, "second")
        try:
            await _until(second, "committed")
            psutil.Process(first.pid).resume()
            assert "was lost" in await _until(first, "stopped")
            assert _rows(tmp_path / "first") <= before + 1  # one may have been between its check and its end
            await _until(second, "committed")
        finally:
            second.kill()
            await second.wait()
    finally:
        if first.returncode is None:
            first.kill()
        await first.wait()


async def _writer(tmp_path: Path, name: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "tests.worlds.leased_writer",
            str(migrated(tmp_path / name)),
            str(tmp_path / "storage"),
        ),
        stdout=asyncio.subprocess.PIPE,
    )


async def _until(process: Process, word: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        while not (line := (await process.stdout.readline()).decode()).startswith(word):
            assert line, f"it ended before it said {word}"
    return line


def _rows(data_dir: Path) -> int:
    with closing(sqlite3.connect(f"file:{data_dir / FILE_NAME}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM deletions").fetchone()
        return int(count)
