"""Statements about a scene that the names of its things alone do not decide: where they are, how many, what is missing.

Scenes for them are drawn by `crowded_scene`, which may show one thing several times. Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from sandbox.drawing.concepts import CONCEPTS, Concept
from sandbox.drawing.scene import Placed, Scene, scene_of


class Form(StrEnum):
    """What a statement says; the value is how a person might put it."""

    SHOWN = "A"
    BOTH = "A and B"
    LEFT = "A left of B"
    RIGHT = "A right of B"
    ABOVE = "A above B"
    BELOW = "A below B"
    BESIDE = "A beside B"
    COUNT = "two A"
    WITHOUT = "A without B"


@dataclass(frozen=True, slots=True)
class Statement:
    """`second` is None where the form names one thing, `count` is 0 where it does not count."""

    form: Form
    first: Concept
    second: Concept | None = None
    count: int = 0

    @property
    def things(self) -> tuple[Concept, ...]:
        """What it names, in the order of its words."""
        return (self.first,) if self.second is None else (self.first, self.second)


@dataclass(frozen=True, slots=True)
class Wording:
    """A statement as a member might type it; `ends` has the character behind the last letter of each thing."""

    text: str
    ends: tuple[int, ...]


APART: Final = 0.12
"""Things whose centres are less than this share of the picture's side apart are at one height, or below one another.

The slots of `scene` leave either at most 0.10 or at least 0.15 between two things, so no statement is in doubt.
"""
PHRASES: Final = {
    Form.SHOWN: ("A",),
    Form.BOTH: ("A and B", "A with B"),
    Form.LEFT: ("A left of B", "A to the left of B"),
    Form.RIGHT: ("A right of B", "A to the right of B"),
    Form.ABOVE: ("A above B", "A over B"),
    Form.BELOW: ("A below B", "A under B"),
    Form.BESIDE: ("A beside B", "A next to B"),
    Form.COUNT: ("N A",),
    Form.WITHOUT: ("A without B", "A but no B"),
}
"""How a statement is put; the first way is the plainest."""
NUMBERS: Final = {1: ("one", "1"), 2: ("two", "2"), 3: ("three", "3")}

_FORMS: Final = tuple(Form)
_FORM_WEIGHTS: Final = (2, 1, 2, 2, 2, 2, 2, 3, 2)  # counting is learnt last
# How often each thing of a scene is shown, and how many scenes in 100 are like that.
_SHOWN: Final = {(1,): 8, (1, 1): 40, (2,): 13, (2, 1): 13, (3,): 8, (1, 1, 1): 18}
_LIKE: Final = 0.35  # of the further things of a scene are of a kind with its first
_TRIES: Final = 20


def crowded_scene(rng: Random, concepts: Sequence[Concept] = CONCEPTS) -> Scene:
    """One to three figures of one to three different concepts out of `concepts`."""
    (counts,) = rng.choices(tuple(_SHOWN), tuple(_SHOWN.values()))
    things = [rng.choice(concepts)]
    while len(things) < len(counts):
        thing = like(things[0], rng, concepts) if rng.random() < _LIKE else rng.choice(concepts)
        if thing not in things:
            things.append(thing)
    return scene_of(rng, [thing for thing, count in zip(things, counts, strict=True) for _ in range(count)])


def like(concept: Concept, rng: Random, concepts: Sequence[Concept] = CONCEPTS) -> Concept:
    """One of `concepts` that is easily taken for it: of a shape's colour or form, or of the kind of another thing."""
    alike = _KIN[concept.id]
    return rng.choice(alike if concepts is CONCEPTS else [other for other in concepts if other in alike] or concepts)


def _alike(one: Concept, other: Concept) -> bool:
    if one.shape:
        return (one.shape == other.shape) != (one.colour == other.colour)
    return one.category == other.category and one is not other


_KIN: Final = {concept.id: tuple(other for other in CONCEPTS if _alike(concept, other)) for concept in CONCEPTS}


def holds(statement: Statement, scene: Scene) -> bool:
    """Whether it is true of the scene. Of things shown several times, one pair that lies so is enough."""
    first, second = (
        [placed for placed in scene.placed if placed.concept == thing] for thing in (statement.first, statement.second)
    )
    match statement.form:
        case Form.SHOWN:
            return bool(first)
        case Form.BOTH:
            return bool(first and second)
        case Form.COUNT:
            return len(first) == statement.count
        case Form.WITHOUT:
            return bool(first) and not second
    return any(_LIES[statement.form](one, other) for one in first for other in second)


_LIES: Final[dict[Form, Callable[[Placed, Placed], bool]]] = {
    Form.LEFT: lambda one, other: other.x - one.x > APART,
    Form.RIGHT: lambda one, other: one.x - other.x > APART,
    Form.ABOVE: lambda one, other: other.y - one.y > APART,
    Form.BELOW: lambda one, other: one.y - other.y > APART,
    Form.BESIDE: lambda one, other: abs(one.x - other.x) > APART >= abs(one.y - other.y),
}


def random_statement(rng: Random, scene: Scene, *, true: bool, concepts: Sequence[Concept] = CONCEPTS) -> Statement:
    """A statement about the scene that is `true` or not, as far as there is one of the form that was drawn.

    A wrong one is mostly wrong by little: the things are there, but lie otherwise or are fewer, or one of them is
    another of its kind.
    """
    (form,) = rng.choices(_FORMS, _FORM_WEIGHTS)
    shown = list(dict.fromkeys(placed.concept for placed in scene.placed))
    statement = _drawn(rng, form, shown, concepts)
    for _ in range(_TRIES - 1):
        if holds(statement, scene) == true:
            break
        statement = _drawn(rng, form, shown, concepts)
    return statement


def _drawn(rng: Random, form: Form, shown: Sequence[Concept], concepts: Sequence[Concept]) -> Statement:
    first = second = _some(rng, shown, concepts)
    while second == first:
        second = _some(rng, shown, concepts)
    if form is Form.COUNT:
        return Statement(form, first, count=rng.choice(tuple(NUMBERS)))
    return Statement(form, first) if form is Form.SHOWN else Statement(form, first, second)


def _some(rng: Random, shown: Sequence[Concept], concepts: Sequence[Concept]) -> Concept:
    chance = rng.random()
    if chance < 0.75:
        return rng.choice(shown)
    return like(rng.choice(shown), rng, concepts) if chance < 0.88 else rng.choice(concepts)


def worded(statement: Statement, rng: Random | None = None) -> Wording:
    """In words: the plainest ones without `rng`, else some that say the same."""
    ways = PHRASES[statement.form]
    parts: list[str] = []
    ends = []
    for part in (rng.choice(ways) if rng else ways[0]).split():
        if part == "N":
            numbers = NUMBERS[statement.count]
            parts.append(rng.choice(numbers) if rng else numbers[0])
        elif part in "AB":
            parts.append(_named(statement, statement.things["AB".index(part)], rng))
            ends.append(len(" ".join(parts)))
        else:
            parts.append(part)
    return Wording(" ".join(parts), tuple(ends))


def _named(statement: Statement, thing: Concept, rng: Random | None) -> str:
    if rng is None:
        return thing.words[0]
    word = rng.choice(thing.words)
    if statement.count:
        # Other plurals than with a plain s are left out: the word itself is understood.
        return f"{word}s" if statement.count > 1 and word[-1] not in "hsxyz" and rng.random() < 0.4 else word
    return f"{rng.choice(('a', 'the'))} {word}" if rng.random() < 0.15 else word
