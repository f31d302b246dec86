"""Scores in words: how close is close, measured on the guild's own pictures.

A cosine means nothing by itself: two unrelated photos of one server may stand at 0.6, two unrelated drawings of
another at 0.2, and a sentence and its picture at 0.3. So every query is held against a sample of the guild's pictures:
`standing` says how many standard deviations a hit lies above what the query scores on a picture taken at random, and
`closeness` how far it has come from that average to identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.model import Band, Vectors
from indexer.search.rank import cosines

# Bits of 64 by which the perceptual hashes of one picture in two encodings differ at most.
SAME_BITS = 4
SAME_COSINE = 0.97
EDITED_CLOSENESS = 0.80
VERY_SIMILAR_CLOSENESS = 0.55
RELATED_STANDING = 3.5
# Hashes that agree count only where the model does not object: flat pictures, and all captions on white, have much the
# same hash.
HASH_NEEDS_COSINE = 0.80
# What an agreeing hash is worth: 1 - bits / 64 is 0.95 at three bits.
HASH_BITS = 64
# Below this spread every picture of the sample scores the same, and a standing would be noise.
LEAST_SPREAD = 1e-3
# With fewer pictures than this a guild has no distribution: everything asked for is shown, and called related.
LEAST_SAMPLE = 16


@dataclass(frozen=True, slots=True)
class Background:
    """What one query vector scores on pictures of the guild taken at random: middle and spread of the cosines.

    Median and interquartile range (times 0.7413, a normal distribution's standard deviation): a sample also holds
    pictures that are meant, and those must not raise the bar for themselves.
    """

    middle: float
    spread: float
    sampled: int

    @classmethod
    def of(cls, query: Vectors, sample: Vectors) -> Background:
        """`query` [d] and `sample` [n, d] of unit length; n may be 0."""
        if len(sample) == 0:
            return cls(0.0, 1.0, 0)
        low, middle, high = np.quantile(cosines(sample, query), (0.25, 0.5, 0.75))
        return cls(float(middle), max(0.7413 * float(high - low), LEAST_SPREAD), len(sample))

    def standing(self, cosine: float) -> float:
        return (cosine - self.middle) / self.spread

    def closeness(self, cosine: float) -> float:
        """0 at the average picture, 1 at identity."""
        return (cosine - self.middle) / max(1.0 - self.middle, LEAST_SPREAD)


def band_for_pictures(cosine: float, background: Background, *, hash_distance: int | None, same_bytes: bool) -> Band:
    """The band of a hit of a query with a picture. `cosine` is that of the picture asked with and the hit."""
    if same_bytes:
        return Band.SAME
    if cosine >= SAME_COSINE and hash_distance is not None and hash_distance <= SAME_BITS:
        return Band.SAME
    closeness = background.closeness(cosine)
    if closeness >= EDITED_CLOSENESS:
        return Band.EDITED
    if closeness >= VERY_SIMILAR_CLOSENESS:
        return Band.VERY_SIMILAR
    if background.sampled < LEAST_SAMPLE or background.standing(cosine) >= RELATED_STANDING:
        return Band.RELATED
    return Band.FAR


def band_for_words(cosine: float, background: Background) -> Band:
    """The band of a hit of words alone: no sentence is the same as a picture."""
    if background.sampled < LEAST_SAMPLE:
        return Band.RELATED
    standing = background.standing(cosine)
    if standing >= 2 * RELATED_STANDING:
        return Band.VERY_SIMILAR
    return Band.RELATED if standing >= RELATED_STANDING else Band.FAR


def confidences(scores: npt.NDArray[np.float32], bits: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """How sure it is (0–1) that two pictures are one, edited or not; [n] each, `bits` of 64 that differ."""
    by_hash = np.where(scores >= HASH_NEEDS_COSINE, 1.0 - bits / HASH_BITS, 0.0)
    return np.clip(np.maximum(scores, by_hash), 0.0, 1.0).astype(np.float32)
