"""Which pairs of posted pictures may be copies of one another, and must be compared by their pixels to tell. Pure.

Whether a pair is looked at is told from the two pictures and from the channels that show them: who may see both may see
all of that. A pair whose hashes are almost equal is a copy without a look.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from indexer.records.ids import ChannelId, PictureId
from indexer.search.copies import Comparable
from indexer.search.score_bands import SURE_BITS, copy_bits_of, copy_scores

# Below this copy score no copy is looked for: of 1,000 crops to 50 % nine in ten reach it, whatever the model.
LEAST_SCORE = 0.8
# Pictures in each channel that one is compared with. As of a search: the original of a crop is among so many nearest.
NEAREST = 5

Scored: TypeAlias = tuple[float, PictureId]


def in_doubt(
    own_ids: Sequence[PictureId], own: Comparable, other_ids: Sequence[PictureId], others: Comparable
) -> dict[PictureId, list[Scored]]:
    """For each picture of `own` those of `others` that may be copies of it, with their copy scores."""
    if not (len(own) and len(others)):
        return {}
    bits = copy_bits_of(own.hashes[:, None], others.hashes[None, :])
    scores = copy_scores(own.vectors @ others.vectors.T, bits)
    doubtful = (scores >= LEAST_SCORE) & (bits > SURE_BITS)
    doubtful &= np.array(own_ids)[:, None] != np.array(other_ids)[None, :]
    doubtful &= (own.hashes != 0)[:, None] & (others.hashes != 0)[None, :]  # of flat pictures pixels tell nothing
    found: dict[PictureId, list[Scored]] = {}
    for row, column in zip(*np.nonzero(doubtful), strict=True):
        found.setdefault(own_ids[row], []).append((float(scores[row, column]), other_ids[column]))
    return found


def nearest(found: Sequence[Scored], channels: Mapping[PictureId, Collection[ChannelId]]) -> list[Scored]:
    """Of `found` the NEAREST in each channel, the nearest first. A picture that no channel shows is none of them."""
    taken: dict[ChannelId, int] = {}
    chosen = []
    for score, picture_id in sorted(found, key=lambda scored: (-scored[0], scored[1])):
        room = [channel for channel in channels.get(picture_id, ()) if taken.get(channel, 0) < NEAREST]
        if room:
            chosen.append((score, picture_id))
        for channel in room:
            taken[channel] = taken.get(channel, 0) + 1
    return chosen
