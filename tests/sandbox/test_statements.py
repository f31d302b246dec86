"""Scenes of several things, and statements about them whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from sandbox.drawing.concepts import BY_ID, Concept, ConceptId
from sandbox.drawing.scene import Placed, Scene, random_scene
from sandbox.drawing.statements import APART, Form, Statement, crowded_scene, holds, like, random_statement, worded


def thing(name: str) -> Concept:
    return BY_ID[ConceptId(name)]


CAT, DOG, OWL = thing("cat"), thing("dog"), thing("owl")


def scene(*places: tuple[Concept, float, float]) -> Scene:
    """Things with the middle of each, on whatever ground."""
    placed = tuple(Placed(concept, x, y, 0.4, 0.0, mirrored=False) for concept, x, y in places)
    return replace(random_scene(Random(1)), placed=placed)


SIDE_BY_SIDE = scene((CAT, 0.25, 0.5), (DOG, 0.75, 0.45))
ASLANT = scene((CAT, 0.3, 0.3), (DOG, 0.7, 0.7))
TWO_AND_ONE = scene((CAT, 0.25, 0.3), (CAT, 0.75, 0.3), (DOG, 0.5, 0.75))


@pytest.mark.parametrize(
    ("statement", "of", "true"),
    [
        (Statement(Form.SHOWN, CAT), SIDE_BY_SIDE, True),
        (Statement(Form.SHOWN, OWL), SIDE_BY_SIDE, False),
        (Statement(Form.BOTH, CAT, DOG), ASLANT, True),
        (Statement(Form.BOTH, CAT, OWL), ASLANT, False),
        (Statement(Form.LEFT, CAT, DOG), SIDE_BY_SIDE, True),
        (Statement(Form.LEFT, DOG, CAT), SIDE_BY_SIDE, False),
        (Statement(Form.LEFT, CAT, OWL), SIDE_BY_SIDE, False),
        (Statement(Form.RIGHT, DOG, CAT), SIDE_BY_SIDE, True),
        (Statement(Form.ABOVE, DOG, CAT), SIDE_BY_SIDE, False),
        (Statement(Form.ABOVE, CAT, DOG), ASLANT, True),
        (Statement(Form.BELOW, DOG, CAT), ASLANT, True),
        (Statement(Form.BESIDE, DOG, CAT), SIDE_BY_SIDE, True),
        (Statement(Form.BESIDE, DOG, CAT), ASLANT, False),
        (Statement(Form.LEFT, CAT, DOG), TWO_AND_ONE, True),
        (Statement(Form.RIGHT, CAT, DOG), TWO_AND_ONE, True),
        (Statement(Form.COUNT, CAT, count=2), TWO_AND_ONE, True),
        (Statement(Form.COUNT, CAT, count=1), TWO_AND_ONE, False),
        (Statement(Form.COUNT, DOG, count=2), TWO_AND_ONE, False),
        (Statement(Form.WITHOUT, CAT, OWL), SIDE_BY_SIDE, True),
        (Statement(Form.WITHOUT, CAT, DOG), SIDE_BY_SIDE, False),
        (Statement(Form.WITHOUT, OWL, DOG), SIDE_BY_SIDE, False),
    ],
)
def test_a_statement_holds_where_it_is_true(statement: Statement, of: Scene, true: bool) -> None:
    assert holds(statement, of) == true


def test_no_scene_leaves_in_doubt_how_its_things_lie() -> None:
    for number in range(300):
        placed = crowded_scene(Random(number)).placed
        apart = [abs(a - b) for one in placed for other in placed for a, b in ((one.x, other.x), (one.y, other.y))]
        assert not [far for far in apart if APART - 0.015 < far < APART + 0.015]


def test_the_same_seed_gives_the_same_scene_and_some_show_one_thing_several_times() -> None:
    scenes = [crowded_scene(Random(number)) for number in range(60)]
    assert scenes == [crowded_scene(Random(number)) for number in range(60)]
    most = [max(sum(placed.concept == other.concept for other in of.placed) for placed in of.placed) for of in scenes]
    assert set(most) == {1, 2, 3}


def test_true_statements_are_true_wrong_ones_wrong_and_both_name_two_things() -> None:
    rng, right = Random(3), {True: 0, False: 0}
    for _ in range(300):
        of = crowded_scene(rng)
        for true in right:
            statement = random_statement(rng, of, true=true)
            assert statement.first != statement.second
            right[true] += holds(statement, of) == true
    assert right[False] == 300
    assert right[True] > 200, "not of every scene there is a true one of every form"


def test_a_wording_says_where_each_thing_ends() -> None:
    statement = Statement(Form.LEFT, thing("red circle"), thing("statue of liberty"))
    plain = worded(statement)
    assert plain.text == "red circle left of statue of liberty"
    assert [plain.text[:end].split()[-1] for end in plain.ends] == ["circle", "liberty"]
    for seed in range(40):
        said = worded(statement, Random(seed))
        assert [said.text[:end].split()[-1] for end in said.ends] == ["circle", "liberty"]
    assert worded(Statement(Form.COUNT, CAT, count=2)).text == "two cat"


def test_what_is_like_a_shape_has_its_colour_or_its_form() -> None:
    red_circle = thing("red circle")
    for seed in range(20):
        other = like(red_circle, Random(seed))
        assert other.shape
        assert (other.shape == "circle") != (other.colour == "red")
    assert like(CAT, Random(1)).category == "animal"
    assert like(CAT, Random(1), (CAT, DOG, red_circle)) == DOG
