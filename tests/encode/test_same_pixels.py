"""Our way from a file to the model's input against open_clip's own transform: the same vectors."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from random import Random

import numpy as np
import pytest
from PIL import Image

from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.records.pictures import Pixels, PixelSpec, ResizeMode
from indexer.settings import ModelSettings
from sandbox.drawing.scene import draw, random_scene
from sandbox.model import CONFIG, NAME, WEIGHTS
from tests.encode.conftest import TinyModel, loaded
from tests.worlds.picture_files import encoded, scene

pytestmark = pytest.mark.xdist_group("torch")

SIZES = [
    (640, 480),
    (480, 640),
    (33, 31),
    (32, 32),
    (20, 20),
    (1600, 1200),
    (3000, 500),
    (401, 1203),
    (128, 129),
    (64, 200),
]
FORMATS: list[tuple[str, dict[str, int]]] = [("PNG", {}), ("JPEG", {"quality": 90}), ("WEBP", {"quality": 90})]


@cache
def files() -> list[bytes]:
    """A picture of each size in one of the formats, and of the first size in each: to draw, to write and to read them
    takes longer than to compare them.
    """
    formats = [FORMATS[at % len(FORMATS)] for at in range(len(SIZES))]
    chosen = [*zip(SIZES, formats, strict=True), *((SIZES[0], each) for each in FORMATS[1:])]
    return [
        encoded(scene(*size, seed), picture_format, **options)
        for seed, (size, (picture_format, options)) in enumerate(chosen)
    ]


def theirs(image: Image.Image, spec: PixelSpec) -> Pixels:
    """open_clip's transform up to the normalisation."""
    import open_clip
    import torch

    transform = open_clip.image_transform(
        spec.size,
        is_train=False,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        resize_mode=spec.resize_mode.value,
        interpolation=spec.interpolation,
        fill_color=spec.fill,
    )
    pixels: Pixels = (transform(image).permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
    return pixels


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", list(ResizeMode))
def test_vectors_are_those_of_open_clips_own_transform(mode: ResizeMode, interpolation: str, tiny: TinyModel) -> None:
    network = loaded(tiny.settings()).network
    spec = PixelSpec(32, mode, interpolation)
    ours, expected = [], []
    for data in files():
        ours.append(decode_picture(data, spec, Limits(10**8)).frames[0])
        expected.append(theirs(Image.open(BytesIO(data)).convert("RGB"), spec))
    cosines = (network.pixels(ours) * network.pixels(expected)).sum(axis=1)
    assert cosines.min() >= 0.999
    apart = [np.abs(a.astype(int) - b.astype(int)).mean() for a, b in zip(ours, expected, strict=True)]
    assert max(apart) < 2.5  # of 255; a shift by half a pixel shows as 5 and more


@pytest.mark.parametrize("size", [(256, 256), (100, 77), (300, 800)])
def test_a_lossless_picture_near_the_models_size_is_the_same_to_a_rounding(size: tuple[int, int]) -> None:
    spec = PixelSpec(224)
    image = scene(*size)
    ours = decode_picture(encoded(image, "PNG"), spec, Limits(10**8)).frames[0]
    assert np.abs(ours.astype(int) - theirs(image, spec).astype(int)).max() <= 2


def test_a_trained_model_sees_the_same_in_drawn_pictures() -> None:
    settings = ModelSettings(NAME, str(WEIGHTS), CONFIG, resize_mode="squash")
    model = loaded(settings)
    rng = Random(3)
    ours, expected = [], []
    for number in range(15):  # each size in each format
        size = ((640, 480), (900, 1200), (300, 300), (1600, 1200), (60, 45))[number % 5]
        picture_format, options = FORMATS[number % 3]
        data = encoded(draw(random_scene(rng), size), picture_format, **options)
        ours.append(decode_picture(data, model.pixel_spec, Limits(10**8)).frames[0])
        expected.append(theirs(Image.open(BytesIO(data)).convert("RGB"), model.pixel_spec))
    cosines = (model.network.pixels(ours) * model.network.pixels(expected)).sum(axis=1)
    assert cosines.min() >= 0.999
