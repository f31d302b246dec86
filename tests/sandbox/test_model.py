"""The shipped demo model, loaded through open_clip as a user's encoder loads any model, and how it was trained."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from indexer.encode.on_openvino.folder import read_manifest, source_of, verify
from indexer.settings import ModelSettings
from sandbox.drawing import edits
from sandbox.drawing.concepts import CONCEPTS
from sandbox.drawing.scene import draw, random_scene
from sandbox.model import CONFIG, EXPORT, NAME, RESIZE_MODE, WEIGHTS
from tests.soak import SOAK

if TYPE_CHECKING:
    import torch

    from sandbox.model.pool import Pool

pytestmark = pytest.mark.xdist_group("torch")

_SIZE = (320, 240)


@pytest.fixture(scope="module")
def clip() -> tuple[Any, Any, Any]:
    """The model, its transform and its tokenizer."""
    import open_clip

    open_clip.add_model_config(CONFIG)
    model, _, transform = open_clip.create_model_and_transforms(
        NAME, pretrained=str(WEIGHTS), image_resize_mode=RESIZE_MODE
    )
    return model.eval(), transform, open_clip.get_tokenizer(NAME)


def of_images(clip: tuple[Any, Any, Any], images: list[Image.Image]) -> torch.Tensor:
    import torch

    model, transform, _ = clip
    with torch.inference_mode():
        vectors: torch.Tensor = model.encode_image(torch.stack([transform(i) for i in images]), normalize=True)
    return vectors


def of_texts(clip: tuple[Any, Any, Any], texts: list[str]) -> torch.Tensor:
    import torch

    model, _, tokenizer = clip
    with torch.inference_mode():
        vectors: torch.Tensor = model.encode_text(tokenizer(texts), normalize=True)
    return vectors


def recall(queries: torch.Tensor, gallery: torch.Tensor) -> float:
    """The share of queries whose nearest is the gallery's row of the same number."""
    import torch

    return float(((queries @ gallery.T).argmax(1) == torch.arange(len(queries))).float().mean())


def test_the_files_fit_each_other_and_the_limits() -> None:
    from sandbox.model import views

    config = json.loads(CONFIG.read_text())
    assert CONFIG.stem == NAME
    assert config["vision_cfg"]["image_size"] == views.SIDE
    assert WEIGHTS.stat().st_size <= 13_000_000


def test_the_transform_squashes_the_whole_picture_to_the_model_s_input(clip: tuple[Any, Any, Any]) -> None:
    from sandbox.model import views

    wide = Image.new("RGB", (300, 100), "black")
    wide.paste("white", (0, 0, 40, 100))  # a middle crop would lose this edge
    pixels = clip[1](wide)
    assert pixels.shape == (3, views.SIDE, views.SIDE)
    assert pixels[0, :, 0].mean() > pixels[0, :, -1].mean() + 1


def test_embeddings_are_unit_vectors_of_the_configured_width(clip: tuple[Any, Any, Any]) -> None:
    import torch

    width = json.loads(CONFIG.read_text())["embed_dim"]
    for vectors in (of_images(clip, [Image.new("RGB", _SIZE)]), of_texts(clip, ["a cat", "cat and pizza"])):
        assert vectors.shape[1] == width
        assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5)


def test_words_find_their_picture(clip: tuple[Any, Any, Any]) -> None:
    rng = Random(40)
    chosen = rng.sample(CONCEPTS, 40)
    pictures = [draw(random_scene(rng, [concept], 1), _SIZE) for concept in chosen]
    assert recall(of_texts(clip, [concept.words[0] for concept in chosen]), of_images(clip, pictures)) >= 0.9


def test_words_for_two_things_find_the_picture_of_both(clip: tuple[Any, Any, Any]) -> None:
    rng = Random(41)
    scenes = [random_scene(rng, count=2) for _ in range(40)]
    texts = [" and ".join(placed.concept.words[0] for placed in scene.placed) for scene in scenes]
    assert recall(of_texts(clip, texts), of_images(clip, [draw(scene, _SIZE) for scene in scenes])) >= 0.9


@pytest.mark.soak
def test_a_re_post_finds_its_original(clip: tuple[Any, Any, Any]) -> None:
    rng = Random(42)
    originals = [draw(random_scene(rng), _SIZE) for _ in range(24 if SOAK else 12)]
    gallery = of_images(clip, originals)
    whole = (edits.recompress, edits.half_size, edits.mirror, edits.caption_bar, edits.turn, edits.screenshot_frame)
    for edit in whole:
        assert recall(of_images(clip, [edit(image) for image in originals]), gallery) >= 0.95, edit.__name__
    assert recall(of_images(clip, [edits.crop(image, rng=rng) for image in originals]), gallery) >= 0.8


@pytest.fixture(scope="module")
def drawn() -> Pool:
    """A training pool of 12 scenes."""
    from sandbox.model import pool

    return pool.build(12, context=24, workers=0)


def test_training_draws_pools_whose_captions_hold_for_their_own_scene(drawn: Pool) -> None:
    from sandbox.model import pool

    assert drawn.pixels.shape == (12, pool.SIDE, pool.SIDE, 3)
    assert drawn.tokens.shape[2] == 24
    assert (drawn.needs.sum(2) > 0).all()
    assert not (drawn.needs & ~drawn.traits[:, None]).any()
    assert all(drawn.traits[i, pool.TRAITS.index(CONCEPTS[first].id)] for i, first in enumerate(drawn.first))


def test_a_view_shows_the_edited_picture_inside_its_frame() -> None:
    import torch

    from sandbox.model import pool, views

    torch.manual_seed(0)
    around = views.frames(8, seed=0)
    left, top, right, bottom = around.box[1:].T
    assert bool(((left >= -1) & (left < right) & (right <= 1) & (top >= -1) & (top < bottom) & (bottom <= 1)).all())
    assert bool((around.window[0] == 1).all())
    assert bool((around.box[0] == torch.tensor([-1.0, -1.0, 1.0, 1.0])).all())
    white = torch.ones(64, 3, pool.SIDE, pool.SIDE)
    for seen in (views.mild(white), views.edited(white, torch.ones(64), around)):
        assert seen.shape == (64, 3, views.SIDE, views.SIDE)
        assert 0 <= float(seen.min()) <= float(seen.max()) <= 1
        assert float(seen.mean()) > 0.75


def test_the_losses_are_least_where_the_pairs_are() -> None:
    import torch

    from sandbox.model import train

    vectors = torch.eye(4)
    assert train.words_loss(vectors, vectors, torch.eye(4), torch.tensor(50.0)) < 1e-3
    assert train.words_loss(vectors, vectors.roll(1, 0), torch.eye(4), torch.tensor(50.0)) > 10
    assert train.repost_loss(vectors, vectors) < train.repost_loss(vectors, vectors.roll(1, 0))


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="20 s of a processor for one step: AFTERIMAGE_SOAK=1 runs it")
def test_a_few_steps_of_training_write_weights_that_load(drawn: Pool, tmp_path: Path) -> None:
    import open_clip
    import torch

    from sandbox.model import train

    open_clip.add_model_config(CONFIG)
    out = tmp_path / "weights.safetensors"
    train.train(train.Plan(minutes=0.01, batch=8, rate=1e-4, drop=0.5, unmasked=0.5), drawn, out, start=WEIGHTS)
    model = open_clip.create_model(NAME, pretrained=str(out))
    assert all(bool(torch.isfinite(value).all()) for value in model.state_dict().values())
    assert np.isclose(out.stat().st_size, WEIGHTS.stat().st_size, rtol=0.01)


def test_the_shipped_export_is_of_these_weights_and_whole() -> None:
    manifest = read_manifest(EXPORT)
    verify(EXPORT, manifest)
    assert manifest.source == source_of(ModelSettings(NAME, str(WEIGHTS), config_file=CONFIG, resize_mode=RESIZE_MODE))
