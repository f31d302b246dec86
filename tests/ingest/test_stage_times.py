"""How long pictures are in a stage, and how many are there now."""

from __future__ import annotations

import asyncio

import pytest

from indexer.ingest.stage_times import ENCODE, STORE, StageTimes


async def test_each_picture_of_a_batch_counts_and_a_failure_too_but_nothing_that_was_cancelled() -> None:
    times, told = StageTimes(), []
    times.observed = lambda stage, seconds: told.append((stage, seconds >= 0))
    with times.timed(STORE, 3):
        assert (times.under_way(STORE), times.under_way(ENCODE)) == (3, 0)
    with pytest.raises(ValueError, match="no picture"), times.timed(ENCODE):
        raise ValueError("no picture")
    with pytest.raises(asyncio.CancelledError), times.timed(ENCODE):
        raise asyncio.CancelledError
    assert told == [(STORE, True)] * 3 + [(ENCODE, True)]
    assert (times.under_way(STORE), times.under_way(ENCODE)) == (0, 0)
