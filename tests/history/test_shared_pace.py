"""Discord's limit holds for the whole bot: its processes share what history takes of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.shards import ShardRange
from bot.history.rest import LEAST_PER_SECOND, PER_SECOND, shared_pace

SECONDS = 60


def requests(share: float, per_second: float = 0.0) -> list[float]:
    """The times at which a process sends that always has something to ask, for so many seconds."""
    pace, now, turns = shared_pace(share, per_second), 1000.0, list[float]()
    while now < 1000.0 + SECONDS:
        now += pace.wait_s(now)
        turns.append(now)
    return turns


@given(st.integers(1, 35), st.data())
def test_however_the_shards_are_spread_all_processes_together_ask_as_one_would(count: int, data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(1, count - 1), max_size=6)) if count > 1 else set[int]()
    edges = [0, *sorted(cuts), count]
    parts = [ShardRange(first, after - 1, count) for first, after in pairwise(edges)]
    turns = sorted(turn for part in parts for turn in requests(part.share))
    assert len(turns) <= PER_SECOND * SECONDS + 10 + 2 * len(parts)
    most = 46 + len(parts)  # of Discord's 50: 35, a burst of 10, and one that each process begins with
    for first, later in zip(turns, turns[most:], strict=False):
        assert later - first > 0.999


def test_a_process_takes_the_part_of_its_shards_and_no_less_than_members_need() -> None:
    long_run = {share: round(len(requests(share)) / SECONDS, 1) for share in (1.0, 0.5, 0.25, 1 / 1000)}
    assert long_run == {1.0: pytest.approx(35, abs=0.3), 0.5: pytest.approx(17.5, abs=0.3), 0.25: 8.8, 0.001: 1.0}
    assert LEAST_PER_SECOND == 1.0


def test_the_configuration_may_say_another_pace() -> None:
    assert len(requests(0.25, per_second=100.0)) / SECONDS == pytest.approx(100, abs=1)
