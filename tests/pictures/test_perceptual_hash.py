"""The perceptual hash: stable under what does not change a picture, far apart for different ones."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest
from PIL import Image

from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.pictures.perceptual_hash import SIDE, distance, perceptual_hash
from indexer.records.pictures import PixelSpec
from tests.soak import SOAK
from tests.worlds.picture_files import encoded, scene

pytestmark = pytest.mark.xdist_group("perceptual hash")  # one process draws the originals


def hash_of(data: bytes, size: int = 64) -> int:
    return decode_picture(data, PixelSpec(size), Limits(10**8)).perceptual_hash


SOME = 16 if SOAK else 8  # of the originals


@cache
def originals() -> list[Image.Image]:
    return [scene(640, 480, seed) for seed in range(40)]


@cache
def hashes() -> list[int]:
    """Those of the originals."""
    return [hash_of(encoded(image, "PNG")) for image in originals()]


@pytest.mark.soak
@pytest.mark.parametrize("quality", [10, 30, 60])
def test_recompression_hardly_changes_it(quality: int) -> None:
    for image, known in zip(originals()[:SOME], hashes(), strict=False):
        assert distance(hash_of(encoded(image, "JPEG", quality=quality)), known) <= 6
        assert distance(hash_of(encoded(image, "WEBP", quality=quality)), known) <= 6


@pytest.mark.soak
@pytest.mark.parametrize("size", [(320, 240), (1920, 1440), (160, 120), (500, 480)])
def test_resizing_hardly_changes_it(size: tuple[int, int]) -> None:
    for image, known in zip(originals()[:SOME], hashes(), strict=False):
        resized = image.resize(size, Image.Resampling.LANCZOS)
        assert distance(hash_of(encoded(resized, "PNG", compress_level=1)), known) <= 6


def test_it_does_not_depend_on_the_models_input_size() -> None:
    for image, known in zip(originals()[:10], hashes(), strict=False):
        assert distance(hash_of(encoded(image, "PNG"), size=256), known) <= 4


def test_different_pictures_are_far_apart() -> None:
    assert min(distance(one, other) for one, other in itertools.combinations(hashes(), 2)) > 10


def test_a_flat_picture_has_no_hash_of_its_own() -> None:
    for grey in (0, 100, 255):
        assert perceptual_hash(np.full((SIDE, SIDE), grey, np.uint8)) == 0


def test_it_is_an_unsigned_64_bit_number_with_half_its_bits_set() -> None:
    for known in hashes():
        assert 0 < known < 2**64
        assert known.bit_count() == 32


def test_distance_counts_differing_bits() -> None:
    assert distance(0, 0) == 0
    assert distance(0b1011, 0b0010) == 2
    assert distance(0, 2**64 - 1) == 64
