"""Turns to send an IDENTIFY that processes of several machines take in a storage, without comparing clocks."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.gateway import storage_turns
from bot.gateway.identify_turns import GAP_S, TurnsOnThisMachine
from bot.gateway.storage_turns import HOLD_S, TurnsInStorage, time_to_live_s
from indexer.fleet.claim import Entry
from indexer.fleet.object_storage import Folder, Objects, Storage
from sandbox.server import open_sandbox
from tests.worlds.child_bot import child, joining
from tests.worlds.claiming import PAUSES_S, STEPS, STOPPED_S, Machine
from tests.worlds.sharded_town import sharded_town
from tests.worlds.waiting import until

BOT = 42
DRIFT = 1e-4  # a clock that is 9 s a day wrong
SENT, MOST_STEPS = 6, 100_000  # an IDENTIFY is sent about every 700 steps


@dataclass
class Connecting:
    """A machine that sends an IDENTIFY whenever it has the turn, and has a clock of its own."""

    machine: Machine
    ahead_s: float
    rate: float
    frees: list[tuple[float, int]] = field(default_factory=list)  # when, and which number

    def clock_s(self, now_s: float) -> float:
        return self.ahead_s + now_s * self.rate

    def send(self, now_s: float) -> bool:
        own_s, claim = self.clock_s(now_s), self.machine.claim
        if self.machine.attempt is not None or not claim.holds(own_s):
            return False
        claim.valid_until_s = float("-inf")
        self.frees.append((own_s + GAP_S, claim.number + 1))
        return True

    def free(self, now_s: float) -> None:
        for at_s, number in self.frees:
            if self.clock_s(now_s) >= at_s:
                self.frees.remove((at_s, number))
                self.machine.lying.setdefault(number, Entry("", time_to_live_s(HOLD_S, GAP_S)))
                return


@given(st.integers(0, 2**32))
def test_between_two_identifies_of_whatever_machines_the_gap_always_passes(seed: int) -> None:
    """Three machines whose clocks differ, each of which is stopped for a while now and then, until SENT were sent."""
    chance = random.Random(seed)
    lying: dict[int, Entry] = {}
    bots = [
        Connecting(
            Machine(name, lying, time_to_live_s(HOLD_S, GAP_S), HOLD_S), ahead_s, chance.uniform(1 - DRIFT, 1 + DRIFT)
        )
        for name, ahead_s in (("a", 0.0), ("b", -1e6), ("c", 3e4))
    ]
    stopped_s = dict.fromkeys("abc", 0.0)
    now_s, sent_s = 0.0, [-GAP_S]
    for _ in range(MOST_STEPS):
        if len(sent_s) > SENT:
            break
        now_s += chance.choice(PAUSES_S)
        bot = chance.choice(bots)
        if chance.random() < 0.004:
            stopped_s[bot.machine.claim.holder] = now_s + chance.choice(STOPPED_S)
        if now_s < stopped_s[bot.machine.claim.holder]:
            continue
        match chance.choice((*STEPS, "send", "free")):
            case "send":
                if bot.send(now_s):
                    assert now_s - sent_s[-1] >= GAP_S - (HOLD_S + GAP_S) * 2 * DRIFT
                    sent_s.append(now_s)
            case "free":
                bot.free(now_s)
            case step:
                bot.machine.step(step, bot.clock_s(now_s))
    assert len(sent_s) > SENT


@asynccontextmanager
async def processes(tmp_path: Path, *storages: Objects, gap_s: float, hold_s: float) -> AsyncIterator[list[Any]]:
    """A process for each, on a machine of its own."""
    with ThreadPoolExecutor(8) as threads:
        async with asyncio.TaskGroup() as tasks:
            background: list[asyncio.Task[None]] = []

            def spawn(work: Coroutine[Any, Any, None]) -> None:
                background.append(tasks.create_task(work))

            yield [
                TurnsInStorage(
                    TurnsOnThisMachine(tmp_path / f"machine {at}", BOT, gap_s),
                    Storage("the storage", storage, threads),
                    BOT,
                    spawn,
                    gap_s,
                    hold_s,
                )
                for at, storage in enumerate(storages)
            ]
            for task in background:
                task.cancel()


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_turns, "LOOK_S", 0.02)


async def test_the_next_machine_has_its_turn_when_the_identify_is_old_enough(tmp_path: Path) -> None:
    async with processes(tmp_path, Folder(tmp_path), Folder(tmp_path), gap_s=0.3, hold_s=60.0) as (first, second):
        await first.take(0)
        waiting = asyncio.create_task(second.take(0))
        await second.take(1)  # another bucket is free
        second.give_back(1)
        await asyncio.sleep(0.1)
        assert not waiting.done()
        sent_s = asyncio.get_running_loop().time()
        first.sent(0)
        await waiting
        assert asyncio.get_running_loop().time() - sent_s >= 0.3
        second.give_back(0)
        await first.take(0)  # at once: nothing was sent
        first.give_back(0)


async def test_a_machine_that_dies_in_its_turn_costs_the_others_its_time_and_its_old_turn_is_void(
    tmp_path: Path,
) -> None:
    async with processes(tmp_path, Folder(tmp_path), Folder(tmp_path), gap_s=0.1, hold_s=0.3) as (dead, second):
        await dead.take(0)
        assert dead.holds(0)
        await second.take(0)
        assert not dead.holds(0)
        second.sent(0)


async def test_what_is_old_is_deleted_and_another_bot_of_the_storage_does_not_wait(tmp_path: Path) -> None:
    async with processes(tmp_path, Folder(tmp_path), gap_s=0.0, hold_s=0.5) as (turns,):
        here = TurnsOnThisMachine(tmp_path / "machine 0", BOT + 1, 0.0)
        other = TurnsInStorage(here, turns._storage, BOT + 1, turns._spawn, 0.0, 60.0)
        for _ in range(4):
            await turns.take(0)
            await other.take(0)
            other.give_back(0)
            turns.sent(0)
        folder = tmp_path / "identify" / str(BOT) / "0"
        await until(lambda: len(list(folder.iterdir())) == 1)
        assert [path.name >= "000000000008" for path in folder.iterdir()] == [True]


class Hanging(Folder):
    """A storage that answers after the tests."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.over = threading.Event()

    def names(self, folder: str) -> list[str]:
        self.over.wait()
        return []


@pytest.mark.parametrize("kind", ["away", "hangs", "damaged"])
async def test_without_an_answer_of_the_storage_a_bot_connects_by_the_turns_of_its_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    monkeypatch.setattr(storage_turns, "DEADLINE_S", 0.2)
    storage: Folder = Folder(tmp_path / "not mounted")
    if kind == "hangs":
        storage = Hanging(tmp_path)
    elif kind == "damaged":
        storage = Folder(tmp_path)
        storage.create(f"identify/{BOT}/0/000000000003", b"no JSON")
    async with processes(tmp_path, storage, gap_s=0.05, hold_s=60.0) as (turns,):
        async with asyncio.timeout(60):
            await turns.take(0)
            assert turns.holds(0)
            turns.sent(0)
            await turns.take(0)  # it is not asked again for a while
            turns.sent(0)
        if isinstance(storage, Hanging):
            storage.over.set()
    assert caplog.text.count("gives no turn to connect") == 1
    assert len(list((tmp_path / "machine 0").iterdir())) == 1


async def test_two_processes_of_different_machines_connect_without_one_refusal(tmp_path: Path) -> None:
    place, gap_s = sharded_town(4), 0.4
    async with open_sandbox(place.world) as sandbox:
        starts = sandbox.gateway.starts
        starts.gap_s, starts.max_concurrency = gap_s, 2
        (tmp_path / "storage").mkdir()
        settings = joining(
            sandbox, AFTERIMAGE_FLEET_STORAGE=str(tmp_path / "storage"), CHILD_IDENTIFY_S=str(gap_s + 0.1)
        )

        def of(name: str, shards: str) -> dict[str, str]:
            folder = tmp_path / name
            folder.mkdir()
            return {
                **settings,
                "AFTERIMAGE_DISCORD_SHARDS": shards,
                "AFTERIMAGE_DISCORD_TURNS_DIR": str(folder / "turns"),
                "AFTERIMAGE_FLEET_NAME": name,
            }

        async with (
            child(tmp_path / "low", "run", **of("low", "0-1/4")) as low,
            child(tmp_path / "high", "run", **of("high", "2-3/4")) as high,
        ):
            await low.says("connected as")
            await high.says("connected as")
        assert [asked.accepted for asked in starts.asked] == [True] * 4
        for bucket in range(2):
            first, second = [asked.at_s for asked in starts.asked if asked.shard[0] % 2 == bucket]
            assert second - first >= gap_s
