"""The drawn pictures: the same seed gives the same pixels, everything can be seen, and edits do what they say."""

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from sandbox.drawing import edits, glyphs, grounds
from sandbox.drawing.concepts import BY_ID, COLOURS, CONCEPTS, GLYPHS, SHAPES
from sandbox.drawing.scene import Placed, Scene, caption, concept_ids, describe, draw, random_scene, traits, words
from tests.soak import example_count

_GREY = (128, 128, 128)


def picture(seed: int = 7, size: tuple[int, int] = (320, 240)) -> Image.Image:
    return draw(random_scene(Random(seed)), size)


def alone(concept_index: int) -> Scene:
    placed = Placed(CONCEPTS[concept_index], 0.5, 0.5, 0.7, 0.0, mirrored=False)
    return Scene("plain", (_GREY,) * grounds.COLOURS, (placed,), seed=0)


def difference(a: Image.Image, b: Image.Image) -> float:
    """Mean absolute difference of two pictures of one size, in grey levels of 255."""
    return float(np.asarray(ImageChops.difference(a, b)).mean())


def test_there_are_concepts_enough_and_no_word_means_two_of_them() -> None:
    said = [word for concept in CONCEPTS for word in concept.words]
    assert len(CONCEPTS) >= 320
    assert len(GLYPHS) >= 280
    assert len(CONCEPTS) - len(GLYPHS) == len(SHAPES) * len(COLOURS)
    assert len(said) == len(set(said))
    assert all(word == word.strip().lower() and word for word in said)
    assert len(BY_ID) == len(CONCEPTS)


def test_no_two_concepts_share_a_figure() -> None:
    assert len({glyphs.figure(concept).tobytes() for concept in CONCEPTS}) == len(CONCEPTS)


def test_the_atlas_has_a_cell_for_every_glyph_and_no_row_to_spare() -> None:
    rows = -(-len(GLYPHS) // glyphs.COLUMNS)
    assert glyphs.atlas().size == (glyphs.COLUMNS * glyphs.CELL, rows * glyphs.CELL)
    assert glyphs.ATLAS.stat().st_size <= 1_500_000


def test_every_concept_can_be_seen() -> None:
    ground = Image.new("RGB", (96, 96), _GREY)
    for i, concept in enumerate(CONCEPTS):
        changed = np.asarray(ImageChops.difference(draw(alone(i), (96, 96)), ground)).max(2) > 24
        assert changed.mean() > 0.03, concept.id


@pytest.mark.parametrize("style", grounds.STYLES)
def test_every_ground_paints_the_size_it_is_asked_for(style: str) -> None:
    colours = ((250, 30, 30), (20, 200, 60), (30, 60, 220), (240, 240, 40))
    for size in ((64, 64), (160, 90), (33, 70)):
        image = grounds.paint(style, size, colours, 5)
        assert (image.size, image.mode) == (size, "RGB")
    assert set(grounds.PHRASES) <= set(grounds.STYLES)


@settings(max_examples=example_count(soak=25), deadline=None)
@given(seed=st.integers(0, 2**32), wide=st.integers(16, 200), high=st.integers(16, 200))
def test_a_seed_draws_the_same_pixels_at_any_size(seed: int, wide: int, high: int) -> None:
    first, again = random_scene(Random(seed)), random_scene(Random(seed))
    assert first == again
    image = draw(first, (wide, high))
    assert (image.size, image.mode) == ((wide, high), "RGB")
    assert image.tobytes() == draw(again, (wide, high)).tobytes()


def test_different_seeds_draw_different_pictures() -> None:
    assert len({picture(seed, (64, 48)).tobytes() for seed in range(50)}) == 50


@settings(max_examples=example_count(soak=50), deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 3))
def test_a_scene_shows_as_many_different_concepts_as_asked(seed: int, count: int) -> None:
    scene = random_scene(Random(seed), CONCEPTS[:5], count)
    assert len(scene.placed) == len(concept_ids(scene)) == count
    assert concept_ids(scene) <= {concept.id for concept in CONCEPTS[:5]}


def test_a_scene_of_few_concepts_does_not_ask_for_more() -> None:
    assert len(random_scene(Random(1), CONCEPTS[:1], 3).placed) == 1


@settings(max_examples=example_count(soak=100), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_caption_says_only_what_is_true_and_in_the_scene_s_words(seed: int) -> None:
    rng = Random(seed)
    scene = random_scene(rng)
    said = describe(scene, rng)
    assert said.needs
    assert said.needs <= traits(scene)
    assert any(word in said.text for word in (*words(scene), *traits(scene)))


def test_a_caption_is_the_words_of_a_description() -> None:
    scene = random_scene(Random(3))
    assert caption(scene, Random(4)) == describe(scene, Random(4)).text


def test_words_name_every_concept_with_its_synonyms_and_a_ground_that_has_a_name() -> None:
    cat = BY_ID[next(i for i in BY_ID if i == "cat")]
    placed = Placed(cat, 0.5, 0.5, 0.5, 0.0, mirrored=False)
    assert words(Scene("sea", (_GREY,) * 4, (placed,), 0)) == ("cat", "kitten", "sea")
    assert words(Scene("plain", (_GREY,) * 4, (placed,), 0)) == ("cat", "kitten")


def test_crop_keeps_seventy_per_cent_of_each_side_somewhere_in_the_picture() -> None:
    whole = picture()
    cut = edits.crop(whole, 0.7, Random(1))
    assert cut.size == (224, 168)
    assert edits.crop(whole, 0.7, Random(1)).tobytes() == cut.tobytes()
    assert edits.crop(whole, 0.5).tobytes() == whole.crop((80, 60, 240, 180)).tobytes()


def test_recompress_loses_some_of_the_picture_and_not_its_size() -> None:
    whole = picture()
    worse = edits.recompress(whole)
    assert worse.size == whole.size
    assert 0 < difference(whole, worse) < 20


def test_half_size_halves_both_sides() -> None:
    assert edits.half_size(picture(size=(321, 240))).size == (160, 120)


def test_grey_takes_the_colours_and_leaves_the_rest() -> None:
    whole = picture()
    without = edits.grey(whole)
    assert (without.mode, without.size) == ("RGB", whole.size)
    assert all(band.tobytes() == whole.convert("L").tobytes() for band in without.split())


def test_mirror_twice_is_the_picture() -> None:
    whole = picture()
    assert edits.mirror(whole).tobytes() != whole.tobytes()
    assert edits.mirror(edits.mirror(whole)).tobytes() == whole.tobytes()


def test_turn_keeps_the_size_and_fills_the_corners() -> None:
    turned = edits.turn(Image.new("RGB", (100, 80), "black"), 5.0, (1, 2, 3))
    assert turned.size == (100, 80)
    assert turned.getpixel((0, 0)) == (1, 2, 3)
    assert turned.getpixel((50, 40)) == (0, 0, 0)


@pytest.mark.parametrize(("above", "below", "bars"), [("top", None, 1), (None, "end", 1), ("top", "end", 2)])
def test_a_caption_bar_adds_white_with_ink_and_leaves_the_picture(
    above: str | None, below: str | None, bars: int
) -> None:
    whole = picture()
    meme = edits.caption_bar(whole, above=above, below=below)
    bar = round(240 * 0.18)
    head = bar if above else 0
    assert meme.size == (320, 240 + bars * bar)
    assert meme.crop((0, head, 320, head + 240)).tobytes() == whole.tobytes()
    added = meme.crop((0, 0, 320, bar)) if above else meme.crop((0, 240, 320, 240 + bar))
    assert added.getextrema() == ((0, 255),) * 3


@pytest.mark.parametrize("seed", range(6))
def test_a_screenshot_frames_the_whole_picture(seed: int) -> None:
    whole = Image.new("RGB", (200, 150), (255, 0, 255))
    framed = np.asarray(edits.screenshot_frame(whole, Random(seed)))
    assert (framed == (255, 0, 255)).all(2).sum() == 200 * 150
    assert framed.shape[0] > 150


def test_edits_without_a_random_stream_always_do_the_same() -> None:
    whole = picture()
    for edit in (edits.crop, edits.caption_bar, edits.screenshot_frame, edits.turn):
        assert edit(whole).tobytes() == edit(whole).tobytes()
