"""The training pictures: scenes drawn once by worker processes, kept as pixels and token ids in plain arrays."""

import multiprocessing
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
import numpy.typing as npt
import open_clip
from PIL import Image

from sandbox.drawing.concepts import CONCEPTS
from sandbox.drawing.grounds import STYLES
from sandbox.drawing.scene import Scene, describe, draw, random_scene, traits

SIDE: Final = 80
"""Side of a pool picture, in pixels: a crop of 80 % still fills the model's 64."""
TRAITS: Final = tuple(sorted({*(c.id for c in CONCEPTS), *(c.shape or c.category for c in CONCEPTS), *STYLES}))
"""Everything a caption can say of a scene; a row of `Pool.traits` and `Pool.needs` marks some of it."""

_WEIGHTS: Final = tuple(3 if concept.shape else 1 for concept in CONCEPTS)
# Shapes occur three times as often as glyphs: the model learns a colour early, and a shape of that colour much later.
_CAPTIONS: Final = 4  # different wordings kept for each scene
_SIZES: Final = ((128, 128), (160, 120), (160, 120), (120, 160), (160, 90))
_CHUNK: Final = 500
_OFFERED: Final = 6  # concepts that are drawn for a scene; the scene uses one to three different ones of them
_TRAIN_SEED: Final = 1 << 40  # training uses the seeds above; tests and benchmarks use seeds below


@dataclass(frozen=True, slots=True)
class Pool:
    """N scenes with K captions each, over the T traits of TRAITS.

    `pixels` uint8 (N, SIDE, SIDE, 3), squashed to squares; `aspect` float32 (N,), width by height before that; `traits`
    bool (N, T); `tokens` int64 (N, K, context); `needs` bool (N, K, T), what a caption takes to be true; `first` int64
    (N,), the number of the scene's first concept.
    """

    pixels: npt.NDArray[np.uint8]
    aspect: npt.NDArray[np.float32]
    traits: npt.NDArray[np.bool_]
    tokens: npt.NDArray[np.int64]
    needs: npt.NDArray[np.bool_]
    first: npt.NDArray[np.int64]


def _marked(names: frozenset[str]) -> npt.NDArray[np.bool_]:
    return np.array([trait in names for trait in TRAITS])


def _draw(scene: Scene, rng: Random) -> tuple[npt.NDArray[np.uint8], float]:
    size = rng.choice(_SIZES)
    image = draw(scene, size).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(image), size[0] / size[1]


def _chunk(job: tuple[int, int, int]) -> Pool:
    """Scenes `start` to `stop` with `context` tokens a caption."""
    start, stop, context = job
    tokenizer = open_clip.SimpleTokenizer(context_length=context)
    numbers = {concept.id: i for i, concept in enumerate(CONCEPTS)}
    pixels, aspects, marks, captions, firsts = [], [], [], [], []
    for i in range(start, stop):
        rng = Random(_TRAIN_SEED + i)
        scene = random_scene(rng, tuple(dict.fromkeys(rng.choices(CONCEPTS, _WEIGHTS, k=_OFFERED))))
        drawn, aspect = _draw(scene, rng)
        pixels.append(drawn)
        aspects.append(aspect)
        marks.append(_marked(traits(scene)))
        captions.append([describe(scene, rng) for _ in range(_CAPTIONS)])
        firsts.append(numbers[scene.placed[0].concept.id])
    return Pool(
        pixels=np.stack(pixels),
        aspect=np.array(aspects, np.float32),
        traits=np.stack(marks),
        tokens=np.stack([tokenizer([caption.text for caption in group]).numpy() for group in captions]),
        needs=np.stack([[_marked(caption.needs) for caption in group] for group in captions]),
        first=np.array(firsts),
    )


def build(scenes: int, context: int, workers: int) -> Pool:
    """Draw `scenes` training scenes in `workers` processes (0: here); the same count always gives the same pool."""
    jobs = [(start, min(start + _CHUNK, scenes), context) for start in range(0, scenes, _CHUNK)]
    if workers:
        with multiprocessing.get_context("forkserver").Pool(workers) as processes:
            parts = processes.map(_chunk, jobs, chunksize=1)
    else:
        parts = [_chunk(job) for job in jobs]
    return Pool(*(np.concatenate([getattr(part, name) for part in parts]) for name in Pool.__slots__))
