"""Which pictures are copies of one another, and which of them came first: one rule for re-posts and for hits. Pure."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from indexer.long_work import unless
from indexer.records.copies import Verdicts
from indexer.records.hits import Place
from indexer.records.ids import PictureId
from indexer.records.pictures import Vectors
from indexer.search.picture_facts import PictureFacts
from indexer.search.score_bands import (
    HASH_BITS,
    LARGEST_HASH_PART,
    MIRRORED_BITS,
    SURE_BITS,
    copy_bits_of,
    copy_scores,
)

# How sure a copy must be unless a member says otherwise: 0 at the server's typical neighbours, 1 at identity.
THRESHOLD = 0.95
# How sure a copy is whose pixels show that it is one, and a little less so than an equal picture.
SHOWN = 0.99
# Vectors are stored as float16: of two that are equal the cosine may be this much less than 1.
ROUNDING = 1e-3
# Rows compared at once: 128 with 20,000 of 512 dimensions take some 40 ms and 10 MB, which is how long stopping takes.
_BLOCK = 128
_CERTAIN = 4.0  # more than any copy score: a certain copy comes before a likely one

_Ints = npt.NDArray[np.intp]
# What comparing pixels gave, for a picture by its position: the position of another → whether they are copies.
Told: TypeAlias = Mapping[int, Mapping[int, bool]]
_NOTHING: Final[Told] = {}
_UNTOLD: Final[Verdicts] = {}


@dataclass(frozen=True, slots=True)
class Comparable:
    """Pictures, first posts first: [n, d] unit vectors, and [n] 64-bit hashes, 0 where one says nothing."""

    vectors: Vectors
    hashes: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.vectors)


def leaders(
    pictures: Comparable,
    threshold: float,
    typical: float,
    told: Told = _NOTHING,
    stop: threading.Event | None = None,
) -> list[tuple[int, float]]:
    """For each picture the one that it repeats (itself, if none) and how sure that is (0–1). Raises Stopped.

    Of the leaders that were posted before it, a picture follows the one that it repeats most surely. It leads no others
    then: so a chain of small changes does not bring in what the first post does not resemble. `typical` is the cosine
    of typical neighbours. What comparing pixels has `told` decides, unless the hashes of the two are almost equal.
    """
    count = len(pictures)
    leads = [(picture, 1.0) for picture in range(count)]
    leading = np.ones(count, np.bool_)
    least = typical + threshold * (1 - typical)
    signs, turned = _signs(pictures.hashes)
    for start in range(0, count, _BLOCK):
        if stop is not None:
            unless(stop)
        end = min(start + _BLOCK, count)
        cosines = pictures.vectors[start:end] @ pictures.vectors[:end].T
        alike = cosines >= least - LARGEST_HASH_PART
        for others in (signs, turned):
            alike |= signs[start:end] @ others[:end].T >= HASH_BITS - 2 * SURE_BITS
        for own in range(start, end):
            alike[own - start, [other for other, copied in told.get(own, {}).items() if copied and other < own]] = True
        rows, columns = np.nonzero(alike)
        earlier = columns < rows + start
        rows, columns = rows[earlier], columns[earlier]
        for row, near in zip(*_by_row(rows, columns), strict=True):
            own = start + int(row)
            near = near[leading[near]]
            if not len(near):
                continue
            bits = copy_bits_of(pictures.hashes[near], pictures.hashes[own])
            scores, certain = _decided(copy_scores(cosines[row, near], bits), bits, near, told.get(own, {}), typical)
            best = int(np.argmax(np.where(certain & (scores >= least - ROUNDING), scores + _CERTAIN, scores)))
            if scores[best] >= least - ROUNDING:
                sure = round((float(scores[best]) - typical) / (1 - typical), 4)
                leads[own] = (int(near[best]), min(max(sure, threshold), 1.0))
                leading[own] = False
    return leads


def _decided(
    scores: npt.NDArray[np.float32],
    bits: npt.NDArray[np.int64],
    near: _Ints,
    told: Mapping[int, bool],
    typical: float,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """The copy scores with what the pixels say of these pairs, and which of them are certain."""
    sure = bits <= SURE_BITS
    verdicts = [told.get(int(other)) for other in near]
    shown = np.array([verdict is True for verdict in verdicts], np.bool_)
    different = np.array([verdict is False for verdict in verdicts], np.bool_) & ~sure
    scores = np.where(shown, np.maximum(scores, typical + SHOWN * (1 - typical)), scores)
    return np.where(different, -np.inf, scores).astype(np.float32), sure | shown


def told_of(ids: Sequence[PictureId], verdicts: Verdicts) -> Told:
    """The verdicts on these pictures, by their positions."""
    at = {picture_id: position for position, picture_id in enumerate(ids)}
    told: dict[int, dict[int, bool]] = {}
    for pair, copy in verdicts.items():
        if pair[0] in at and pair[1] in at:
            left, right = (at[picture_id] for picture_id in pair)
            told.setdefault(left, {})[right] = told.setdefault(right, {})[left] = copy is not None
    return told


def groups_of_copies(
    facts: Mapping[PictureId, PictureFacts],
    posted: Mapping[PictureId, Sequence[Place]],
    typical: float,
    verdicts: Verdicts = _UNTOLD,
) -> dict[PictureId, tuple[PictureId, ...]]:
    """For each of these pictures all of them that are copies of the same first post, itself included.

    `posted` are their places. The same rule as /duplicates follows, so both name the same first post.
    """
    ids = sorted((picture for picture in facts if posted.get(picture)), key=lambda picture: min(posted[picture]))
    if not ids:
        return {}
    pictures = comparable([facts[picture] for picture in ids])
    members: dict[int, list[PictureId]] = {}
    leads = leaders(pictures, THRESHOLD, typical, told_of(ids, verdicts))
    for own, (leader, _) in zip(ids, leads, strict=True):
        members.setdefault(leader, []).append(own)
    return {own: tuple(members[leader]) for own, (leader, _) in zip(ids, leads, strict=True)}


def repeated_elsewhere(
    hits: Sequence[Sequence[PictureId]],
    facts: Mapping[PictureId, PictureFacts],
    typical: float,
    verdicts: Verdicts = _UNTOLD,
) -> bool:
    """Whether any picture of a hit is close enough to a picture outside that hit for one to repeat the other, or is a
    copy of it by its pixels.

    Where none is, `groups_of_copies` would find nothing but the hits. Then a search need not compare its hundred
    candidates with each other, nor look up where they were posted.
    """
    ids = list(facts)
    if not ids:
        return False  # nothing was found
    everything = comparable([facts[picture] for picture in ids])
    least = typical + THRESHOLD * (1 - typical) - ROUNDING
    shown = [pair for pair, copy in verdicts.items() if copy is not None and all(picture in facts for picture in pair)]
    for hit in hits:
        if any((left in hit) != (right in hit) for left, right in shown):
            return True
        outside = np.array([picture not in hit for picture in ids], np.bool_)
        own = comparable([facts[picture] for picture in hit])
        bits = copy_bits_of(own.hashes[:, None], everything.hashes[None, :])
        if (copy_scores(own.vectors @ everything.vectors.T, bits)[:, outside] >= least).any():
            return True
    return False


def comparable(facts: Sequence[PictureFacts]) -> Comparable:
    """Of pictures in this order."""
    if not facts:
        return Comparable(np.zeros((0, 1), np.float32), np.zeros(0, np.uint64))
    return Comparable(
        np.stack([picture.vector for picture in facts]),
        np.array([picture.perceptual_hash for picture in facts], np.uint64),
    )


def _signs(hashes: npt.NDArray[np.uint64]) -> tuple[Vectors, Vectors]:
    """[n, 64] of the hashes' bits as ±1, straight and mirrored; zeros for the hash 0.

    A product of two rows is 64 less twice the bits that differ. A matrix product is what a processor does fastest.
    """
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    signs: Vectors = np.where(bits, np.float32(1), np.float32(-1)) * (hashes != 0)[:, None].astype(np.float32)
    mirrored = np.unpackbits(np.array([MIRRORED_BITS], ">u8").view(np.uint8))
    return signs, signs * np.where(mirrored, np.float32(-1), np.float32(1))


def _by_row(rows: _Ints, columns: _Ints) -> tuple[_Ints, list[_Ints]]:
    """The rows that occur, ascending, and the columns of each. `rows` is ascending."""
    different, firsts = np.unique(rows, return_index=True)
    return different, np.split(columns, firsts[1:]) if len(different) else []
