"""What the second model is trained on: drawn scenes, each with statements that hold for it and some that do not.

A scene's statements stand behind one another in one row of tokens, as many as there is room for: so the model reads the
picture once for all of them.
"""

from dataclasses import dataclass, fields
from random import Random
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from tokenizers import Tokenizer
from transformers import BertTokenizer

from sandbox.drawing.concepts import CONCEPTS
from sandbox.drawing.scene import Scene, draw
from sandbox.drawing.statements import PHRASES, Form, Statement, crowded_scene, holds, random_statement, worded

SIDE: Final = 64
"""Side of a picture, in pixels: the model's input."""
TOKENS: Final = 96
"""Tokens of a row: ten to twelve statements."""
FORMS: Final = tuple(Form)
NOTHING: Final = -1
"""Where a row of marks has nothing to say."""
UNCLEAR: Final = -2
PATCH: Final = 8
"""Side of a patch, in pixels of a picture."""

_ROWS: Final = 4  # of each scene, with other statements
_WEIGHTS: Final = tuple(3 if concept.shape else 1 for concept in CONCEPTS)  # as in pool.py
_OFFERED: Final = 12  # concepts, of which a scene uses one to three
_SIZES: Final = ((160, 120), (160, 120), (128, 128), (120, 160), (160, 90))
_INSIDE: Final = 0.4  # of a thing's side, from its middle: what lies nearer shows the thing
_RIM: Final = 0.58  # what lies farther away does not
_TRAIN_SEED: Final = 1 << 41  # training uses the seeds above, and the first model's those above 1 << 40
_SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_OTHERS: Final = ("a", "an", "the", "one", "two", "three", "1", "2", "3", "-")


@dataclass(frozen=True, slots=True)
class MatchingPool:
    """N scenes with R rows of T = TOKENS tokens.

    `pixels` uint8 (N, SIDE, SIDE, 3). The others are of each token, (N, R, T). `tokens` int16: its number. `statement`
    int8: to which statement of its row it belongs (NOTHING: filling). `position` int8: its place there. Of a
    statement's first token `true` int8 (0 or 1), `form` int8, the place in FORMS, and if it names two things that are
    shown once, `apart` float16 (N, R, T, 2): how far the first lies from the second. Of a thing's last token `shown`
    int8, how often the scene shows it, and if that is once, `spot` float16 (N, R, T, 2): where. `drawn` int16
    (N, patches): which concept (its place in CONCEPTS) each patch shows, NOTHING where it shows none, UNCLEAR at a rim.
    """

    pixels: npt.NDArray[np.uint8]
    tokens: npt.NDArray[np.int16]
    statement: npt.NDArray[np.int8]
    position: npt.NDArray[np.int8]
    true: npt.NDArray[np.int8]
    form: npt.NDArray[np.int8]
    shown: npt.NDArray[np.int8]
    spot: npt.NDArray[np.float16]
    apart: npt.NDArray[np.float16]
    drawn: npt.NDArray[np.int16]


def vocabulary() -> dict[str, int]:
    """Every word of statements as one token; other words are read by their letters."""
    said = {word for concept in CONCEPTS for name in concept.words for word in name.replace("-", " ").split()}
    said |= {word for ways in PHRASES.values() for way in ways for word in way.split() if word.islower()}
    pieces = [*_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    words = sorted({*said, *_OTHERS} - set(pieces))
    return {token: number for number, token in enumerate((*_SPECIAL, *pieces, *words))}


def tokenizer() -> BertTokenizer:
    """Of that vocabulary."""
    return BertTokenizer(vocabulary())


def build(scenes: int, start: int = 0) -> MatchingPool:
    """Draws the training scenes from number `start` on; the same numbers always give the same scenes."""
    reader = tokenizer().backend_tokenizer  # a twentieth of the time of a call of the other
    pixels, rows, drawn = [], [], []
    for number in range(start, start + scenes):
        rng = Random(_TRAIN_SEED + number)
        scene = crowded_scene(rng, tuple(dict.fromkeys(rng.choices(CONCEPTS, _WEIGHTS, k=_OFFERED))))
        size = rng.choice(_SIZES)
        pixels.append(np.asarray(draw(scene, size).resize((SIDE, SIDE), Image.Resampling.BICUBIC)))
        rows.append([_row(scene, rng, reader) for _ in range(_ROWS)])
        drawn.append(_patches(scene, size))
    names = [field.name for field in fields(MatchingPool)][1:-1]
    marks = {name: np.array([[row[name] for row in some] for some in rows]) for name in names}
    return MatchingPool(pixels=np.array(pixels), **marks, drawn=np.array(drawn))


def _patches(scene: Scene, size: tuple[int, int]) -> npt.NDArray[np.int16]:
    """As MatchingPool.drawn, row by row."""
    count = SIDE // PATCH
    middles = (np.arange(count) + 0.5) / count
    found = np.full((count, count), NOTHING, np.int16)
    for placed in scene.placed:
        across, down = (placed.size * min(size) / side for side in size)
        far = np.maximum(abs(middles - placed.x)[None, :] / across, abs(middles - placed.y)[:, None] / down)
        found[far < _RIM] = UNCLEAR
        found[far < _INSIDE] = CONCEPTS.index(placed.concept)
    return found.reshape(-1)


def _row(scene: Scene, rng: Random, reader: Tokenizer) -> dict[str, np.ndarray]:
    row: dict[str, np.ndarray] = {
        "tokens": np.zeros(TOKENS, np.int16),
        "statement": np.full(TOKENS, NOTHING, np.int8),
        "position": np.zeros(TOKENS, np.int8),
        "true": np.full(TOKENS, NOTHING, np.int8),
        "form": np.full(TOKENS, NOTHING, np.int8),
        "shown": np.full(TOKENS, NOTHING, np.int8),
        "spot": np.full((TOKENS, 2), np.nan, np.float16),
        "apart": np.full((TOKENS, 2), np.nan, np.float16),
    }
    at = number = 0
    while True:
        statement = random_statement(rng, scene, true=rng.random() < 0.5)
        wording = worded(statement, rng)
        read = reader.encode(wording.text)
        until = at + len(read.ids)
        if until > TOKENS:
            return row
        row["tokens"][at:until] = read.ids
        row["statement"][at:until] = number
        row["position"][at:until] = np.arange(until - at)
        row["true"][at] = holds(statement, scene)
        row["form"][at] = FORMS.index(statement.form)
        things = _spots(statement, scene)
        if [len(spots) for spots in things] == [1, 1]:
            row["apart"][at] = np.subtract(things[0][0], things[1][0])
        for end, spots in zip(wording.ends, things, strict=True):
            last = at + max(i for i, (left, right) in enumerate(read.offsets) if left < right <= end)
            row["shown"][last] = len(spots)
            if len(spots) == 1:
                row["spot"][last] = spots[0]
        at, number = until, number + 1


def _spots(statement: Statement, scene: Scene) -> list[list[tuple[float, float]]]:
    """Where the scene shows each thing of the statement."""
    return [[(placed.x, placed.y) for placed in scene.placed if placed.concept == thing] for thing in statement.things]
