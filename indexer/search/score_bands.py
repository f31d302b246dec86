"""Scores in words, measured on the guild's own pictures and on sentences that do not fit them.

A cosine says nothing by itself. Two unrelated photos of one server may have a cosine of 0.6, two unrelated drawings of
another server 0.1, and a sentence and its picture 0.3. So

- pictures are held against the *typical neighbour*: the median cosine of a picture of the guild to the one nearest to
  it. `closeness` is 0 there and 1 at identity;
- words are held against sentences taken at random (baseline_sentences.py): `standing` is how many standard deviations
  the sentence fits better than they do, once over the whole guild and once for this picture, averaged. Measured with
  the demo model on 385 pictures: for words that name what is drawn in some of them the best picture stands at 2.1 to
  3.5 (98 %), for captions and file names that name nothing drawn at 0.4 to 1.9;
- pictures and words together are held against what the same question scores on pictures taken at random.

An answer needs one hit that is `enough`; then what is `RELATED` to the question is shown as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.records.hits import Band
from indexer.records.pictures import Vectors
from indexer.search.rank import cosines, hamming

# Bits of 64 by which the perceptual hashes of one picture in two encodings differ at most.
SAME_BITS = 4
SAME_COSINE = 0.97
# Of the way from the typical neighbour to identity.
EDITED_CLOSENESS = 0.75
VERY_SIMILAR_CLOSENESS = 0.35
# Standard deviations.
WORDS_ENOUGH, WORDS_WELL, WORDS_RELATED = 2.1, 2.8, 1.5
BOTH_ENOUGH, BOTH_WELL, BOTH_RELATED = 2.5, 4.0, 2.0
PICTURES_RELATED = 3.0
# The best of many pictures stands high by chance alone, about √(2 ln n) for n of them. Measured with the demo model, 60
# to 5,000 pictures: what fits nothing rises by 0.37 of that.
CHANCE_RISE, CHANCE_AT = 0.37, 400
# Beside a hit with a high standing, a picture below this share of that standing is not shown: for words alone, and for
# pictures with words. Measured on the demo guild for 288 things drawn there: 0.7 keeps 95 % of what shows the
# thing, and 59 % of the four nearest that do not (0.6: 99 and 91 %; 0.8: 86 and 29 %).
BESIDE_WORDS, BESIDE_BOTH = 0.7, 0.5
# Hashes that differ in fewer than HASH_FROM bits speak for a copy, each bit less by HASH_WORTH / 64. Unrelated pictures
# differ in 32 bits give or take 4; of 2,000 the nearest one in 16. Measured with 2,000 originals, at one false match in
# 1,000: with the cosine alone 54 % of pictures turned by 5° are found, with the hash beside it 94 %
# (docs/adr/0010-copies-by-model-and-hash.md).
HASH_BITS = 64
HASH_FROM, HASH_WORTH = 26, 0.35
# Hashes this near to each other are of one picture, whatever the model makes of it. A copy in greys has a cosine like
# that of strangers. Of 2,000 such copies the hash of 1,997 differs in 2 bits at most; of 2,000 strangers the nearest
# among 2,000 pictures differs in 8 or more.
SURE_BITS = 3
# Where the pixels of two pictures could not be compared, hashes must agree up to here before a picture that the model
# finds close is called an edited copy: 3 in 100 look-alikes do (16 bits: 30), of 200 strangers none.
AGREEING_BITS = 6
LARGEST_HASH_PART = HASH_WORTH * HASH_FROM / HASH_BITS
# Bits of the hash that turn over when the picture is mirrored: the waves of odd number across, every second one
# (indexer/pictures/perceptual_hash.py; a test holds the two together).
MIRRORED_BITS = 0xAAAA_AAAA_AAAA_AAAA
# Below this spread everything scores the same, and a standing would be noise.
LEAST_SPREAD = 1e-3
# With fewer pictures than this a guild has no distribution: everything found is shown, and called related.
LEAST_SAMPLE = 16
# Neighbours this close are re-posts, and say nothing of how near unrelated pictures come; and in a guild of look-alikes
# there must be room left above the typical neighbour.
REPOST_COSINE = 0.95
LARGEST_TYPICAL = 0.90


@dataclass(frozen=True, slots=True)
class Background:
    """What one query vector scores on pictures of the guild taken at random: middle and spread of the cosines.

    Median and interquartile range (times 0.7413, a normal distribution's standard deviation): a sample also holds
    pictures that are meant, and those must not raise the bar for themselves.
    """

    middle: float
    spread: float

    @classmethod
    def of(cls, query: Vectors, sample: Vectors) -> Background:
        """`query` [d] and `sample` [n, d] of unit length; n may be 0."""
        if len(sample) == 0:
            return cls(0.0, 1.0)
        low, middle, high = np.quantile(cosines(sample, query), (0.25, 0.5, 0.75))
        return cls(float(middle), max(0.7413 * float(high - low), LEAST_SPREAD))

    def standing(self, cosine: float) -> float:
        return (cosine - self.middle) / self.spread


@dataclass(frozen=True, slots=True)
class Calibration:
    """One guild and model: a `sample` of its pictures ([n, d]), and what was measured on it.

    `typical` and `typical_low` are the median and lower quartile of the cosine to the nearest neighbour, `reference` is
    the mean of the reference texts' vectors ([d]), `middle`, `spread` and `own_spread` are of their cosines to the
    sample: over all, and (mean standard deviation) within one picture.
    """

    sample: Vectors
    typical: float
    typical_low: float
    reference: Vectors
    middle: float
    spread: float
    own_spread: float

    @classmethod
    def measured(cls, sample: Vectors, references: Vectors) -> Calibration:
        """`sample` [n, d], `references` [m, d]. Blocks for some milliseconds: call it in a thread."""
        reference = references.mean(axis=0)
        if len(sample) < LEAST_SAMPLE:
            return cls(sample, 0.6, 0.5, reference, 0.0, 1.0, 1.0)
        likeness = sample @ sample.T
        likeness[likeness >= REPOST_COSINE] = -1.0  # itself, too
        low, typical = np.quantile(likeness.max(axis=1), (0.25, 0.5))
        fits = sample @ references.T
        return cls(
            sample=sample,
            typical=float(np.clip(typical, 0.0, LARGEST_TYPICAL)),
            typical_low=float(np.clip(low, 0.0, LARGEST_TYPICAL)),
            reference=reference,
            middle=float(np.median(fits)),
            spread=max(float(fits.std()), LEAST_SPREAD),
            own_spread=max(float(fits.std(axis=1).mean()), LEAST_SPREAD),
        )

    @property
    def judges(self) -> bool:
        """Whether there are pictures enough to say that something is too far off."""
        return len(self.sample) >= LEAST_SAMPLE

    def closeness(self, likeness: float) -> float:
        """0 at the typical neighbour, 1 at identity; of a cosine or a `copy_score`."""
        return min((likeness - self.typical) / (1.0 - self.typical), 1.0)

    def words_standing(self, cosine: float, reference_cosine: float) -> float:
        """Of a sentence and a picture whose cosine to the mean reference text is `reference_cosine`."""
        in_guild = (cosine - self.middle) / self.spread
        for_picture = (cosine - reference_cosine) / self.own_spread
        return (in_guild + for_picture) / 2

    def picture_band(
        self, cosine: float, background: Background, *, hash_distance: int | None, same_bytes: bool, copied: bool
    ) -> Band:
        """The band of a hit of a query with pictures alone. `copied`: hash or pixels say that it is an edited copy."""
        if same_bytes:
            return Band.SAME
        if cosine >= SAME_COSINE and hash_distance is not None and hash_distance <= SAME_BITS:
            return Band.SAME
        if copied:
            return Band.EDITED
        if cosine >= self.least_very_similar:
            return Band.VERY_SIMILAR
        return Band.RELATED if not self.judges or background.standing(cosine) >= PICTURES_RELATED else Band.FAR

    @property
    def least_very_similar(self) -> float:
        """The cosine from which on a picture is very similar to the one that was asked with."""
        return self.typical + VERY_SIMILAR_CLOSENESS * (1.0 - self.typical)

    def picture_enough(self, cosine: float) -> bool:
        return not self.judges or cosine >= self.typical_low

    def words_band(self, standing: float, best: float) -> Band:
        """The band of a hit of words alone, of which the best one stands at `best`."""
        return self._band(standing, WORDS_WELL, max(WORDS_RELATED, BESIDE_WORDS * best))

    def words_enough(self, standing: float, searched: int) -> bool:
        """Whether the best of `searched` pictures answers the question at all."""
        return not self.judges or standing >= self.least_words(searched)

    def least_words(self, searched: int) -> float:
        """The standing from which on the best of `searched` pictures answers words."""
        return WORDS_ENOUGH + _chance(searched)

    def both_band(self, standing: float, best: float) -> Band:
        """The same for pictures and words together; `standing` is that of the whole question."""
        return self._band(standing, BOTH_WELL, max(BOTH_RELATED, BESIDE_BOTH * best))

    def both_enough(self, standing: float, searched: int) -> bool:
        return not self.judges or standing >= self.least_both(searched)

    def least_both(self, searched: int) -> float:
        """The same for pictures and words together."""
        return BOTH_ENOUGH + _chance(searched)

    def _band(self, standing: float, well: float, related: float) -> Band:
        if not self.judges:
            return Band.RELATED
        if standing < related:
            return Band.FAR
        return Band.VERY_SIMILAR if standing >= well else Band.RELATED


def _chance(searched: int) -> float:
    """How much higher the best of `searched` pictures stands by chance than the best of CHANCE_AT."""
    return CHANCE_RISE * (math.sqrt(2 * math.log(max(searched, 2))) - math.sqrt(2 * math.log(CHANCE_AT)))


def copy_bits(left: int, right: int) -> int:
    """How many of 64 bits of two hashes differ, as the pictures are or with one of them mirrored.

    HASH_BITS where one of them is 0: that of a flat picture, which says nothing of what it shows.
    """
    if not (left and right):
        return HASH_BITS
    return min(hamming(left, right), hamming(left ^ MIRRORED_BITS, right))


def copy_score(cosine: float, bits: int | None) -> float:
    """How alike two pictures are as copies of one: the cosine, and what agreeing hashes add. May exceed 1.

    Where the hashes differ in SURE_BITS bits at most, they count as if the cosine were 1.
    """
    if bits is None:
        return cosine
    return (1.0 if bits <= SURE_BITS else cosine) + HASH_WORTH * max(HASH_FROM - bits, 0) / HASH_BITS


def copy_scores(scores: npt.NDArray[np.float32], bits: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """`copy_score` of many pairs; [n] or [n, m] of each. HASH_BITS bits say that nothing is known of the hashes."""
    likeness = np.where(bits <= SURE_BITS, 1.0, scores)
    return (likeness + HASH_WORTH / HASH_BITS * np.maximum(HASH_FROM - bits, 0)).astype(np.float32)


def copy_bits_of(left: npt.NDArray[np.uint64], right: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """`copy_bits` of many pairs, by numpy's broadcasting."""
    differing = left ^ right
    straight, mirrored = np.bitwise_count(differing), np.bitwise_count(differing ^ np.uint64(MIRRORED_BITS))
    bits: npt.NDArray[np.int64] = np.minimum(straight, mirrored).astype(np.int64)
    return np.where((left == 0) | (right == 0), HASH_BITS, bits)
