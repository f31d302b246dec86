"""Where a query points: pictures, words and exclusions as one vector. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from indexer.records.pictures import Vectors
from indexer.search.rank import normalised
from indexer.search.score_bands import LEAST_SAMPLE, Background

# How much an excluded word takes away of what was asked for: enough to push its pictures down, not to lead the search.
WITHOUT_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class QueryVector:
    """`vector` ([d], unit length) is searched for; `background` is what it scores on the guild's pictures."""

    vector: Vectors
    background: Background


def make_query_vector(
    pictures: Sequence[Vectors],
    words: Vectors | None,
    without: Sequence[Vectors],
    sample: Vectors,
    picture_weight: float,
) -> QueryVector | None:
    """None where nothing is asked for. All vectors [d], of unit length; `sample` [n, d] are pictures of the guild.

    The cosine of two pictures is larger than that of a sentence and a picture, and varies more. So each part is divided
    by the spread of its cosines over the sample before the parts are added: only then is `picture_weight` (0–1) the
    picture's share. The sum of weighted cosines is the cosine to the weighted sum, so one search is enough.
    """
    shares = (picture_weight, 1 - picture_weight) if pictures and words is not None else (1.0, 1.0)
    parts = [(shares[0] / len(pictures), picture) for picture in pictures]
    if words is not None:
        parts.append((shares[1], words))
    if not parts:
        return None
    parts += [(-WITHOUT_WEIGHT / len(without), unwanted) for unwanted in without]
    total = np.zeros(len(parts[0][1]), np.float32)
    for weight, vector in parts:
        spread = Background.of(vector, sample).spread if len(sample) >= LEAST_SAMPLE else 1.0
        total += np.float32(weight / spread) * vector
    try:
        vector = normalised(total)
    except ValueError:  # what is asked for and what is excluded cancel each other out
        vector = parts[0][1]
    return QueryVector(vector, Background.of(vector, sample))
