"""Copies are told by their pixels: what re-posters do to a picture is found, and other pictures are not taken."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from indexer.geometry.compare import copy_of, shows_something
from indexer.records.copies import Copy
from indexer.records.pictures import Pixels
from sandbox.drawing import edits
from sandbox.drawing.scene import draw, random_scene
from tests.worlds.scenery import scenery

SIZES = ((256, 192), (192, 256), (224, 224), (256, 144))


def compared(question: Image.Image, candidate: Image.Image) -> Copy | None:
    return copy_of(np.asarray(question), np.asarray(candidate))


def sampled(count: int) -> settings:
    """So many examples, the same at each run: the rule is right of most pictures, not of all (docs/adr/0040)."""
    return settings(max_examples=count, derandomize=True)


pictures = st.builds(scenery, st.integers(0, 2**32 - 1), st.sampled_from(SIZES))


@given(picture=pictures, keep=st.floats(0.55, 1.0), seed=st.integers(0, 999), mirrored=st.booleans())
@sampled(20)
def test_a_crop_is_found_with_its_share_as_it_is_and_mirrored(
    picture: Image.Image, keep: float, seed: int, mirrored: bool
) -> None:
    crop = edits.crop(edits.mirror(picture) if mirrored else picture, keep, Random(seed))
    copy = compared(crop, picture)
    assert copy is not None
    assert copy.mirrored == mirrored
    assert copy.share == pytest.approx(keep**2, abs=0.05)
    assert not copy.framed
    assert not copy.captioned
    assert not copy.turned


@given(
    left=pictures,
    right=pictures,
    edit=st.sampled_from([edits.crop, edits.caption_bar, edits.screenshot_frame, edits.grey, None]),
    seed=st.integers(0, 99),
)
@sampled(12)
def test_a_verdict_is_the_same_whichever_picture_is_named_first(
    left: Image.Image, right: Image.Image, edit: Callable[..., Image.Image] | None, seed: int
) -> None:
    other = right if edit is None else edits.crop(left, 0.5, Random(seed)) if edit is edits.crop else edit(left)
    assert compared(left, other) == compared(other, left)


@pytest.mark.parametrize("seed", range(6))
def test_a_small_part_that_was_made_larger_is_found_whichever_was_posted_first(seed: int) -> None:
    picture = scenery(seed)
    part = edits.crop(picture, 0.55, Random(seed)).resize(picture.size, Image.Resampling.BICUBIC)
    larger = part.resize((part.width + 8, part.height + 6), Image.Resampling.BICUBIC)
    smaller = picture.resize((picture.width - 8, picture.height - 6), Image.Resampling.BICUBIC)
    for copy in (compared(part, picture), compared(larger, smaller), compared(picture, larger)):
        assert copy is not None
        assert copy.share == pytest.approx(0.55**2, abs=0.05)


@given(picture=pictures, degrees=st.floats(-7, 7), quarters=st.integers(0, 3))
@sampled(15)
def test_a_turned_picture_is_found_with_its_angle(picture: Image.Image, degrees: float, quarters: int) -> None:
    turned = edits.turn(picture, degrees) if quarters == 0 else picture.rotate(90 * quarters, expand=True)
    copy = compared(turned, picture)
    assert copy is not None
    expected = abs(degrees) if quarters == 0 else min(90 * quarters, 360 - 90 * quarters)
    assert copy.turned == pytest.approx(expected, abs=1.0)
    assert not copy.mirrored


@pytest.mark.parametrize(("number", "size"), [(16, (320, 240)), (55, (320, 320))])
def test_a_drawing_whose_edges_lie_far_off_once_it_is_turned_is_found(number: int, size: tuple[int, int]) -> None:
    """These two are not found by the finer steps alone, nor by a placement on which half of the edges agree."""
    rng = Random(9_001 * 1_000_000 + number)
    drawing = draw(random_scene(rng), size).convert("RGB")
    copy = compared(edits.turn(drawing), drawing)
    assert copy is not None
    assert copy.turned == 5


@pytest.mark.parametrize("seed", range(10))
def test_bars_around_a_picture_are_named_and_are_no_crop(seed: int) -> None:
    picture = scenery(seed, SIZES[seed % len(SIZES)])
    captioned = compared(edits.caption_bar(picture, Random(seed)), picture)
    assert captioned is not None
    assert captioned.captioned
    assert captioned.share == 1.0
    framed = Image.new("RGB", (picture.width + 40, picture.height + 40), (12, 12, 14))
    framed.paste(picture, (20, 20))
    found = compared(picture, framed)  # whichever of the two was asked with
    assert found is not None
    assert found.framed
    assert found.share == 1.0


@given(picture=pictures, quality=st.integers(30, 90), grey=st.booleans(), half=st.booleans())
@sampled(10)
def test_a_picture_that_was_saved_again_is_found_and_nothing_else_is_said_of_it(
    picture: Image.Image, quality: int, grey: bool, half: bool
) -> None:
    again = edits.recompress(edits.half_size(picture) if half else picture, quality)
    copy = compared(edits.grey(again) if grey else again, picture)
    assert copy is not None
    assert copy == Copy(copy.correlation)


@given(seed=st.integers(0, 2**32 - 2), size=st.sampled_from(SIZES))
@sampled(15)
def test_other_pictures_are_not_taken(seed: int, size: tuple[int, int]) -> None:
    assert compared(scenery(seed + 1, size), scenery(seed, size)) is None


def drawing(seed: int) -> Image.Image:
    rng = Random(seed)
    return draw(random_scene(rng), rng.choice(((320, 240), (320, 240), (240, 320), (320, 320), (320, 180)))).convert(
        "RGB"
    )


@pytest.mark.parametrize(("left", "right"), [(798, 1316), (801, 1097), (845, 1812)])
def test_one_thing_on_grounds_of_one_brightness_and_other_colours_is_not_a_copy(left: int, right: int) -> None:
    """Their greys agree: a face on dots and on stripes, for one, each of the brightness of its ground."""
    assert compared(drawing(77_000_000 + left), drawing(9_001_000_000 + right)) is None


@given(seed=st.integers(0, 2**32 - 1), fades=st.floats(0.3, 1.6), warmth=st.integers(-30, 30))
@sampled(8)
def test_a_filter_over_all_colours_leaves_a_copy(seed: int, fades: float, warmth: int) -> None:
    picture = scenery(seed)
    faded = np.asarray(ImageEnhance.Color(picture).enhance(fades)).astype(np.int16)
    warmer = (faded + np.array((warmth, 0, -warmth))).clip(0, 255).astype(np.uint8)
    assert compared(Image.fromarray(warmer), picture) is not None
    grey = picture.convert("L")
    assert compared(ImageOps.colorize(grey, "#2b1d0e", "#f3e3c3"), picture) is not None


@given(seed=st.integers(0, 2**32 - 1), moved=st.floats(0.05, 0.12))
@sampled(10)
def test_the_same_things_on_the_same_ground_in_another_place_are_not_a_copy(seed: int, moved: float) -> None:
    assert compared(scenery(seed, moved=moved), scenery(seed)) is None


def written(words: int) -> Image.Image:
    """A screenshot of lines of words; all have the same layout."""
    page = Image.new("RGB", (256, 192), (49, 51, 56))
    pen, letters = ImageDraw.Draw(page), Random(words)
    for line in range(8):
        pen.ellipse((8, 8 + 23 * line, 22, 22 + 23 * line), fill=(90, 110, 200))
        text = "".join(letters.choice("abcdefghij klmnop qrst uvwxyz ") for _ in range(32))
        pen.text((30, 8 + 23 * line), text, fill=(220, 221, 222))
    return page


def test_two_screenshots_of_one_app_with_other_words_are_not_copies() -> None:
    assert all(compared(written(words + 1), written(words)) is None for words in range(6))
    assert compared(edits.recompress(written(3)), written(3)) is not None


def test_the_same_two_pictures_give_the_same_answer() -> None:
    picture = scenery(5)
    crop = edits.crop(picture, 0.7, Random(2))
    assert compared(crop, picture) == compared(crop, picture)


@given(
    sizes=st.tuples(*[st.integers(1, 300)] * 4), seed=st.integers(0, 99), flat=st.sampled_from(["both", "one", "none"])
)
@settings(max_examples=25)
def test_pictures_that_show_nothing_are_never_copies_and_no_shape_is_an_error(
    sizes: tuple[int, int, int, int], seed: int, flat: str
) -> None:
    values = np.random.default_rng(seed)
    own: Pixels = np.full((sizes[0], sizes[1], 3), 77, np.uint8)
    other: Pixels = np.full((sizes[2], sizes[3], 3), 77, np.uint8)
    if flat != "both":
        own = values.integers(0, 256, own.shape, dtype=np.uint8)
    if flat == "none":
        other = values.integers(0, 256, other.shape, dtype=np.uint8)
    assert copy_of(own, other) is None


@pytest.mark.parametrize(
    ("picture", "seen"),
    [
        (scenery(1), True),
        (scenery(2, (40, 32)), True),
        (scenery(1, (256, 20)), False),
        (Image.new("RGB", (200, 200), "navy"), False),
        (Image.linear_gradient("L").convert("RGB"), True),
    ],
    ids=["a scene", "a small one", "a strip", "one colour", "a gradient"],
)
def test_a_picture_that_is_tiny_or_plain_shows_too_little_to_tell(picture: Image.Image, seen: bool) -> None:
    assert shows_something(np.asarray(picture)) == seen
