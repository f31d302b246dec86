"""What a watched picture and a new one are to each other."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.records.copies import Copy
from indexer.records.hits import Band
from indexer.search.score_bands import Calibration
from indexer.search.watching import Pair, Pixels, band_of

CALIBRATION = Calibration(np.zeros((20, 2), np.float32), 0.6, 0.5, np.zeros(2, np.float32), 0.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("pair", "pixels", "band", "alike"),
    [
        (Pair(same_bytes=True, cosine=0.1, bits=64, straight_bits=64), "unknown", Band.SAME, Band.SAME),
        (Pair(same_bytes=False, cosine=0.99, bits=2, straight_bits=2), "unknown", Band.SAME, Band.SAME),
        (Pair(same_bytes=False, cosine=0.3, bits=3, straight_bits=33), "another", Band.EDITED, Band.EDITED),
        (
            Pair(same_bytes=False, cosine=0.85, bits=20, straight_bits=20),
            Copy(0.9, share=0.5),
            Band.EDITED,
            Band.EDITED,
        ),
        (Pair(same_bytes=False, cosine=0.85, bits=6, straight_bits=6), "unknown", Band.EDITED, Band.EDITED),
        (Pair(same_bytes=False, cosine=0.85, bits=6, straight_bits=6), "another", None, Band.VERY_SIMILAR),
        (Pair(same_bytes=False, cosine=0.85, bits=20, straight_bits=20), "unknown", None, Band.VERY_SIMILAR),
        (Pair(same_bytes=False, cosine=0.7, bits=30, straight_bits=30), "unknown", None, None),
    ],
)
def test_a_re_post_is_told_by_bytes_hash_or_pixels_and_a_look_alike_where_asked(
    pair: Pair, pixels: Pixels, band: Band | None, alike: Band | None
) -> None:
    assert band_of(pair, pixels, CALIBRATION, alike=False) is band
    assert band_of(pair, pixels, CALIBRATION, alike=True) is alike


def test_pixels_decide_only_where_neither_bytes_nor_hash_do_and_of_no_flat_picture() -> None:
    assert Pair(same_bytes=False, cosine=0.8, bits=20, straight_bits=20).in_doubt
    assert not Pair(same_bytes=False, cosine=0.8, bits=3, straight_bits=3).in_doubt
    assert not Pair(same_bytes=True, cosine=0.8, bits=20, straight_bits=20).in_doubt
    assert not Pair(same_bytes=False, cosine=0.99, bits=64, straight_bits=64).in_doubt
    assert not Pair(same_bytes=False, cosine=0.6, bits=20, straight_bits=20).in_doubt
