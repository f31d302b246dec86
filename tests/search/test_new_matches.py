"""What tells that a new picture fits a saved search, and the gate in front of that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from indexer.query.query import Query
from indexer.records.hits import Band, Filter, Hit, Parts, Place
from indexer.records.ids import ChannelId, GuildId, MessageId, PictureId, PlaceId, UserId
from indexer.records.messages import Source
from indexer.records.pictures import Vectors
from indexer.search.new_matches import Bar, Gate, Gates, bar_of, is_match
from indexer.search.query_vector import make_query_vector
from indexer.search.score_bands import Calibration

VALUES = np.random.default_rng(4)
PLACE = PlaceId(3)


def unit(count: int) -> Vectors:
    rows = VALUES.standard_normal((count, 24)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


CALIBRATION = Calibration.measured(unit(60), unit(20))


def query(*, picture: bool = False, words: str = "", min_score: float | None = None) -> Query:
    vectors = (unit(1)[0],) if picture else ()
    return Query(GuildId(1), Filter(frozenset()), vectors=vectors, words=words, min_score=min_score)


@pytest.mark.parametrize(
    "asked",
    [query(picture=True), query(words="cat"), query(picture=True, words="cat"), query(words="cat", min_score=0.3)],
)
def test_the_gate_lets_everything_through_that_is_a_match(asked: Query) -> None:
    words = unit(1)[0] if asked.words else None
    target = make_query_vector(asked.vectors, words, (), CALIBRATION.sample, 0.5)
    assert target is not None
    bar = bar_of(asked, target, CALIBRATION, searched=1_000)
    assert bar.gate is not None
    passed = stopped = 0
    for picture in np.concatenate([unit(400), near(target.vector, 400)]):
        cosine = float(picture @ target.vector)
        reference = float(picture @ CALIBRATION.reference)
        standing = (
            target.background.standing(cosine) if asked.vectors else CALIBRATION.words_standing(cosine, reference)
        )
        if asked.min_score is not None:
            fits = cosine >= asked.min_score
        elif asked.words:
            assert bar.standing is not None
            fits = standing >= bar.standing
        else:
            band = CALIBRATION.picture_band(
                cosine, target.background, hash_distance=None, same_bytes=False, copied=False
            )
            fits = band is Band.VERY_SIMILAR
        opened = bool(Gates.of([bar.gate], [0]).open([picture], [0])[0, 0])
        assert opened or not fits
        passed, stopped = passed + opened, stopped + (not opened)
    assert passed > 100
    assert stopped > 300


def near(vector: Vectors, count: int) -> Vectors:
    rows = vector + unit(count) * np.linspace(0.1, 2, count, dtype=np.float32)[:, None]
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_a_hash_that_agrees_opens_a_gate_and_a_flat_picture_s_does_not() -> None:
    gates = Gates.of([Gate(unit(1)[0], 9.0)] * 2, [0b1011, 0])
    assert gates.open(list(unit(2)), [0b1000, 0]).tolist() == [[True, False], [False, False]]


def hit(band: Band, standing: float = 0.0) -> Hit:
    place = Place(MessageId(7), PLACE, ChannelId(1), UserId(1))
    parts = Parts(standing=standing)
    return Hit(PictureId(1), 0.5, place, "", Source.ATTACHMENT, "", "", "", "", 0, 0, band=band, parts=parts)


@pytest.mark.parametrize(
    ("band", "standing", "fits"),
    [
        (Band.SAME, 0.0, True),
        (Band.EDITED, 0.0, True),
        (Band.VERY_SIMILAR, 0.0, True),
        (Band.LISTED, 0.0, True),
        (Band.RELATED, 2.2, True),
        (Band.RELATED, 2.0, False),
        (Band.SAID, 0.0, False),
        (Band.FAR, 2.2, False),
    ],
)
def test_a_match_is_what_alone_would_be_an_answer(band: Band, standing: float, fits: bool) -> None:
    asked, bar = query(words="cat"), Bar(standing=2.1)
    assert is_match(asked, hit(band, standing), bar, said=()) is fits
    assert is_match(asked, hit(band, standing), bar, said={PLACE})
    assert is_match(replace(asked, min_score=0.2), hit(band, standing), bar, said=())


def test_with_too_few_pictures_nothing_is_only_related() -> None:
    few = Calibration.measured(unit(3), unit(20))
    target = make_query_vector((), unit(1)[0], (), few.sample, 0.5)
    assert target is not None
    bar = bar_of(query(words="cat"), target, few, searched=3)
    assert bar.gate is None
    assert not is_match(query(words="cat"), hit(Band.RELATED, 9.0), bar, said=())
