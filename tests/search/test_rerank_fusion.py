"""How two orders become one, and how much a second model is asked for: what always holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.errors import NoMemory
from indexer.search.rerank import in_batches
from indexer.search.rerank_fusion import Fusion, calibrated, combined, fused
from indexer.search.rerank_limits import BatchSize, Budget

FUSIONS: tuple[Fusion, ...] = ("replace", "weighted", "rank")
SCORES = st.floats(-1, 1, width=16)


@st.composite
def two_stages(draw: st.DrawFn) -> tuple[dict[int, float], dict[int, float]]:
    """First scores, best first, and second scores of some of the items."""
    values = sorted(draw(st.lists(SCORES, max_size=12)), reverse=True)
    first = dict(enumerate(values))
    return first, {item: draw(SCORES) for item in first if draw(st.booleans())}


@given(two_stages(), st.sampled_from(FUSIONS), st.floats(0, 1))
def test_nothing_is_lost_and_nothing_is_added(
    scores: tuple[dict[int, float], dict[int, float]], fusion: Fusion, weight: float
) -> None:
    first, second = scores
    assert sorted(fused(fusion, weight, first, second)) == sorted(first)


@given(two_stages(), st.sampled_from(("weighted", "rank")))
def test_a_second_model_that_counts_nothing_changes_nothing(
    scores: tuple[dict[int, float], dict[int, float]], fusion: Fusion
) -> None:
    first, second = scores
    assert fused(fusion, 0.0, first, second) == list(first)


@given(two_stages(), st.sampled_from(FUSIONS))
def test_a_second_model_that_counts_alone_orders_what_it_has_scored(
    scores: tuple[dict[int, float], dict[int, float]], fusion: Fusion
) -> None:
    first, second = scores
    ordered = [second[item] for item in fused(fusion, 1.0, first, second) if item in second]
    assert ordered == pytest.approx(sorted(ordered, reverse=True), abs=1e-5)


@given(two_stages())
def test_what_the_second_model_has_not_scored_keeps_its_place_where_it_replaces(
    scores: tuple[dict[int, float], dict[int, float]],
) -> None:
    first, second = scores
    found = fused("replace", 0.5, first, second)
    assert all(found[place] == item for place, item in enumerate(first) if item not in second)


@given(two_stages(), st.sampled_from(FUSIONS), st.floats(0.5, 4), st.floats(-3, 3))
def test_the_scale_of_a_models_scores_means_nothing(
    scores: tuple[dict[int, float], dict[int, float]], fusion: Fusion, factor: float, shift: float
) -> None:
    first, second = scores
    # Halves of small whole numbers: what is equal stays equal, whatever is added.
    second = {item: round(score * 8) / 8 for item, score in second.items()}
    factor, shift = round(factor * 2) / 2, round(shift * 2) / 2
    other = {item: score * factor + shift for item, score in second.items()}
    if fusion == "weighted":  # sums of deviations are rounded: only which are clearly apart is compared
        one, two = (calibrated(values, values) for values in (second, other))
        assert one == pytest.approx(two, abs=1e-6)
        return
    assert fused(fusion, 0.5, first, second) == fused(fusion, 0.5, first, other)


@given(two_stages(), st.sampled_from(FUSIONS))
def test_two_stages_that_agree_change_nothing(
    scores: tuple[dict[int, float], dict[int, float]], fusion: Fusion
) -> None:
    first, second = scores
    agreeing = {item: first[item] for item in second}
    assert fused(fusion, 0.5, first, agreeing) == list(first)


def test_of_two_equal_first_scores_the_second_model_decides() -> None:
    first, second = {"a": 0.5, "b": 0.5, "c": 0.1}, {"a": 0.1, "b": 0.9, "c": 0.2}
    for fusion in FUSIONS:
        assert fused(fusion, 0.5, first, second)[0] == "b"


def test_parts_of_a_question_count_by_their_weight_whatever_their_scale() -> None:
    wide, narrow = np.array([0.0, 10.0, 20.0], np.float32), np.array([0.30, 0.20, 0.25], np.float32)
    assert combined([(1.0, narrow)]).tolist() == narrow.tolist()
    assert np.argsort(-combined([(0.9, wide), (0.1, narrow)])).tolist() == [2, 1, 0]
    assert np.argsort(-combined([(0.1, wide), (0.9, narrow)])).tolist() == [0, 2, 1]
    assert np.argmax(combined([(1.0, narrow), (-3.0, narrow)])) == 1


@given(st.integers(0, 40), st.integers(1, 32), st.integers(0, 32))
def test_batches_are_halved_until_memory_is_enough_and_stay_so(count: int, most: int, memory: int) -> None:
    size, sizes = BatchSize(most), []

    async def work(some: Sequence[int]) -> Sequence[int]:
        if len(some) > memory:
            raise NoMemory("too many")
        sizes.append(len(some))
        return some

    async def run() -> list[int]:
        return await in_batches(size, list(range(count)), work)

    if count and memory == 0:
        with pytest.raises(NoMemory):
            asyncio.run(run())
        return
    assert asyncio.run(run()) == list(range(count))
    assert all(1 <= used <= min(most, memory) for used in sizes)
    assert 1 <= size.now <= most


@given(st.lists(st.tuples(st.integers(1, 32), st.floats(0.01, 3)), max_size=20), st.floats(0.1, 10), st.integers(1, 32))
def test_no_batch_is_begun_that_would_end_after_the_budget(
    taken: list[tuple[int, float]], seconds: float, most: int
) -> None:
    now = 0.0
    budget = Budget(seconds, lambda: now)
    slowest = 0.0
    for pictures, took_s in taken:
        count = budget.affords(most)
        assert 0 <= count <= most
        assert not slowest or count * slowest <= budget.left_s + 1e-9
        if not count:
            break
        now += took_s
        budget.took(pictures, took_s)
        slowest = max(slowest, took_s / pictures)
    if now >= seconds:
        assert budget.affords(most) == 0
