"""How well the demo model works: words to pictures, and re-posts to their originals. `python -m benchmarks.model`.

Every picture is drawn here from seeds that training never used, and enters through open_clip's own transform.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from PIL import Image

from benchmarks.report import Report
from sandbox.drawing import edits
from sandbox.drawing.concepts import CONCEPTS
from sandbox.drawing.grounds import PHRASES
from sandbox.drawing.scene import Scene, concept_ids, draw, random_scene
from sandbox.model import CONFIG, NAME, RESIZE_MODE, WEIGHTS

Vectors: TypeAlias = npt.NDArray[np.float32]

_SIZES: Final = ((320, 240), (320, 240), (240, 320), (320, 320), (320, 180))
_BATCH: Final = 64
_PAIRS: Final = 500
_ORIGINALS: Final = 1000
_GROUNDS: Final = 4  # pictures of a concept that differ by what is behind it

_EDITS: Final[tuple[tuple[str, Callable[[Image.Image, Random], Image.Image], float | None], ...]] = (
    ("JPEG of quality 30", lambda image, rng: edits.recompress(image), 0.99),
    ("half size", lambda image, rng: edits.half_size(image), 0.99),
    ("mirrored", lambda image, rng: edits.mirror(image), 0.99),
    ("caption bar", lambda image, rng: edits.caption_bar(image, rng), 0.95),
    ("crop to 70 % of each side", lambda image, rng: edits.crop(image, rng=rng), 0.8),
    ("screenshot of an app", lambda image, rng: edits.screenshot_frame(image, rng), None),
    ("turned by 5 degrees", lambda image, rng: edits.turn(image), None),
    ("cropped and mirrored", lambda image, rng: edits.mirror(edits.crop(image, rng=rng)), None),
)


class Model:
    """The shipped model as a user of open_clip has it; encodes to unit vectors, float32 (N, D)."""

    def __init__(self, weights: str = str(WEIGHTS), resize_mode: str | None = RESIZE_MODE) -> None:
        open_clip.add_model_config(CONFIG)
        self._model: Any
        self._model, _, self._transform = open_clip.create_model_and_transforms(
            NAME, pretrained=weights, image_resize_mode=resize_mode
        )
        self._model.eval()
        self._tokenizer = open_clip.get_tokenizer(NAME)

    @torch.inference_mode()
    def images(self, images: Sequence[Image.Image]) -> Vectors:
        parts = []
        for start in range(0, len(images), _BATCH):
            batch = torch.stack([self._transform(image) for image in images[start : start + _BATCH]])
            parts.append(self._model.encode_image(batch, normalize=True).numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Vectors:
        parts = [
            self._model.encode_text(self._tokenizer(list(texts[start : start + _BATCH])), normalize=True).numpy()
            for start in range(0, len(texts), _BATCH)
        ]
        return np.concatenate(parts)


def drawn(scene: Scene, rng: Random) -> Image.Image:
    """The scene in one of the shapes pictures have."""
    return draw(scene, rng.choice(_SIZES))


def recall(queries: Vectors, gallery: Vectors, targets: Sequence[int], top: int) -> float:
    """The share of queries whose target is among the `top` nearest of the gallery."""
    scores = queries @ gallery.T
    own = scores[np.arange(len(queries)), list(targets)]
    return float(((scores > own[:, None]).sum(1) < top).mean())


def single_words(model: Model, report: Report) -> None:
    """Every word of every concept against one new picture of each concept."""
    rng = Random(101)
    gallery = model.images([drawn(random_scene(rng, [concept], 1), rng) for concept in CONCEPTS])
    asked = [(word, i) for i, concept in enumerate(CONCEPTS) for word in concept.words]
    queries, targets = model.texts([word for word, _ in asked]), [i for _, i in asked]
    what = f"{len(asked)} words → picture, {len(CONCEPTS)} concepts"
    for top, goal in ((1, 0.97), (5, 0.995)):
        share = recall(queries, gallery, targets, top)
        report.row(f"{what}: recall@{top}", share, "share", f"≥ {goal}", share >= goal)
    for kind, shapes in (("emoji glyphs", False), ("coloured shapes", True)):
        chosen = [n for n, target in enumerate(targets) if bool(CONCEPTS[target].shape) == shapes]
        share = recall(queries[chosen], gallery, [targets[n] for n in chosen], 1)
        report.row(f"of these, {len(chosen)} words for {kind}: recall@1", share, "share")


def several_concepts(model: Model, report: Report) -> None:
    """Scenes of two concepts: asked for by both, and by either."""
    rng = Random(202)
    scenes = [random_scene(rng, count=2) for _ in range(_PAIRS)]
    gallery = model.images([drawn(scene, rng) for scene in scenes])
    both = model.texts([" and ".join(placed.concept.words[0] for placed in scene.placed) for scene in scenes])
    for top, goal in ((1, 0.9), (5, 0.97)):
        share = recall(both, gallery, range(_PAIRS), top)
        report.row(f"“A and B” → its picture of {_PAIRS}: recall@{top}", share, "share", f"≥ {goal}", share >= goal)
    shown = [concept_ids(scene) for scene in scenes]
    precisions, firsts = [], []
    names = sorted({name for names in shown for name in names})
    for name, scores in zip(names, model.texts(names) @ gallery.T, strict=True):
        true = np.array([name in ids for ids in shown])[np.argsort(-scores)]
        precisions.append(true[: true.sum()].mean())
        firsts.append(true[0])
    share = float(np.mean(firsts))
    report.row("“A” alone → a picture of two with A: first result right", share, "share", "≥ 0.95", share >= 0.95)
    report.row("“A” alone → all pictures of two with A: R-precision", float(np.mean(precisions)), "share", "", None)


def grounds(model: Model, report: Report) -> None:
    """One concept before four grounds: asked for with the ground."""
    rng = Random(303)
    gallery, texts = [], []
    for concept in rng.sample(CONCEPTS, 100):
        wanted = rng.sample(sorted(PHRASES), _GROUNDS)
        while wanted:
            scene = random_scene(rng, [concept], 1)
            if scene.ground in wanted:
                wanted.remove(scene.ground)
                gallery.append(drawn(scene, rng))
                texts.append(f"{concept.words[0]} {PHRASES[scene.ground]}")
    share = recall(model.texts(texts), model.images(gallery), range(len(texts)), 1)
    report.row(f"“A on a night sky” → its picture of {len(texts)}: recall@1", share, "share", "", None)


def reposts(model: Model, report: Report) -> None:
    """Each edit of a thousand pictures against the thousand originals."""
    rng = Random(404)
    originals = [drawn(random_scene(rng), rng) for _ in range(_ORIGINALS)]
    gallery = model.images(originals)
    for name, edit, goal in _EDITS:
        again = model.images([edit(image, rng) for image in originals])
        share = recall(again, gallery, range(_ORIGINALS), 1)
        what = f"re-post → original of {_ORIGINALS:,}: {name}"
        report.row(what, share, "share", f"≥ {goal}" if goal else "", share >= goal if goal else None)


def measure(model: Model, report: Report) -> None:
    """All rows."""
    for part in (single_words, several_concepts, grounds, reposts):
        part(model, report)


def main() -> None:
    """Measure the shipped model; print and write the figures."""
    report = Report("model")
    measure(Model(), report)
    report.finish()


if __name__ == "__main__":
    main()
