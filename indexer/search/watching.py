"""Whether a new picture shows a watched one: by bytes, hash, pixels, or (where asked) because it looks alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from indexer.records.copies import Copy
from indexer.records.hits import Band
from indexer.records.saved_searches import AskedPicture
from indexer.search.pairs_in_doubt import LEAST_SCORE
from indexer.search.picture_facts import PictureFacts
from indexer.search.rank import hamming
from indexer.search.score_bands import (
    AGREEING_BITS,
    EDITED_CLOSENESS,
    HASH_BITS,
    SAME_BITS,
    SAME_COSINE,
    SURE_BITS,
    Calibration,
    copy_bits,
    copy_score,
)

Pixels = Copy | Literal["another", "unknown"]  # what comparing the pixels gave; unknown: they could not be had


@dataclass(frozen=True, slots=True)
class Pair:
    """A watched picture and a new one, in numbers. `bits`: by how many of 64 their hashes differ, also mirrored."""

    same_bytes: bool
    cosine: float
    bits: int
    straight_bits: int

    @classmethod
    def of(cls, watched: AskedPicture, new: PictureFacts) -> Pair:
        """Of an animation the frame that is nearest to the watched picture counts."""
        new = new.nearest_frame(watched.vector)
        return cls(
            watched.sha256 == new.sha256,
            float(watched.vector @ new.vector),
            copy_bits(watched.perceptual_hash, new.perceptual_hash),
            hamming(watched.perceptual_hash, new.perceptual_hash),
        )

    @property
    def score(self) -> float:
        return copy_score(self.cosine, self.bits)

    @property
    def sure(self) -> bool:
        """Whether bytes or hash alone say that it is the picture."""
        return self.same_bytes or self.bits <= SURE_BITS

    @property
    def in_doubt(self) -> bool:
        """Whether the pixels must be compared to tell; as of pairs that are both posted."""
        # Of flat pictures, whose hash says nothing, pixels tell nothing either.
        return not self.sure and self.bits < HASH_BITS and self.score >= LEAST_SCORE


def band_of(pair: Pair, pixels: Pixels, calibration: Calibration, *, alike: bool) -> Band | None:
    """Which band the new picture is in for whoever watches; None: it is not what they watch for."""
    if pair.same_bytes or (pair.cosine >= SAME_COSINE and pair.straight_bits <= SAME_BITS and pair.sure):
        return Band.SAME
    if pair.sure or isinstance(pixels, Copy):
        return Band.EDITED
    agrees = pair.bits <= AGREEING_BITS and calibration.closeness(pair.score) >= EDITED_CLOSENESS
    if pixels == "unknown" and agrees:
        return Band.EDITED
    near = calibration.judges and pair.cosine >= calibration.least_very_similar
    return Band.VERY_SIMILAR if alike and near else None
