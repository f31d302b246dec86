"""Two orders become one: the first stage's, and that of a second model which scored some of the candidates. Pure.

What the second model has not scored keeps its place, or is ranked by the first stage's score alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

import numpy as np

from indexer.records.pictures import Scores
from indexer.search.rank import RRF_K

Item = TypeVar("Item")
Fusion = Literal["replace", "weighted", "rank"]

# Candidates whose scores lie closer together than this are equal: what is left is rounding.
LEAST_SPREAD = 1e-6


def fused(fusion: Fusion, weight: float, first: Mapping[Item, float], second: Mapping[Item, float]) -> list[Item]:
    """The items of `first` in their new order, best first. `first` has the first stage's scores, best first; `second`
    those of the second model, of some of its items. `weight` (0–1) is what the second counts. Equals keep their order.

    replace: the scored items share out the places that they have among themselves, by the second score.
    weighted: by the weighted sum of both scores, each calibrated over the items that have both. An item without a
    second score counts as if the second model agreed with the first stage.
    rank: as reciprocal rank fusion of an item's place and the place that `replace` would give it.
    """
    order = list(first)
    if len(second) < 2:
        return order
    by_second = _replaced(order, second)
    if fusion == "replace":
        return by_second
    if fusion == "rank":
        places = {item: place for place, item in enumerate(by_second, start=1)}
        value = {
            item: (1 - weight) / (RRF_K + place) + weight / (RRF_K + places[item])
            for place, item in enumerate(order, start=1)
        }
    else:
        one, two = calibrated(first, second), calibrated(second, second)
        value = {item: (1 - weight) * one[item] + weight * two.get(item, one[item]) for item in order}
    return sorted(order, key=lambda item: -value[item])


def _replaced(order: Sequence[Item], second: Mapping[Item, float]) -> list[Item]:
    best = iter(sorted((item for item in order if item in second), key=lambda item: -second[item]))
    return [next(best) if item in second else item for item in order]


def calibrated(scores: Mapping[Item, float], over: Mapping[Item, object]) -> dict[Item, float]:
    """Each score as standard deviations above the mean of those items that are in `over`: then scores of different
    models have one scale. All are 0 where these are equal.
    """
    values = np.array([score for item, score in scores.items() if item in over], np.float64)
    if not len(values) or (spread := float(values.std())) < LEAST_SPREAD * max(1.0, float(np.abs(values).max())):
        return dict.fromkeys(scores, 0.0)
    middle = float(values.mean())
    return {item: (score - middle) / spread for item, score in scores.items()}


def combined(parts: Sequence[tuple[float, Scores]]) -> Scores:
    """[n]: one score for each picture, of a question with several parts: (weight, [n] scores) each.

    A question with one part keeps its scores, which mean something. Of several each is calibrated first: the cosine of
    two pictures is larger than that of words and a picture, and varies more.
    """
    if len(parts) == 1 and parts[0][0] > 0:
        return parts[0][1]
    total = np.zeros(len(parts[0][1]), np.float64)
    for weight, scores in parts:
        numbered = dict(enumerate(scores.tolist()))
        total += weight * np.array(list(calibrated(numbered, numbered).values()), np.float64)
    return total.astype(np.float32)
