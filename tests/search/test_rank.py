"""How lists become one order, and how close is close."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.records.hits import Band
from indexer.records.pictures import Vectors
from indexer.search.query_vector import make_query_vector
from indexer.search.rank import (
    diverse,
    groups_of_alike,
    hamming,
    normalised,
    reciprocal_rank_fusion,
)
from indexer.search.score_bands import LEAST_SAMPLE, Background, Calibration


def unit(*values: float) -> Vectors:
    return normalised(np.array(values, np.float32))


def test_an_item_in_both_lists_goes_before_the_first_of_either() -> None:
    fused = reciprocal_rank_fusion([[("a", 1.0), ("b", 1.0), ("c", 1.0)], [("d", 1.0), ("c", 1.0)]])
    assert list(fused) == ["c", "a", "d", "b"]
    assert fused["c"] == pytest.approx(1 / 63 + 1 / 62)


def test_equal_sums_keep_the_order_of_the_lists() -> None:
    assert list(reciprocal_rank_fusion([[("x", 1.0)], [("y", 1.0)]])) == ["x", "y"]


def test_an_item_with_less_weight_goes_behind_one_of_a_lower_rank() -> None:
    assert list(reciprocal_rank_fusion([[("x", 0.2), ("y", 1.0)]])) == ["y", "x"]


@given(st.lists(st.integers(0, 20), unique=True, max_size=15))
def test_one_list_alone_is_not_reordered(items: list[int]) -> None:
    assert list(reciprocal_rank_fusion([[(item, 1.0) for item in items], []])) == items


def test_without_diversity_nothing_moves() -> None:
    assert diverse([3, 2, 1], np.eye(3, dtype=np.float32), 2, 0.0) == [0, 1]


def test_diversity_prefers_what_is_new_over_a_copy_of_what_is_shown() -> None:
    vectors = np.stack([unit(1, 0, 0), unit(1, 0.01, 0), unit(0, 1, 0)])
    assert diverse([1.0, 0.99, 0.6], vectors, 2, 0.5) == [0, 2]


@given(st.integers(0, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_diversity_picks_each_item_at_most_once_and_the_best_first(
    size: int, count: int, diversity: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(size, 4)).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    relevance = sorted(rng.random(size), reverse=True)
    picked = diverse(relevance, vectors, count, diversity)
    assert len(picked) == len(set(picked)) == min(size, count)
    if diversity < 1 and picked:
        assert picked[0] == 0


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_hashes_differ_alike_whether_signed_or_not(left: int, right: int) -> None:
    signed = left - 2**64 if left >= 2**63 else left
    assert hamming(left, right) == hamming(right, signed) == bin(left ^ right).count("1")


@given(st.integers(0, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
def test_groups_are_what_is_connected(size: int, pairs: list[tuple[int, int]]) -> None:
    pairs = [(left, right) for left, right in pairs if left < size and right < size]
    groups = groups_of_alike(pairs, size)
    assert sorted(itertools.chain(*groups)) == list(range(size))
    where = {item: index for index, group in enumerate(groups) for item in group}
    assert all(where[left] == where[right] for left, right in pairs)
    assert len(groups) >= size - len(pairs)
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)


def test_a_vector_of_length_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="has no direction"):
        normalised(np.zeros(3, np.float32))


SAMPLE = np.stack([unit(1, value / 40, 0) for value in range(-20, 20)])


def test_a_picture_alone_is_searched_for_as_it_is() -> None:
    picture = unit(0.3, 0.5, 0.1)
    target = make_query_vector([picture], None, [], SAMPLE, 0.5)
    assert target is not None
    np.testing.assert_allclose(target.vector, picture, atol=1e-6)


def test_nothing_asked_is_no_target() -> None:
    assert make_query_vector([], None, [unit(1, 0, 0)], SAMPLE, 0.5) is None


def test_an_excluded_word_turns_the_search_away_from_it() -> None:
    asked, unwanted = unit(1, 1, 0), unit(0, 1, 0)
    target = make_query_vector([], asked, [unwanted], np.empty((0, 3), np.float32), 0.5)
    assert target is not None
    assert float(target.vector @ unwanted) < float(asked @ unwanted)


def test_excluding_exactly_what_is_asked_for_leaves_the_question() -> None:
    asked = unit(1, 0, 0)
    target = make_query_vector([], asked, [asked, asked], np.empty((0, 3), np.float32), 0.5)
    assert target is not None
    np.testing.assert_allclose(target.vector, asked, atol=1e-6)


def test_all_weight_on_one_side_leaves_the_other_without_a_say() -> None:
    picture, words = unit(1, 0, 0), unit(0, 1, 0)
    for weight, wanted in ((1.0, picture), (0.0, words)):
        target = make_query_vector([picture], words, [], SAMPLE, weight)
        assert target is not None
        np.testing.assert_allclose(target.vector, wanted, atol=1e-6)


BACKGROUND = Background(middle=0.5, spread=0.05)
REFERENCES = np.stack([unit(0, 0, 1), unit(0, 1, 1)])


def calibration(size: int = 40) -> Calibration:
    """Of pictures whose nearest neighbours stand at 0.9987 (a quarter of 0.1 apart)."""
    return Calibration.measured(SAMPLE[:size], REFERENCES)


def test_the_same_bytes_are_the_same_picture_whatever_the_model_thinks() -> None:
    assert calibration().picture_band(0.1, BACKGROUND, hash_distance=64, same_bytes=True, copied=False) is Band.SAME


def test_a_recompressed_picture_is_the_same_only_if_hash_and_model_agree_and_a_copy_only_if_hash_or_pixels_do() -> None:
    held = calibration()
    assert held.picture_band(0.99, BACKGROUND, hash_distance=2, same_bytes=False, copied=False) is Band.SAME
    assert held.picture_band(0.99, BACKGROUND, hash_distance=30, same_bytes=False, copied=True) is Band.EDITED
    assert held.picture_band(0.30, BACKGROUND, hash_distance=None, same_bytes=False, copied=True) is Band.EDITED
    assert held.picture_band(0.99, BACKGROUND, hash_distance=30, same_bytes=False, copied=False) is Band.VERY_SIMILAR
    assert held.picture_band(0.90, BACKGROUND, hash_distance=2, same_bytes=False, copied=False) is not Band.SAME


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_higher_cosine_is_never_in_a_farther_band(first: float, other: float) -> None:
    order = list(Band)
    low, high = sorted((first, other))
    held = calibration()
    for near, far in (
        (held.words_band(10 * high, 5.0), held.words_band(10 * low, 5.0)),
        (held.both_band(10 * high, 5.0), held.both_band(10 * low, 5.0)),
        (
            held.picture_band(high, BACKGROUND, hash_distance=3, same_bytes=False, copied=False),
            held.picture_band(low, BACKGROUND, hash_distance=3, same_bytes=False, copied=False),
        ),
    ):
        assert order.index(near) <= order.index(far)


def test_what_scores_like_any_picture_of_the_guild_is_far_off() -> None:
    held = calibration()
    assert held.picture_band(0.55, BACKGROUND, hash_distance=30, same_bytes=False, copied=False) is Band.FAR
    assert not held.picture_enough(0.55)
    assert held.words_band(0.0, 3.0) is Band.FAR
    assert not held.words_enough(0.0, 400)


def test_a_guild_with_a_handful_of_pictures_has_no_distribution_to_judge_by() -> None:
    few = calibration(LEAST_SAMPLE - 1)
    assert few.words_band(-1.0, 3.0) is Band.RELATED
    assert few.words_enough(-1.0, 400)
    assert few.picture_enough(-1.0)
    assert few.picture_band(-1.0, BACKGROUND, hash_distance=None, same_bytes=False, copied=False) is Band.RELATED


def test_the_best_of_more_pictures_must_stand_higher() -> None:
    held = calibration()
    assert held.words_enough(2.15, 400)
    assert not held.words_enough(2.15, 100_000)
    assert held.words_enough(2.0, 50)


def test_beside_a_very_good_hit_a_weak_one_is_far_off() -> None:
    held = calibration()
    assert held.words_band(2.2, 3.0) is Band.RELATED
    assert held.words_band(2.0, 6.0) is Band.FAR


def test_reposts_in_the_sample_do_not_raise_the_bar() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(40, 64)).astype(np.float32)
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    references = np.stack([pictures[0], pictures[1]])
    once = Calibration.measured(pictures, references)
    twice = Calibration.measured(np.concatenate([pictures, pictures]), references)
    assert twice.typical == pytest.approx(once.typical)


def test_a_sentence_stands_as_high_as_it_beats_sentences_taken_at_random() -> None:
    held = calibration()
    fits = SAMPLE @ REFERENCES.T
    average = float(np.median(fits))
    assert held.words_standing(average, average) == pytest.approx(0.0, abs=1e-5)
    assert held.words_standing(average + 0.1, average) > held.words_standing(average + 0.05, average) > 0
    assert held.words_standing(average + 0.1, average) > held.words_standing(average + 0.1, average + 0.05)


def test_an_empty_sample_has_a_background_all_the_same() -> None:
    assert Background.of(unit(1, 0), np.empty((0, 2), np.float32)) == Background(0.0, 1.0)
