"""Scenes: a background with one to three figures on it.
A scene is drawn deterministically at any size, and described in words.
"""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from PIL import Image

from sandbox.drawing import grounds
from sandbox.drawing.concepts import CONCEPTS, Concept, ConceptId
from sandbox.drawing.glyphs import figure


@dataclass(frozen=True, slots=True)
class Placed:
    """One concept in a scene.

    `x`, `y` are the centre as fractions of the picture's width and height. `size` is the side as a fraction of the
    shorter side. `turn` is in degrees counter-clockwise.
    """

    concept: Concept
    x: float
    y: float
    size: float
    turn: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture before it is drawn:
    a background (style, sRGB colours, seed of its details) and figures, from back to front.
    """

    ground: str
    colours: tuple[grounds.Colour, ...]
    placed: tuple[Placed, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Caption:
    """Words about a scene; `needs` are the traits that a picture must have for the words to be true of it."""

    text: str
    needs: frozenset[str]


_MOST_FIGURES: Final = 3
_FIGURES_SHARE: Final = (0.5, 0.35, 0.15)  # probabilities of scenes with one, two, three figures
# Positions (centre x, centre y) and the range of sizes, by number of figures. They are far enough apart that no figure
# hides another.
_SLOTS: Final = {
    1: (((0.5, 0.5),),),
    2: (((0.27, 0.5), (0.73, 0.5)), ((0.5, 0.27), (0.5, 0.73)), ((0.28, 0.3), (0.72, 0.7)), ((0.72, 0.3), (0.28, 0.7))),
    3: (((0.25, 0.3), (0.75, 0.3), (0.5, 0.74)), ((0.25, 0.72), (0.75, 0.72), (0.5, 0.27))),
}
_SIZES: Final = {1: (0.45, 0.85), 2: (0.36, 0.52), 3: (0.32, 0.44)}
_GENERIC: Final = frozenset({"animal", "food", "vehicle", "plant", "face"})  # categories that a person would type


def _colour(rng: Random) -> grounds.Colour:
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.random() ** 0.7, rng.uniform(0.25, 1.0))
    return round(red * 255), round(green * 255), round(blue * 255)


def _place(concept: Concept, slot: tuple[float, float], count: int, rng: Random) -> Placed:
    size = rng.uniform(*_SIZES[count])
    play = (1 - size) / 2 * 0.9 if count == 1 else 0.05
    return Placed(
        concept=concept,
        x=slot[0] + rng.uniform(-play, play),
        y=slot[1] + rng.uniform(-play, play),
        size=size,
        turn=rng.uniform(-18, 18),
        mirrored=rng.random() < 0.5,
    )


def random_scene(rng: Random, concepts: Sequence[Concept] = CONCEPTS, count: int | None = None) -> Scene:
    """A scene of `count` different concepts out of `concepts` (1 to 3; by default mostly 1, at times 2 or 3)."""
    if count is None:
        (count,) = rng.choices((1, 2, 3), _FIGURES_SHARE)
    count = min(count, len(concepts), _MOST_FIGURES)
    return _scene(rng, concepts, count)


def scene_of(rng: Random, concepts: Sequence[Concept]) -> Scene:
    """A scene of exactly these one to three concepts, at random places. One that is named twice is drawn twice."""
    return _scene(rng, concepts, len(concepts))


def _scene(rng: Random, concepts: Sequence[Concept], count: int) -> Scene:
    slots = rng.choice(_SLOTS[count])
    return Scene(
        ground=rng.choice(grounds.STYLES),
        colours=tuple(_colour(rng) for _ in range(grounds.COLOURS)),
        placed=tuple(_place(c, slot, count, rng) for c, slot in zip(rng.sample(concepts, count), slots, strict=True)),
        seed=rng.getrandbits(32),
    )


def draw(scene: Scene, size: tuple[int, int]) -> Image.Image:
    """The scene as an RGB picture of `size` (width, height) in pixels; the same scene and size give the same pixels."""
    image = grounds.paint(scene.ground, size, scene.colours, scene.seed)
    for placed in scene.placed:
        side = max(1, round(placed.size * min(size)))
        stamp = figure(placed.concept).resize((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
        if placed.mirrored:
            stamp = stamp.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        stamp = stamp.rotate(placed.turn, Image.Resampling.BICUBIC, expand=True)
        corner = (round(placed.x * size[0] - stamp.width / 2), round(placed.y * size[1] - stamp.height / 2))
        image.paste(stamp, corner, stamp)
    return image


def concept_ids(scene: Scene) -> frozenset[ConceptId]:
    """The identities of what the scene shows."""
    return frozenset(placed.concept.id for placed in scene.placed)


def _generic(concept: Concept) -> str | None:
    return concept.shape or (concept.category if concept.category in _GENERIC else None)


def traits(scene: Scene) -> frozenset[str]:
    """Everything that can be said of the scene:
    its concepts' names, their kinds ("animal", "triangle"), its background.
    """
    kinds = {kind for placed in scene.placed if (kind := _generic(placed.concept))}
    return frozenset({*concept_ids(scene), *kinds, scene.ground})


def words(scene: Scene) -> tuple[str, ...]:
    """Every word that a person might type for the scene:
    the concepts' words with their synonyms, then the background's words.
    """
    named = tuple(word for placed in scene.placed for word in placed.concept.words)
    return (*named, scene.ground) if scene.ground in grounds.PHRASES else named


def _with_article(word: str, rng: Random) -> str:
    (article,) = rng.choices(("", "a", "the"), (0.55, 0.35, 0.1))
    if article == "a" and word[0] in "aeiou":
        article = "an"
    return f"{article} {word}".strip()


def describe(scene: Scene, rng: Random) -> Caption:
    """True words about the scene, as a member might type them:
    one or more of its concepts, sometimes the background.
    """
    named = rng.sample(scene.placed, rng.randint(1, len(scene.placed)))
    needs: set[str] = set()
    parts: list[str] = []
    for placed in named:
        generic = _generic(placed.concept)
        if generic and rng.random() < 0.05:  # rarely: the model learns it easily, and it says little
            parts.append(_with_article(generic, rng))
            needs.add(generic)
        else:
            parts.append(_with_article(rng.choice(placed.concept.words), rng))
            needs.add(placed.concept.id)
    text = rng.choice((" and ", " and ", " with ", ", ", " ")).join(parts)
    if scene.ground in grounds.PHRASES and rng.random() < 0.2:
        needs.add(scene.ground)
        text = f"{text} {grounds.PHRASES[scene.ground]}"
    if rng.random() < 0.1:
        text = f"{rng.choice(('a picture of', 'picture of', 'a photo of', 'image of'))} {text}"
    return Caption(text, frozenset(needs))


def caption(scene: Scene, rng: Random) -> str:
    """The words of `describe`, without their traits."""
    return describe(scene, rng).text
