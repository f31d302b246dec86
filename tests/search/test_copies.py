"""Copies among a search's candidates: the quick look never hides what the whole comparison would find."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexer.records.hits import Place
from indexer.records.ids import ChannelId, MessageId, PictureId, PlaceId, UserId
from indexer.records.messages import PlaceFlag
from indexer.search.copies import groups_of_copies, repeated_elsewhere
from indexer.search.picture_facts import PictureFacts

TYPICAL = 0.5


def facts_of(angles: list[float], hashes: list[int]) -> dict[PictureId, PictureFacts]:
    """Pictures on a circle: the cosine of two is that of the angle between them."""
    return {
        PictureId(number): PictureFacts(np.array([np.cos(angle), np.sin(angle)], np.float32), bytes([number]), bits)
        for number, (angle, bits) in enumerate(zip(angles, hashes, strict=True), start=1)
    }


def place(message: int) -> Place:
    return Place(MessageId(message), PlaceId(message), ChannelId(1), UserId(1), PlaceFlag(0))


@given(
    pictures=st.lists(
        st.tuples(st.floats(0, 1.5), st.sampled_from([0, 1, 0xFF, 0xFFFF_FFFF_FFFF_FFFF])), min_size=1, max_size=9
    ),
    order=st.permutations(range(9)),
    data=st.data(),
)
def test_where_nothing_is_repeated_elsewhere_no_group_goes_beyond_its_hit(
    pictures: list[tuple[float, int]], order: list[int], data: st.DataObject
) -> None:
    facts = facts_of([angle for angle, _ in pictures], [bits for _, bits in pictures])
    posted = {picture_id: (place(1 + order[at]),) for at, picture_id in enumerate(facts)}
    hit = data.draw(st.sets(st.sampled_from(list(facts)), min_size=1))
    groups = groups_of_copies(facts, posted, TYPICAL)
    beyond = {copy for picture_id in hit for copy in groups[picture_id]} - hit
    if beyond:
        assert repeated_elsewhere([sorted(hit)], facts, TYPICAL)


def test_an_equal_picture_outside_the_hit_is_seen_and_a_different_one_is_not() -> None:
    facts = facts_of([0.0, 0.0, 1.5], [7, 7, 0xFFFF])
    assert repeated_elsewhere([[PictureId(1)]], facts, TYPICAL)
    assert not repeated_elsewhere([[PictureId(1), PictureId(2)]], facts, TYPICAL)
    assert not repeated_elsewhere([[PictureId(3)]], facts, TYPICAL)
