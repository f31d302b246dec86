"""What is remembered is bounded, and equal for equal questions only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.lru import LruCache
from indexer.query.query import Query
from indexer.records.ids import ChannelId, GuildId, PictureId, UserId
from indexer.records.messages import PlaceFlag
from tests.worlds.library import ask, everywhere, frame


def test_what_was_asked_for_last_is_kept() -> None:
    recent: LruCache[str, int] = LruCache(2)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.get("a") == 1
    recent.put("c", 3)
    assert (recent.get("a"), recent.get("b"), recent.get("c")) == (1, None, 3)
    assert len(recent) == 2


@given(st.lists(st.tuples(st.integers(0, 9), st.integers()), max_size=50), st.integers(1, 5))
def test_no_more_is_kept_than_fits_and_nothing_is_mixed_up(puts: list[tuple[int, int]], size: int) -> None:
    recent: LruCache[int, int] = LruCache(size)
    latest = {}
    for key, value in puts:
        recent.put(key, value)
        latest[key] = value
        assert len(recent) <= size
        assert recent.get(key) == value
    assert all(recent.get(key) in (None, value) for key, value in latest.items())


@pytest.mark.parametrize("lifetime_s", [None, 5.0])
def test_what_was_only_looked_at_goes_as_early_as_before(lifetime_s: float | None) -> None:
    recent: LruCache[str, int] = LruCache(2, lifetime_s)
    recent.put("a", 1)
    recent.put("b", 2)
    assert recent.peek("a") == 1
    recent.put("c", 3)
    assert recent.items() == [("b", 2), ("c", 3)]


def test_a_value_lives_as_long_as_was_said_and_no_longer() -> None:
    now = [1000.0]
    recent: LruCache[str, int] = LruCache(9, 5.0, lambda: now[0])
    recent.put("short", 1, lifetime_s=2.0)
    recent.put("usual", 2)
    recent.put("over", 3, lifetime_s=-1.0)
    assert recent.items() == [("short", 1), ("usual", 2)]
    now[0] += 2.0
    assert (recent.get("short"), recent.peek("usual"), len(recent)) == (None, 2, 1)
    now[0] += 2.9
    recent.get("usual")  # that it is asked for does not lengthen its life
    now[0] += 0.1
    assert (recent.get("usual"), len(recent)) == (None, 0)


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([1.0, 3.0, 30.0]), st.floats(0.0, 5.0)), max_size=60))
def test_nothing_is_told_or_held_for_longer_than_the_longest_life(steps: list[tuple[int, float, float]]) -> None:
    now = [0.0]
    recent: LruCache[int, float] = LruCache(99, clock=lambda: now[0])
    for key, lifetime_s, wait_s in steps:
        now[0] += wait_s
        end = recent.get(key)
        assert end is None or now[0] < end
        recent.put(key, now[0] + lifetime_s, lifetime_s=lifetime_s)
    now[0] += 30.0
    assert recent.get(99) is None
    assert len(recent._values) == 0


def test_what_is_forgotten_is_gone() -> None:
    recent: LruCache[str, int] = LruCache(2)
    recent.put("a", 1)
    recent.pop("a")
    recent.pop("never there")
    assert recent.get("a") is None


def variants() -> list[Query]:
    plain = ask("cat")
    vector = np.ones(4, np.float32)
    return [
        plain,
        ask("dog"),
        ask("cat", phrases=("cat",)),
        ask("cat", without=("cat",)),
        ask("cat", count=6),
        ask("cat", min_score=0.5),
        ask("cat", diversity=0.5),
        ask("cat", picture_weight=0.6),
        ask("cat", not_pictures=frozenset({PictureId(1)})),
        ask("cat", like=(PictureId(1),)),
        ask("cat", hashes=(1,)),
        ask("cat", digests=frozenset({b"x" * 32})),
        ask("cat", vectors=(vector,)),
        ask("cat", crops=(vector,)),
        ask("cat", vectors=(vector, vector)),
        ask("cat", vectors=(2 * vector,)),
        ask("cat", frames=(frame("cat"),)),
        ask("cat", frames=(frame("dog"),)),
        ask("cat", frames=(np.zeros((8, 8, 3), np.uint8),)),
        ask("cat", frames=(np.zeros((4, 16, 3), np.uint8),)),
        ask("cat", filter=everywhere(authors=frozenset({UserId(1)}))),
        ask("cat", filter=everywhere(authors=frozenset())),
        ask("cat", filter=everywhere(after_ms=1)),
        ask("cat", filter=everywhere(before_ms=1)),
        ask("cat", filter=everywhere(require=PlaceFlag.ANIMATED)),
        ask("cat", filter=everywhere(exclude=PlaceFlag.ANIMATED)),
        ask("cat", filter=everywhere(not_message=1)),
        ask("cat", filter=replace(everywhere(), channels=frozenset({ChannelId(1)}))),
        replace(plain, guild_id=GuildId(999)),
        replace(plain, asker=UserId(1)),
        replace(plain, asker=UserId(2)),
        replace(plain, visible=frozenset({ChannelId(1)})),
    ]


def test_different_questions_have_different_fingerprints_and_equal_ones_the_same() -> None:
    once, again = [query.fingerprint() for query in variants()], [query.fingerprint() for query in variants()]
    assert once == again
    assert len(set(once)) == len(once)
