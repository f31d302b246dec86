"""BM25 of messages, and which share of a question each says. Pure.

Every figure in it is counted over the messages inside the asker's filter: FTS5's own bm25() counts all channels of all
servers, and so tells what is said where nobody may look.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from indexer.records.ids import MessageId, PictureId
from indexer.records.picture_texts import TextKind
from indexer.text.terms import Pattern, Term, counts, pattern_of

# Of content, file names, alt texts: who describes a picture in its alt text means the picture.
WEIGHTS = (1.0, 1.0, 2.0)
# Words that stand in a picture count as much as those of its message; what a model says of it, as a guess. The first is
# measured (benchmarks/ocr_weight.py), the second is not (docs/adr/0060).
SHOWN_WEIGHTS: Mapping[str, float] = {TextKind.OCR: 1.0, TextKind.CAPTION: 0.5}
# The usual constants, as in FTS5: how soon a repeated term says nothing new, and how much a long text counts as less.
K1, B = 1.2, 0.75

Columns = tuple[str, str, str]  # content, file names, alt texts


@dataclass(frozen=True, slots=True)
class Said:
    """A term, and which messages are known to say it: in their own words, or in what their pictures say.

    `count`: about how many messages inside the filter say it.
    """

    term: Term
    message_ids: frozenset[int]
    count: float
    shown_ids: frozenset[int] = frozenset()

    @property
    def said_by(self) -> frozenset[int]:
        """The messages that say it in either way."""
        return self.message_ids | self.shown_ids if self.shown_ids else self.message_ids


@dataclass(frozen=True, slots=True)
class Scope:
    """How many texts are inside the filter, and their mean length in characters.

    `shown` and `mean_shown` are the same of messages whose pictures say something, and of what these say.
    """

    texts: int
    mean_length: float
    shown: int = 0
    mean_shown: float = 1.0


@dataclass(frozen=True, slots=True)
class Figures:
    """`bm25` is larger for better. `share` (0–1): how much of the question is said, rare terms counting more.

    `shown`: what of `bm25` each kind of the picture's own texts adds.
    """

    bm25: float
    share: float
    shown: Mapping[str, float] = field(default_factory=dict)


_NO_PICTURES: Mapping[PictureId, Figures] = {}
_NOTHING_SHOWN: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Ranked:
    """A message. `own`: what it says itself; `by_picture`: with that, what each picture says that says anything at all.

    `best` is the largest BM25 of these.
    """

    message_id: int
    best: float
    own: Figures
    by_picture: Mapping[PictureId, Figures]

    def of(self, picture_id: PictureId) -> Figures:
        """Of one of its pictures."""
        return self.by_picture.get(picture_id, self.own)


def rank(
    texts: Mapping[int, Columns],
    shown: Mapping[MessageId, Mapping[PictureId, Mapping[str, str]]],
    terms: Sequence[Said],
    scope: Scope,
) -> list[Ranked]:
    """The messages, best first; newer ones first where two rank the same. Takes about 10 µs a message.

    `shown`: of those whose pictures say something, what each picture says, by the kind of its texts.
    """
    values = [worth(said.count, scope.texts) for said in terms]
    total = sum(values) if len(terms) > 1 else 0.0
    patterns = [pattern_of(said.term) for said in terms]
    ranked = []
    for message_id, columns in texts.items():
        parts = _own_parts(message_id, columns, terms, patterns, values, scope)
        own = _figures(parts, values, total)
        if pictures := shown.get(MessageId(message_id)):
            by_picture = _by_picture(message_id, pictures, parts, terms, patterns, values, total, scope)
            best = max(own.bm25, *(figures.bm25 for figures in by_picture.values()))
            ranked.append(Ranked(message_id, best, own, by_picture))
        else:
            ranked.append(Ranked(message_id, own.bm25, own, _NO_PICTURES))
    return sorted(ranked, key=lambda message: (-message.best, -message.message_id))


def worth(count: float, texts: int) -> float:
    """Inverse document frequency; positive also for what every message says."""
    return math.log(1 + (max(texts - count, 0.0) + 0.5) / (count + 0.5))


def _own_parts(
    message_id: int,
    columns: Columns,
    terms: Sequence[Said],
    patterns: Sequence[Pattern],
    values: Sequence[float],
    scope: Scope,
) -> list[float]:
    """What each term adds to the BM25 of the message's own words; 0 where it is not said."""
    content, names, alts = (counts(column, patterns) for column in columns)
    length = sum(map(len, columns)) / max(scope.mean_length, 1.0)
    parts = []
    for at, value in enumerate(values):
        often = WEIGHTS[0] * content[at] + WEIGHTS[1] * names[at] + WEIGHTS[2] * alts[at]
        if not often and message_id in terms[at].message_ids:  # FTS5 folds a letter that we do not
            often = 1.0
        parts.append(value * often * (K1 + 1) / (often + K1 * (1 - B + B * length)) if often else 0.0)
    return parts


def _by_picture(
    message_id: int,
    shown: Mapping[PictureId, Mapping[str, str]],
    own: Sequence[float],
    terms: Sequence[Said],
    patterns: Sequence[Pattern],
    values: Sequence[float],
    total: float,
    scope: Scope,
) -> dict[PictureId, Figures]:
    told = {
        (picture_id, kind): counts(body, patterns)
        for picture_id, bodies in shown.items()
        for kind, body in bodies.items()
    }
    for at, said in enumerate(terms):
        if message_id in said.shown_ids and not any(row[at] for row in told.values()):
            for row in told.values():  # a letter that we do not fold: nobody can say which text it was
                row[at] = 1
    figures = {}
    for picture_id, bodies in shown.items():
        together, added = list(own), dict.fromkeys(bodies, 0.0)
        for kind, body in bodies.items():
            length = len(body) / max(scope.mean_shown, 1.0)
            for at, (value, often) in enumerate(zip(values, told[picture_id, kind], strict=True)):
                if often:
                    more = value * often * (K1 + 1) / (often + K1 * (1 - B + B * length))
                    together[at] += SHOWN_WEIGHTS[kind] * more
                    added[kind] += SHOWN_WEIGHTS[kind] * more
        figures[picture_id] = _figures(together, values, total, added)
    return figures


def _figures(
    parts: Sequence[float], values: Sequence[float], total: float, shown: Mapping[str, float] = _NOTHING_SHOWN
) -> Figures:
    """`total` is the sum of `values`; 0 where there is one term, which is then the whole question."""
    if not total:
        return Figures(sum(parts), 1.0, shown)
    said_worth = sum(value for part, value in zip(parts, values, strict=True) if part)
    return Figures(sum(parts), said_worth / total, shown)
