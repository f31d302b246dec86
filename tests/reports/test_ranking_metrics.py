"""Measures of a ranking: their definitions on plain lists, and what must hold for every ranking."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.reports.ranking_metrics import average_precision, percentile, recall_at, reciprocal_rank

ITEMS = [str(number) for number in range(6)]
# Each expected item is shown by one hit at most here: so do plain lists.
PLAIN = st.lists(st.sampled_from([*ITEMS, *[""] * 4]), max_size=12).map(
    lambda row: [frozenset({item} - {""}) if item not in row[:at] else frozenset() for at, item in enumerate(row)]
)
RANKINGS = st.lists(st.frozensets(st.sampled_from(ITEMS), max_size=3), max_size=12)


def ranked(text: str) -> list[frozenset[str]]:
    """A letter a hit; "-" is a hit that shows nothing expected."""
    return [frozenset(hit) - {"-"} for hit in text]


@pytest.mark.parametrize(
    ("ranking", "expected", "recalls", "rank", "precision"),
    [
        ("a", 1, (1.0, 1.0, 1.0), 1.0, 1.0),
        ("-a", 1, (0.0, 1.0, 1.0), 1 / 2, 1 / 2),
        ("a-b", 2, (0.5, 1.0, 1.0), 1.0, (1 + 2 / 3) / 2),
        ("-----a", 1, (0.0, 0.0, 1.0), 1 / 6, 1 / 6),
        ("---", 2, (0.0, 0.0, 0.0), 0.0, 0.0),
        ("", 3, (0.0, 0.0, 0.0), 0.0, 0.0),
    ],
)
def test_the_measures_are_those_of_the_textbooks(
    ranking: str, expected: int, recalls: tuple[float, ...], rank: float, precision: float
) -> None:
    hits = ranked(ranking)
    assert tuple(recall_at(hits, expected, top) for top in (1, 5, 10)) == recalls
    assert reciprocal_rank(hits) == rank
    assert average_precision(hits, expected) == pytest.approx(precision)


@given(RANKINGS)
def test_every_measure_lies_between_0_and_1_and_recall_grows_with_the_list(ranking: list[frozenset[str]]) -> None:
    expected = len(ITEMS)
    recalls = [recall_at(ranking, expected, top) for top in range(1, 14)]
    assert recalls == sorted(recalls)
    values = [*recalls, reciprocal_rank(ranking), average_precision(ranking, expected)]
    assert all(0 <= value <= 1 + 1e-12 for value in values)
    assert (reciprocal_rank(ranking) > 0) == (average_precision(ranking, expected) > 0) == (recalls[-1] > 0)


@given(PLAIN)
def test_average_precision_is_the_mean_of_the_precisions_at_each_expected_item(ranking: list[frozenset[str]]) -> None:
    right = [bool(hit) for hit in ranking]
    sums = [sum(right[: at + 1]) / (at + 1) for at, hit in enumerate(right) if hit]
    assert average_precision(ranking, len(ITEMS)) == pytest.approx(math.fsum(sums) / len(ITEMS))


@given(RANKINGS)
def test_a_useless_hit_in_front_makes_no_measure_better(ranking: list[frozenset[str]]) -> None:
    worse = [frozenset[str](), *ranking]
    assert reciprocal_rank(worse) <= reciprocal_rank(ranking)
    assert average_precision(worse, len(ITEMS)) <= average_precision(ranking, len(ITEMS))
    assert recall_at(worse, len(ITEMS), 5) <= recall_at(ranking, len(ITEMS), 5)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values) + 1e-9
