"""Long computations: one at a time, one a member, stopped when nobody waits, and never in the way of a search."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import numpy as np
import pytest

from indexer import long_work
from indexer.long_work import AlreadyRunning, LongWork, Stopped, TooManyWaiting, open_long_work
from indexer.search.copies import Comparable, leaders

DEADLINE_S = 30.0


@pytest.fixture
async def work() -> AsyncIterator[LongWork]:
    async with open_long_work() as opened:
        yield opened


class Computation:
    """Runs until it is released or, looking between steps, sees that it shall stop."""

    def __init__(self, *, looks: bool = True) -> None:
        self.begun, self.released, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.looks = looks
        self.thread = ""

    def __call__(self, stop: threading.Event) -> str:
        self.thread = threading.current_thread().name
        self.begun.set()
        try:
            while not self.released.wait(0.005):
                if self.looks and stop.is_set():
                    raise Stopped("asked to")
            return "done"
        finally:
            self.ended.set()


async def asked(work: LongWork, owner: int, computation: Computation) -> str:
    async with work.turn(owner):
        return await work.run(computation)


async def seen(event: threading.Event) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not event.is_set():  # noqa: ASYNC110 -- set by another thread
            await asyncio.sleep(0.001)


async def test_six_at_once_by_one_member_take_one_turn_and_no_thread_of_anybody_else(work: LongWork) -> None:
    first = Computation()
    running = asyncio.create_task(asked(work, 1, first))
    await seen(first.begun)
    others = [Computation() for _ in range(5)]
    refused = await asyncio.gather(*(asked(work, 1, other) for other in others), return_exceptions=True)
    assert [type(refusal) for refusal in refused] == [AlreadyRunning] * 5
    assert not any(other.begun.is_set() for other in others)
    async with asyncio.timeout(DEADLINE_S):  # a stranger's search: its thread is free, and not the long one
        assert await asyncio.to_thread(lambda: threading.current_thread().name) != first.thread
    first.released.set()
    assert await running == "done"


async def test_the_turn_is_held_until_the_work_has_really_ended(work: LongWork) -> None:
    deaf = Computation(looks=False)
    running = asyncio.create_task(asked(work, 1, deaf))
    await seen(deaf.begun)
    running.cancel()
    second = Computation()
    waiting = asyncio.create_task(asked(work, 2, second))
    await asyncio.sleep(0.05)
    assert not running.done()
    assert not second.begun.is_set()
    with pytest.raises(AlreadyRunning):
        await asked(work, 1, Computation())
    deaf.released.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    await seen(second.begun)
    assert deaf.ended.is_set()
    second.released.set()
    assert await waiting == "done"


async def test_past_its_deadline_the_work_is_stopped(work: LongWork) -> None:
    computation = Computation()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await asked(work, 1, computation)
    assert computation.ended.is_set()
    after = Computation()
    after.released.set()
    assert await asked(work, 1, after) == "done"


async def test_more_than_a_few_members_do_not_queue(work: LongWork, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_work, "MOST_OWNERS", 2)
    first = Computation()
    running = [asyncio.create_task(asked(work, owner, first)) for owner in (1, 2)]
    await seen(first.begun)
    with pytest.raises(TooManyWaiting):
        await asked(work, 3, Computation())
    first.released.set()
    assert await asyncio.gather(*running) == ["done", "done"]


async def test_closing_stops_what_runs() -> None:
    computation = Computation()
    async with open_long_work() as work:
        running = asyncio.create_task(asked(work, 1, computation))
        await seen(computation.begun)
    with pytest.raises(Stopped):
        await running
    with pytest.raises(Stopped):
        await asked(work, 1, Computation())


def test_comparing_looks_for_a_stop_between_two_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.search.copies._BLOCK", 10)

    class Third(threading.Event):
        looks = 0

        def is_set(self) -> bool:
            self.looks += 1
            return self.looks == 3

    vectors = np.eye(100, dtype=np.float32)
    pictures = Comparable(vectors, np.zeros(100, np.uint64))
    stop = Third()
    with pytest.raises(Stopped):
        leaders(pictures, 0.95, 0.3, stop=stop)
    assert stop.looks == 3
    assert leaders(pictures, 0.95, 0.3) == [(number, 1.0) for number in range(100)]
