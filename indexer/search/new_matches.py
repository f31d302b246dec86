"""Which new pictures fit a question that was asked before: what makes a match, and which are not worth a look. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from indexer.query.query import Query
from indexer.records.hits import Band, Hit
from indexer.records.ids import PlaceId
from indexer.records.pictures import Vectors
from indexer.search.query_vector import QueryVector
from indexer.search.score_bands import AGREEING_BITS, Calibration, copy_bits_of

# A gate is made at one look and used until the next. What it is measured on changes meanwhile, so it lets through what
# misses the bar by so many standard deviations, or by so much of a cosine.
SLACK, SLACK_COSINE = 0.25, 0.05
MATCHES: Final = (Band.SAME, Band.EDITED, Band.VERY_SIMILAR, Band.LISTED)


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A picture whose product with `vector` ([d], of any length) is below `least` is not worth a closer look."""

    vector: Vectors
    least: float


@dataclass(frozen=True, slots=True, eq=False)
class Bar:
    """What is measured for one question. `standing`: where words are in it, at this one an answer would be enough.

    `gate` is None where there are too few pictures to say anything.
    """

    gate: Gate | None = None
    standing: float | None = None


def bar_of(query: Query, target: QueryVector, calibration: Calibration, searched: int) -> Bar:
    """`searched`: how many places are inside the question's filter, old ones too."""
    if query.min_score is not None:
        return Bar(Gate(target.vector, query.min_score - SLACK_COSINE))
    if not calibration.judges:
        return Bar()
    if not query.has_pictures:
        # The standing of words (Calibration.words_standing), as one product with the picture's vector.
        spread, own_spread = calibration.spread, calibration.own_spread
        vector = np.float32(0.5 / spread + 0.5 / own_spread) * target.vector
        vector -= np.float32(0.5 / own_spread) * calibration.reference
        standing = calibration.least_words(searched)
        return Bar(Gate(vector, standing - SLACK + calibration.middle / (2 * spread)), standing)
    if query.has_words:
        standing = calibration.least_both(searched)
        background = target.background
        return Bar(Gate(target.vector, background.middle + (standing - SLACK) * background.spread), standing)
    return Bar(Gate(target.vector, calibration.least_very_similar - SLACK_COSINE))


def is_match(query: Query, hit: Hit, bar: Bar, said: Collection[PlaceId]) -> bool:
    """Whether a new hit is one to tell of: it alone would be an answer. `said`: places that say all the words.

    What is only related, beside a better hit, is not; nor what says some of the words.
    """
    if query.min_score is not None or hit.band in MATCHES or hit.place.place_id in said:
        return True
    return hit.band is Band.RELATED and bar.standing is not None and (hit.parts.standing or 0.0) >= bar.standing


@dataclass(frozen=True, slots=True, eq=False)
class Gates:
    """Those of many questions: [n, d] `vectors`, [n] `least`, and [n] `hashes` of pictures in them (0: none)."""

    vectors: Vectors
    least: npt.NDArray[np.float32]
    hashes: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, gates: Sequence[Gate], hashes: Sequence[int]) -> Gates:
        vectors = np.stack([gate.vector for gate in gates]) if gates else np.zeros((0, 1), np.float32)
        least = np.array([gate.least for gate in gates], np.float32)
        return cls(vectors.astype(np.float32), least, np.array(hashes, np.uint64))

    def open(self, pictures: Sequence[Vectors], hashes: Sequence[int]) -> npt.NDArray[np.bool_]:
        """[n, m]: which of m vectors ([d] each), with these hashes, are worth a look for which question."""
        if not (len(self.least) and len(pictures)):
            return np.zeros((len(self.least), len(pictures)), np.bool_)
        near: npt.NDArray[np.bool_] = self.vectors @ np.stack(pictures).T >= self.least[:, None]
        bits = copy_bits_of(self.hashes[:, None], np.array(hashes, np.uint64)[None, :])
        return near | (bits <= AGREEING_BITS)
