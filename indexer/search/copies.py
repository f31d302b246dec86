"""Which pictures are copies of one another, and which of them came first: one rule for re-posts and for hits. Pure."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.long_work import unless
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
# Vectors are stored as float16: of two that are equal the cosine may be this much less than 1.
ROUNDING = 1e-3
# Rows compared at once: 128 with 20,000 of 512 dimensions take some 20 ms on two cores and 10 MB, which is how long
# stopping takes, and how long a search's own matrix product waits for the same processors.
_BLOCK = 128


@dataclass(frozen=True, slots=True)
class Comparable:
    """Pictures, first posts first: [n, d] unit vectors, and [n] 64-bit hashes, 0 where one says nothing."""

    vectors: Vectors
    hashes: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.vectors)


def leaders(
    pictures: Comparable, threshold: float, typical: float, stop: threading.Event | None = None
) -> list[tuple[int, float]]:
    """For each picture the one that it repeats (itself, if none) and how sure that is (0–1). Raises Stopped.

    Of the leaders that were posted before it, a picture follows the one that it repeats most surely. It leads no others
    then: so a chain of small changes does not bring in what the first post does not resemble. `typical` is the cosine
    of typical neighbours.
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
        rows, columns = np.nonzero(alike)
        earlier = columns < rows + start
        rows, columns = rows[earlier], columns[earlier]
        for row, near in zip(*_by_row(rows, columns), strict=True):
            own = start + int(row)
            near = near[leading[near]]
            if not len(near):
                continue
            bits = copy_bits_of(pictures.hashes[near], pictures.hashes[own])
            scores = copy_scores(cosines[row, near], bits)
            best = int(np.argmax(scores))
            if scores[best] >= least - ROUNDING:
                sure = (float(scores[best]) - typical) / (1 - typical)
                leads[own] = (int(near[best]), min(max(sure, threshold), 1.0))
                leading[own] = False
    return leads


def groups_of_copies(
    facts: Mapping[PictureId, PictureFacts], posted: Mapping[PictureId, Sequence[Place]], typical: float
) -> dict[PictureId, tuple[PictureId, ...]]:
    """For each of these pictures all of them that are copies of the same first post, itself included.

    `posted` are their places. The same rule as /duplicates follows, so both name the same first post.
    """
    ids = sorted((picture for picture in facts if posted.get(picture)), key=lambda picture: min(posted[picture]))
    if not ids:
        return {}
    pictures = _comparable([facts[picture] for picture in ids])
    members: dict[int, list[PictureId]] = {}
    leads = leaders(pictures, THRESHOLD, typical)
    for own, (leader, _) in zip(ids, leads, strict=True):
        members.setdefault(leader, []).append(own)
    return {own: tuple(members[leader]) for own, (leader, _) in zip(ids, leads, strict=True)}


def repeated_elsewhere(
    hits: Sequence[Sequence[PictureId]], facts: Mapping[PictureId, PictureFacts], typical: float
) -> bool:
    """Whether any picture of a hit is close enough to a picture outside that hit for one to repeat the other.

    Where none is, `groups_of_copies` would find nothing but the hits. Then a search need not compare its hundred
    candidates with each other, nor look up where they were posted.
    """
    ids = list(facts)
    if not ids:
        return False  # nothing was found
    everything = _comparable([facts[picture] for picture in ids])
    least = typical + THRESHOLD * (1 - typical) - ROUNDING
    for hit in hits:
        outside = np.array([picture not in hit for picture in ids], np.bool_)
        own = _comparable([facts[picture] for picture in hit])
        bits = copy_bits_of(own.hashes[:, None], everything.hashes[None, :])
        if (copy_scores(own.vectors @ everything.vectors.T, bits)[:, outside] >= least).any():
            return True
    return False


def _comparable(facts: Sequence[PictureFacts]) -> Comparable:
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


_Ints = npt.NDArray[np.intp]


def _by_row(rows: _Ints, columns: _Ints) -> tuple[_Ints, list[_Ints]]:
    """The rows that occur, ascending, and the columns of each. `rows` is ascending."""
    different, firsts = np.unique(rows, return_index=True)
    return different, np.split(columns, firsts[1:]) if len(different) else []
