"""Which pairs are compared by their pixels is told from the two pictures and the channels that show them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexer.records.ids import ChannelId, PictureId
from indexer.search.copies import Comparable
from indexer.search.pairs_in_doubt import LEAST_SCORE, NEAREST, in_doubt, nearest

FAR = 0xF0F0_F0F0_0F0F_0F0F  # a hash 32 bits away from 0xFFFF, mirrored or not
PUBLIC, HIDDEN = ChannelId(1), ChannelId(2)


def pictures(cosines: list[float], hashes: list[int]) -> Comparable:
    """Vectors with these cosines to (1, 0)."""
    vectors = np.array([[cosine, np.sqrt(1 - cosine**2)] for cosine in cosines], np.float32)
    return Comparable(vectors, np.array(hashes, np.uint64))


def test_what_is_near_enough_is_in_doubt_unless_the_hash_or_nothing_to_see_decides() -> None:
    own = pictures([1.0], [0xFFFF])
    others = pictures(
        [0.9, LEAST_SCORE - 0.01, 0.99, 1.0, 1.0, 0.5],
        [FAR, FAR, 0xFFFE, 0, FAR, 0xFF0F],
    )
    ids = [PictureId(number) for number in (2, 3, 4, 5, 1, 6)]
    found = in_doubt([PictureId(1)], own, ids, others)
    assert {picture for _, picture in found[PictureId(1)]} == {2}
    assert in_doubt([PictureId(1)], pictures([1.0], [0]), ids, others) == {}
    assert in_doubt([], pictures([], []), ids, others) == {}


def test_a_hash_that_agrees_somewhat_counts_beside_the_cosine() -> None:
    others = pictures([0.75, 0.75], [0xFFFF ^ 0b11_1111, FAR])
    found = in_doubt([PictureId(1)], pictures([1.0], [0xFFFF]), [PictureId(2), PictureId(3)], others)
    assert {picture for _, picture in found[PictureId(1)]} == {2}


where = st.frozensets(st.sampled_from([PUBLIC, HIDDEN, ChannelId(3)]), min_size=1)


@given(st.lists(st.tuples(st.floats(0.8, 1.0), where), min_size=10, max_size=30))
def test_what_a_hidden_channel_shows_takes_no_place_of_what_others_show(
    pictures: list[tuple[float, frozenset[ChannelId]]],
) -> None:
    found = {PictureId(number): score for number, (score, _) in enumerate(pictures)}
    channels = {PictureId(number): shown_in for number, (_, shown_in) in enumerate(pictures)}
    everything = [(score, picture) for picture, score in found.items()]
    with_hidden = [picture for _, picture in nearest(everything, channels)]
    visible = {picture: seen - {HIDDEN} for picture, seen in channels.items()}
    without = [picture for _, picture in nearest(everything, visible)]
    in_parts = nearest([*nearest(everything[:9], visible), *everything[9:]], visible)
    assert [picture for _, picture in in_parts] == without
    assert set(without) <= set(with_hidden)
    assert all(HIDDEN in channels[picture] for picture in set(with_hidden) - set(without))
    for channel in (PUBLIC, ChannelId(3)):
        here = [picture for picture in without if channel in channels[picture]]
        best = sorted(
            (picture for picture in found if channel in channels.get(picture, ())), key=lambda p: (-found[p], p)
        )
        assert set(best[:NEAREST]) <= set(here)
