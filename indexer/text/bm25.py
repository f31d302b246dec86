"""BM25 of messages, and which share of a question each says. Pure.

Every figure in it is counted over the messages inside the asker's filter: FTS5's own bm25() counts all channels of all
servers, and so tells what is said where nobody may look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer.text.terms import Term, counts

# Of content, file names, alt texts: who describes a picture in its alt text means the picture.
WEIGHTS = (1.0, 1.0, 2.0)
# The usual constants, as in FTS5: how soon a repeated term says nothing new, and how much a long text counts as less.
K1, B = 1.2, 0.75

Columns = tuple[str, str, str]  # content, file names, alt texts


@dataclass(frozen=True, slots=True)
class Said:
    """A term, messages that are known to say it, and about how many do inside the filter."""

    term: Term
    message_ids: frozenset[int]
    count: float


@dataclass(frozen=True, slots=True)
class Scope:
    """How many texts are inside the filter, and their mean length in characters."""

    texts: int
    mean_length: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """`bm25` is larger for better. `share` (0–1): how much of the question is said, rare terms counting more."""

    message_id: int
    bm25: float
    share: float


def rank(texts: Mapping[int, Columns], terms: Sequence[Said], scope: Scope) -> list[Ranked]:
    """The messages, best first; newer ones first where two rank the same. Takes about 10 µs a message."""
    values = [worth(said.count, scope.texts) for said in terms]
    total = sum(values)
    ranked = [_ranked(message_id, columns, terms, values, total, scope) for message_id, columns in texts.items()]
    return sorted(ranked, key=lambda one: (-one.bm25, -one.message_id))


def worth(count: float, texts: int) -> float:
    """Inverse document frequency; positive also for what every message says."""
    return math.log(1 + (max(texts - count, 0.0) + 0.5) / (count + 0.5))


def _ranked(
    message_id: int, columns: Columns, terms: Sequence[Said], values: Sequence[float], total: float, scope: Scope
) -> Ranked:
    wanted = [said.term for said in terms]
    content, names, alts = (counts(column, wanted) for column in columns)
    length = sum(map(len, columns)) / max(scope.mean_length, 1.0)
    bm25 = said_worth = 0.0
    for at, (said, value) in enumerate(zip(terms, values, strict=True)):
        often = WEIGHTS[0] * content[at] + WEIGHTS[1] * names[at] + WEIGHTS[2] * alts[at]
        if not often and message_id in said.message_ids:  # FTS5 folds a letter that we do not
            often = 1.0
        if often:
            bm25 += value * often * (K1 + 1) / (often + K1 * (1 - B + B * length))
            said_worth += value
    return Ranked(message_id, bm25, said_worth / total if len(terms) > 1 else 1.0)
