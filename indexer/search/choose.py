"""Which of the candidates become hits, in which order, and which pictures are one hit together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from indexer.model import PictureId, Place
from indexer.query.query import Query
from indexer.search.picture_facts import PictureFacts
from indexer.search.rank import cosines, diverse, groups_of_alike, hamming
from indexer.search.relevance import Judged

# Two pictures are shown as one hit when they are this close: hashes of two encodings of one picture differ by a few
# bits, and a cosine this high is the same picture to the model.
ALIKE_BITS = 6
ALIKE_COSINE = 0.985


def choose(
    query: Query,
    found: Sequence[Judged],
    facts: Mapping[PictureId, PictureFacts],
    fused: Mapping[PictureId, float],
    shown: Mapping[PictureId, tuple[Place, ...]],
) -> list[tuple[Judged, list[PictureId]]]:
    """The hits in their order, each with the pictures that are one with it (itself first)."""
    if not found:
        return []
    order = sorted(found, key=lambda one: (-fused[one.picture_id], -shown[one.picture_id][0].message_id))
    vectors = np.stack([facts[one.picture_id].vector for one in order])
    likeness = cosines(vectors, vectors)
    hashes = [facts[one.picture_id].perceptual_hash for one in order]
    pairs = [
        (left, right)
        for left, right in zip(*np.nonzero(np.triu(likeness >= ALIKE_COSINE, 1)), strict=True)
        if _hashes_agree(hashes[left], hashes[right])
    ]
    groups = groups_of_alike([(int(left), int(right)) for left, right in pairs], len(order))
    heads = [group[0] for group in groups]
    relevance = [fused[order[head].picture_id] for head in heads]
    best = max(relevance)
    picked = diverse([one / best for one in relevance], vectors[heads], query.count, query.diversity)
    return [(order[heads[one]], [order[member].picture_id for member in groups[one]]) for one in picked]


def _hashes_agree(left: int | None, right: int | None) -> bool:
    return left is not None and right is not None and hamming(left, right) <= ALIKE_BITS
