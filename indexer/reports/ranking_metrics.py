"""How good a ranking is, by what was expected of it. Pure.

A ranking is a list of hits, best first; a hit is the set of expected items that it shows, and may be empty. One hit may
show several expected items: one picture in several messages.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

Ranking = Sequence[AbstractSet[str]]


def recall_at(ranking: Ranking, expected: int, top: int) -> float:
    """The share (0–1) of the `expected` items that the first `top` hits show."""
    return len(frozenset[str]().union(*ranking[:top])) / expected


def reciprocal_rank(ranking: Ranking) -> float:
    """1 / the rank of the first hit that shows something expected; 0 where none does."""
    return next((1 / rank for rank, hit in enumerate(ranking, start=1) if hit), 0.0)


def average_precision(ranking: Ranking, expected: int) -> float:
    """The mean, over the `expected` items, of the precision at the hit that shows the item first; 0 for those that no
    hit shows. Precision at a rank is the share of the hits up to it that show something expected.
    """
    seen: set[str] = set()
    right, total = 0, 0.0
    for rank, hit in enumerate(ranking, start=1):
        right += bool(hit)
        total += len(hit - seen) * right / rank
        seen |= hit
    return total / expected


def percentile(values: Collection[float], share: float) -> float:
    """The smallest value that at least this share (0–1] of the values do not exceed: the nearest-rank rule."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]
