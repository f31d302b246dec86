"""How lists of candidates become one order. Pure: arrays and tuples in, arrays and tuples out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from indexer.records.pictures import Vectors

Item = TypeVar("Item")

# The constant of reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009, found 60 near the best on TREC data.
RRF_K = 60


def reciprocal_rank_fusion(lists: Sequence[Sequence[tuple[Item, float]]]) -> dict[Item, float]:
    """Σ weight / (60 + rank) over the lists that hold the item, ranks from 1; a list has (item, weight), best first.

    Keys come in descending order of their sum; equal sums keep the order in which the lists first named them.
    """
    total: dict[Item, float] = {}
    for items in lists:
        for rank, (item, weight) in enumerate(items, start=1):
            total[item] = total.get(item, 0.0) + weight / (RRF_K + rank)
    return dict(sorted(total.items(), key=lambda entry: -entry[1]))


def diverse(relevance: Sequence[float], vectors: Vectors, count: int, diversity: float) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): indices of up to `count` items, best first.

    Each step takes the item with the largest (1 - diversity) · relevance - diversity · (largest cosine to what is
    taken already). `relevance` is best first, one value a row of `vectors` ([n, d], unit length); diversity 0 keeps
    the order as it is.
    """
    left = list(range(len(relevance)))
    if diversity <= 0 or not left:
        return left[:count]
    worth = np.asarray(relevance, np.float32)
    closest = np.full(len(left), -1.0, np.float32)
    taken: list[int] = []
    while left and len(taken) < count:
        gains = (1 - diversity) * worth[left] - (diversity * closest[left] if taken else 0)
        best = left.pop(int(np.argmax(gains)))
        taken.append(best)
        closest = np.maximum(closest, cosines(vectors, vectors[best]))
    return taken


def hamming(left: int, right: int) -> int:
    """How many of 64 bits differ. Takes signed and unsigned alike."""
    return ((left ^ right) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()


def groups_of_alike(pairs: Sequence[tuple[int, int]], size: int) -> list[list[int]]:
    """The connected components of `size` items under `pairs`, each ascending, in the order of their first item."""
    parent = list(range(size))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for left, right in pairs:
        low, high = sorted((root(left), root(right)))
        parent[high] = low
    members: dict[int, list[int]] = {}
    for item in range(size):
        members.setdefault(root(item), []).append(item)
    return list(members.values())


def cosines(rows: Vectors, vectors: Vectors) -> Vectors:
    """[n] for one vector [d], [n, m] for several [m, d]; `rows` [n, d], all of unit length."""
    found: Vectors = rows @ vectors.T
    return found


def normalised(vector: Vectors) -> Vectors:
    """The vector at unit length. Raises ValueError for a vector of length zero, which has no direction."""
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise ValueError("a vector of length zero has no direction")
    return (vector / length).astype(np.float32)
