"""The shipped second model: what its manifest says, opened by the code that opens any, and better at relations."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import permutations
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from indexer.encode import matching_worker
from indexer.records.pictures import PixelSpec, ResizeMode
from indexer.settings import ModelSettings
from sandbox.demo.relations import THINGS
from sandbox.drawing.scene import Scene, draw
from sandbox.drawing.statements import Form, Statement, crowded_scene, holds, worded
from sandbox.model import MATCHING, WEIGHTS
from tests.soak import SOAK

if TYPE_CHECKING:
    from sandbox.model.matching_pool import MatchingPool

pytestmark = pytest.mark.xdist_group("torch")

FEW = (*THINGS[:3], *THINGS[-4:-2])  # things of the scenes that are asked about
SCENES, ASKED = 30, 8
_SEED = 9_000_000  # of scenes that no training has seen


@pytest.fixture(scope="module")
def matcher() -> Any:
    return matching_worker.load(ModelSettings(str(MATCHING), "", device="cpu", precision="float32"), None)


@pytest.fixture(scope="module")
def pool() -> MatchingPool:
    """A training pool of 6 scenes."""
    from sandbox.model import matching_pool

    return matching_pool.build(6)


def test_the_manifest_names_the_weights_their_licence_and_the_first_models_that_they_began_with() -> None:
    manifest = json.loads((MATCHING / "manifest.json").read_text())
    weights = MATCHING / manifest["weights"]["file"]
    assert manifest["weights"]["sha256"] == sha256(weights.read_bytes()).hexdigest()
    assert manifest["began_with"] == sha256(WEIGHTS.read_bytes()).hexdigest()
    assert "MIT" in manifest["licence"]
    assert sum(path.stat().st_size for path in MATCHING.iterdir()) <= 13_000_000


def test_it_is_opened_as_any_matching_model(matcher: Any) -> None:
    _, facts = matcher
    assert facts.pixel_spec == PixelSpec(64, ResizeMode.SQUASH)
    assert facts.spec.name == MATCHING.name


def test_every_word_of_a_statement_is_one_token(matcher: Any) -> None:
    from sandbox.model.matching_pool import vocabulary

    tokenizer = matcher[0].tokenizer
    assert tokenizer.get_vocab() == vocabulary()
    words = worded(Statement(Form.LEFT, THINGS[0], THINGS[6])).text
    assert tokenizer.tokenize(words) == words.split()
    assert tokenizer.unk_token not in tokenizer.tokenize("other words by their letters"), "none is lost"


def squares(scenes: Sequence[Scene]) -> list[np.ndarray]:
    drawn = [draw(scene, (160, 120)).resize((64, 64), Image.Resampling.BICUBIC) for scene in scenes]
    return [np.asarray(picture) for picture in drawn]


def found(scenes: Sequence[Scene], asked: Sequence[Statement], scores: Callable[[str], np.ndarray]) -> float:
    """How many of the best ones are right, of as many as are right: the mean over the statements."""
    shares = []
    for statement in asked:
        right = np.array([holds(statement, scene) for scene in scenes])
        best = np.argsort(-scores(worded(statement).text), kind="stable")[: right.sum()]
        shares.append(right[best].mean())
    return float(np.mean(shares))


def test_of_other_pictures_it_knows_how_many_and_what_is_missing_which_the_first_model_does_not(matcher: Any) -> None:
    import open_clip
    import torch

    from sandbox.model import NAME
    from sandbox.model.matching_start import first_model, normalized

    scenes = [crowded_scene(Random(_SEED + number), FEW) for number in range(SCENES)]
    asked = [Statement(Form.WITHOUT, *pair) for pair in permutations(FEW, 2)]
    asked += [Statement(Form.COUNT, thing, count=count) for thing in FEW for count in (2, 3)]
    asked = [statement for statement in asked if any(holds(statement, scene) for scene in scenes)]
    asked = Random(2).sample(asked, ASKED)
    model, _ = matcher
    pictures = squares(scenes)
    features = model.pixels(pictures).astype(np.float16)
    second = found(scenes, asked, lambda words: model.scores(words, features)[:, 0])
    clip = first_model()
    with torch.inference_mode():
        seen = clip.encode_image(normalized(np.stack(pictures)), normalize=True)

        def first_scores(words: str) -> np.ndarray:
            vector = clip.encode_text(open_clip.get_tokenizer(NAME)([words]), normalize=True)
            return np.asarray(seen @ vector[0])

        first = found(scenes, asked, first_scores)
    assert second > first + 0.1


def test_what_it_is_trained_on_says_what_each_scene_shows(pool: MatchingPool) -> None:
    from sandbox.model.matching_pool import NOTHING, tokenizer

    read = tokenizer()
    for row in np.ndindex(pool.tokens.shape[:2]):
        first = pool.true[row] != NOTHING
        assert (pool.tokens[row][first] == read.cls_token_id).all()
        assert read.unk_token_id not in pool.tokens[row]
        named = pool.shown[row] != NOTHING
        assert (~np.isnan(pool.spot[row][:, 0]) == (pool.shown[row] == 1)).all()
        assert named.sum() >= first.sum(), "each statement names a thing"
    assert {NOTHING} < set(pool.drawn.ravel().tolist())


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="a minute of a processor for a few steps: AFTERIMAGE_SOAK=1 runs it")
def test_a_few_steps_of_training_write_a_folder_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sandbox.model import train_matching

    out = tmp_path / "matching"
    given = ("--minutes", "0.05", "--scenes", "24", "--batch", "4", "--processes", "1", "--out", str(out))
    monkeypatch.setattr("sys.argv", ["train_matching", *given])
    train_matching.main()
    model, _ = matching_worker.load(ModelSettings(str(out), "", device="cpu", precision="float32"), None)
    assert np.isfinite(model.scores("a cat", model.pixels([np.zeros((64, 64, 3), np.uint8)]))).all()
