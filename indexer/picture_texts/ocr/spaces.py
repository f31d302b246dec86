"""Spaces that the recognition of a line nearly saw. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

NOTHING: Final = 0  # its place among the signs, as CTC has it: here is no sign
# Where it sees nothing, and a space with a chance of 1 in so many, there is one. Of 492 drawn words in captions 29 were
# missing as they were read, and 20 with 64 or 200; of 161 Chinese and Japanese ones 142 and 33 or 13. From 500 on names
# such as YouTube are torn apart (docs/adr/0055).
ODDS: Final = 200

Chances = npt.NDArray[np.float32]


def with_spaces(chances: Chances, space: int) -> Chances:
    """[lines, columns, signs]: what the recognition sees in each column of a line, with more spaces."""
    nothing = chances[:, :, NOTHING]
    spaced = (chances.argmax(axis=2) == NOTHING) & (chances[:, :, space] * ODDS > nothing)
    found = chances.copy()
    found[spaced, space] = nothing[spaced]
    found[spaced, NOTHING] = 0
    return found
