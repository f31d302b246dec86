"""The queue between the stages: bounded, fair between guilds, live work first, nothing lost by cancellation."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.backoff import LONGEST_TOLD_S, Backoff, with_retries
from indexer.errors import RetryLater
from indexer.ingest.fair_queue import FairQueue, Lane
from indexer.records.ids import GuildId
from tests.worlds.waiting import DEADLINE_S

ONE, TWO, LIVE = Lane(1, GuildId(1)), Lane(1, GuildId(2)), Lane(0, GuildId(2))


async def test_a_lane_keeps_its_order_and_lanes_take_turns() -> None:
    lanes: FairQueue[str] = FairQueue(10)
    for item in ("a1", "a2", "a3"):
        await lanes.put(ONE, item)
    for item in ("b1", "b2"):
        await lanes.put(TWO, item)
    assert [await lanes.get() for _ in range(5)] == ["a1", "b1", "a2", "b2", "a3"]
    assert lanes.get_nowait() is None


async def test_who_takes_of_one_lane_alone_gets_its_items_in_order_and_no_others() -> None:
    lanes: FairQueue[str] = FairQueue(2)
    taking = [asyncio.create_task(lanes.get(TWO)) for _ in range(2)]
    await asyncio.sleep(0)
    await lanes.put(LIVE, "live")
    await lanes.put(ONE, "a1")
    await asyncio.sleep(0)
    assert not any(task.done() for task in taking)
    await lanes.put(TWO, "b1")
    await lanes.put(TWO, "b2")
    assert [await task for task in taking] == ["b1", "b2"]
    assert [await lanes.get() for _ in range(2)] == ["live", "a1"]


async def test_an_item_for_a_taker_of_its_lane_that_is_cancelled_goes_to_another_taker() -> None:
    lanes: FairQueue[str] = FairQueue(2)
    own, any_lane = asyncio.create_task(lanes.get(ONE)), asyncio.create_task(lanes.get())
    await asyncio.sleep(0)
    await lanes.put(ONE, "a1")
    own.cancel()
    async with asyncio.timeout(DEADLINE_S):
        assert await any_lane == "a1"


async def test_a_giver_goes_on_when_its_lane_alone_is_taken_from() -> None:
    lanes: FairQueue[str] = FairQueue(1)
    await lanes.put(ONE, "a1")
    giving = asyncio.create_task(lanes.put(ONE, "a2"))
    await asyncio.sleep(0)
    assert not giving.done()
    assert await lanes.get(ONE) == "a1"
    async with asyncio.timeout(DEADLINE_S):
        await giving
        assert await lanes.get(ONE) == "a2"


async def test_live_work_overtakes_the_backlog() -> None:
    lanes: FairQueue[str] = FairQueue(10)
    await lanes.put(ONE, "backlog")
    await lanes.put(LIVE, "live")
    assert await lanes.get() == "live"


async def test_a_full_lane_makes_its_giver_wait_and_no_other() -> None:
    lanes: FairQueue[int] = FairQueue(2)
    await lanes.put(ONE, 1)
    await lanes.put(ONE, 2)
    assert not lanes.offer(ONE, 3)
    waiting = asyncio.create_task(lanes.put(ONE, 3))
    await lanes.put(TWO, 9)
    await asyncio.sleep(0)
    assert not waiting.done()
    await lanes.get()
    await waiting
    assert len(lanes) == 3


async def test_a_dropped_lane_lets_its_givers_go_on() -> None:
    lanes: FairQueue[int] = FairQueue(1)
    await lanes.put(ONE, 1)
    waiting = asyncio.create_task(lanes.put(ONE, 2))
    await asyncio.sleep(0)
    assert lanes.drop(ONE) == [1]
    await waiting
    assert await lanes.get() == 2


def test_a_lane_must_hold_something() -> None:
    with pytest.raises(ValueError, match="at least one"):
        FairQueue(0)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([ONE, TWO, LIVE]), st.booleans()), max_size=40),
    st.lists(st.booleans(), max_size=40),
    st.integers(1, 3),
)
async def test_whatever_is_cancelled_each_item_is_got_once_and_the_bound_holds(
    puts: list[tuple[Lane, bool]], gets: list[bool], bound: int
) -> None:
    lanes: FairQueue[int] = FairQueue(bound)
    got: list[int] = []

    async def take() -> None:
        got.append(await lanes.get())

    givers = [asyncio.create_task(lanes.put(lane, number)) for number, (lane, _) in enumerate(puts)]
    takers = [asyncio.create_task(take()) for _ in gets]
    for _ in range(3):
        await asyncio.sleep(0)
        assert all(len(lanes._items(lane)) <= bound for lane in (ONE, TWO, LIVE))
    for giver, (_, cancelled) in zip(givers, puts, strict=True):
        if cancelled:
            giver.cancel()
    for taker, cancelled in zip(takers, gets, strict=True):
        if cancelled:
            taker.cancel()
    async with asyncio.timeout(DEADLINE_S):
        while not all(giver.done() for giver in givers):
            for _ in range(3):
                await asyncio.sleep(0)
            if (item := lanes.get_nowait()) is not None:
                got.append(item)
    for taker in takers:
        taker.cancel()
    await asyncio.gather(*takers, return_exceptions=True)
    while (item := lanes.get_nowait()) is not None:
        got.append(item)
    given_items = {n for n, giver in enumerate(givers) if not giver.cancelled()}
    assert Counter(got) == Counter(given_items)
    assert not lanes._givers.get(ONE)


@given(st.integers(1, 60), st.none() | st.floats(0, 1e6))
def test_waits_grow_but_never_beyond_what_is_sensible(failures: int, told: float | None) -> None:
    backoff = Backoff(tries=9, first_s=1.0, longest_s=120.0)
    wait = backoff.wait_s(failures, told)
    assert 0.5 <= wait <= max(120.0, LONGEST_TOLD_S)
    if told is not None:
        assert wait >= min(told, LONGEST_TOLD_S)


async def test_patience_ends() -> None:
    tries = 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        raise RetryLater("busy")

    with pytest.raises(RetryLater):
        await with_retries(work, Backoff(tries=3, first_s=0.001, longest_s=0.002))
    assert tries == 3
