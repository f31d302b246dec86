"""Colours: how far apart two look, what a name means, and which samples stand for a picture."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.query.colour_names import NAMES, colour
from indexer.query.grammar import parse
from indexer.records.colours import NEAR, SAMPLES, SHOWN, Colour, Rgb, are_samples, distance, samples, shows, wanted

COLOURS = st.tuples(*[st.integers(0, 255)] * 3)
# No colour lies further from the centre of its cell, counted with the five bits that are looked at.
CELL_RADIUS = 0.125


def flat(rgb: Rgb, pixels: int = 1) -> npt.NDArray[np.uint8]:
    return np.full((pixels, 3), rgb, np.uint8)


def as_hex(rgb: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


@given(COLOURS, COLOURS, COLOURS)
def test_the_distance_of_two_colours_is_one(first: Rgb, second: Rgb, third: Rgb) -> None:
    assert distance(first, second) == distance(second, first)
    assert (distance(first, second) == 0) == (first == second)
    assert distance(first, third) <= distance(first, second) + distance(second, third) + 1e-12


def test_the_distance_grows_with_the_difference() -> None:
    from_black = [distance((0, 0, 0), (level,) * 3) for level in range(256)]
    assert all(nearer < further for nearer, further in pairwise(from_black))
    assert from_black[-1] == pytest.approx(1, abs=1e-6)
    from_grey = [distance((128, 128, 128), (128 + step, 128 - step // 2, 128 - step // 2)) for step in range(0, 128, 2)]
    assert all(nearer < further for nearer, further in pairwise(from_grey))


@given(COLOURS)
def test_a_picture_of_one_colour_is_found_by_it(rgb: Rgb) -> None:
    assert colour(as_hex(rgb)).share(samples(flat(rgb))) == 1


@given(COLOURS, COLOURS)
def test_a_picture_of_one_colour_is_found_by_near_ones_and_by_no_distant_one(asked: Rgb, shown: Rgb) -> None:
    found = colour(as_hex(asked)).share(samples(flat(shown)))
    if distance(asked, shown) > NEAR + 2 * CELL_RADIUS:
        assert found == 0


@given(COLOURS, COLOURS, st.integers(0, 200), st.integers(0, 200))
def test_more_of_a_colour_is_never_a_smaller_share(asked: Rgb, other: Rgb, less: int, more: int) -> None:
    less, more = sorted((less, more))
    shares = [
        colour(as_hex(asked)).share(samples(np.concatenate([flat(asked, count), flat(other, 200 - count)])))
        for count in (less, more)
    ]
    assert shares[0] <= shares[1]
    assert shares[1] >= more / 200 - 1 / SAMPLES


@given(st.lists(COLOURS, min_size=1, max_size=300))
def test_every_picture_has_its_samples_in_order_whatever_it_shows(pixels: list[Rgb]) -> None:
    colours = samples(np.array(pixels, np.uint8))
    assert are_samples(colours)
    assert list(colours) == sorted(colours)


@pytest.mark.parametrize("colours", [b"", bytes(SAMPLES - 1), bytes(SAMPLES + 1), b"\xff" * SAMPLES])
def test_what_no_picture_has_are_no_samples(colours: bytes) -> None:
    assert not are_samples(colours)


@given(COLOURS)
def test_every_colour_has_one_name(rgb: Rgb) -> None:
    colours = samples(flat(rgb))
    assert sum(colour(name).share(colours) == 1 for name in NAMES) == 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("red", [(255, 0, 0), (200, 30, 30), (170, 51, 17), (139, 0, 0)]),
        ("rot", [(220, 20, 60)]),
        ("orange", [(255, 140, 0)]),
        ("yellow", [(255, 255, 0), (250, 220, 50)]),
        ("grün", [(0, 128, 0), (0, 255, 0), (34, 139, 34), (144, 238, 144)]),
        ("cyan", [(0, 255, 255), (64, 224, 208)]),
        ("blau", [(0, 0, 255), (0, 0, 128), (135, 206, 235)]),
        ("violet", [(128, 0, 128), (138, 43, 226)]),
        ("rosa", [(255, 105, 180), (255, 192, 203)]),
        ("braun", [(139, 69, 19), (101, 67, 33)]),
        ("gray", [(128, 128, 128), (190, 190, 190), (70, 70, 70)]),
        ("weiß", [(255, 255, 255), (248, 248, 248)]),
        ("Schwarz", [(0, 0, 0), (15, 15, 15)]),
    ],
)
def test_a_name_means_what_people_call_so(name: str, shown: list[Rgb]) -> None:
    for rgb in shown:
        assert colour(name).share(samples(flat(rgb))) == 1, rgb


def test_three_digits_six_digits_and_both_spellings_are_the_same_colour() -> None:
    first, second, third = (parse(text, 0).colours for text in ("color:#a31", "colour: AA3311", 'COLOR:"#aa3311"'))
    assert first == second == third
    assert parse("color:red color:rot cat", 0).colours == (colour("red"),)
    assert parse("color:blue color:red", 0) == parse("color:rot color:blau", 0)
    assert parse("color:red", 0).has_filters


@given(st.lists(COLOURS, min_size=SAMPLES, max_size=SAMPLES), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3))
def test_a_picture_shows_what_has_a_share_of_it(pixels: list[Rgb], names: list[str]) -> None:
    colours, asked = samples(np.array(pixels, np.uint8)), [colour(name) for name in names]
    assert shows(colours, wanted(asked)) == all(each.share(colours) >= SHOWN / SAMPLES for each in asked)
    assert not shows(bytes(SAMPLES), wanted([*asked, Colour("none", b"")]))
