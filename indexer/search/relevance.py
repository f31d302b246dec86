"""How close each candidate is to the question, and whether anything is close enough. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer.model import Band, MessageId, Parts, PictureId
from indexer.query.query import Query
from indexer.search.picture_facts import PictureFacts
from indexer.search.query_vector import QueryVector
from indexer.search.rank import hamming
from indexer.search.score_bands import Calibration, copy_bits, copy_score
from indexer.text.text_search import WordHit


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture that may become a hit. `best_message` is the one whose words matched best, if any did."""

    picture_id: PictureId
    band: Band
    parts: Parts
    best_message: MessageId | None = None


def judge(
    query: Query,
    target: QueryVector,
    calibration: Calibration,
    near: Sequence[PictureId],
    said: Sequence[WordHit],
    facts: Mapping[PictureId, PictureFacts],
    searched: int,
) -> dict[PictureId, Judged]:
    """Those of `near` (nearest first) and of `said` (best first) that are worth showing; others are left out.

    A least score that was asked for decides alone. Otherwise the model's finds count if the best of them is close
    enough for the best of `searched`; what a message says in so many words always does.
    """
    spoken = {hit.picture_id: (rank, hit) for rank, hit in enumerate(said, start=1)}
    ranks = {picture_id: rank for rank, picture_id in enumerate(near, start=1)}
    parts = {
        one: _parts(query, target, calibration, facts[one], ranks.get(one), spoken.get(one))
        for one in dict.fromkeys((*near, *spoken))
        if one in facts
    }
    best = max((one.standing or 0.0 for one in parts.values()), default=0.0)
    closest = max((one.cosine or 0.0 for one in parts.values()), default=0.0)
    everything = {}
    enough = False
    for picture_id, one in parts.items():
        beside = 0.0 if query.diversity else best  # who wants variety wants what stands beside the best
        band = _band(query, target, calibration, facts[picture_id], one, beside)
        enough = enough or band is Band.SAME
        hit = spoken[picture_id][1] if picture_id in spoken else None
        if band is Band.FAR and hit is not None:
            band = Band.SAID
        everything[picture_id] = Judged(picture_id, band, one, hit.place.message_id if hit else None)
    if query.min_score is not None:
        least = query.min_score
        return {key: one for key, one in everything.items() if (one.parts.cosine or 0.0) >= least}
    if not query.has_pictures:
        enough = calibration.words_enough(best, searched)
    elif query.has_words:
        enough = calibration.both_enough(best, searched)
    else:
        enough = enough or calibration.picture_enough(closest)
    return {
        key: one
        for key, one in everything.items()
        if one.best_message is not None or (enough and one.band is not Band.FAR)
    }


def _parts(
    query: Query,
    target: QueryVector,
    calibration: Calibration,
    known: PictureFacts,
    rank: int | None,
    said: tuple[int, WordHit] | None,
) -> Parts:
    cosine = float(known.vector @ target.vector)
    copy = None
    if query.has_pictures and not query.has_words:
        closest = max((float(known.vector @ crop) for crop in (*query.vectors, *query.crops)), default=cosine)
        bits = None
        if query.hashes and known.perceptual_hash is not None:
            bits = min(copy_bits(asked, known.perceptual_hash) for asked in query.hashes)
        copy = copy_score(closest, bits)
    if query.has_pictures:
        standing = target.background.standing(cosine)
    else:
        standing = calibration.words_standing(cosine, float(known.vector @ calibration.reference))
    distance = None
    if query.hashes and known.perceptual_hash is not None:
        distance = min(hamming(asked, known.perceptual_hash) for asked in query.hashes)
    words_rank, hit = said if said is not None else (None, None)
    return Parts(cosine, rank, hit.bm25 if hit else None, words_rank, distance, standing, copy)


def _band(
    query: Query, target: QueryVector, calibration: Calibration, known: PictureFacts, parts: Parts, best: float
) -> Band:
    standing, cosine = parts.standing or 0.0, parts.cosine or 0.0
    if not query.has_pictures:
        return calibration.words_band(standing, best)
    if query.has_words:
        return calibration.both_band(standing, best)
    copy = cosine if parts.copy is None else parts.copy
    same = known.sha256 in query.digests
    return calibration.picture_band(cosine, copy, target.background, hash_distance=parts.hash_distance, same_bytes=same)


def copies_first(near: Sequence[PictureId], judged: Mapping[PictureId, Judged]) -> list[PictureId]:
    """Those of `near` that are worth showing: copies of what was asked with by how sure that is, then as they were."""
    shown = [one for one in near if one in judged]
    copies = [one for one in shown if judged[one].band in (Band.SAME, Band.EDITED)]
    copies.sort(key=lambda one: (judged[one].band is not Band.SAME, -(judged[one].parts.copy or 0.0)))
    kept = set(copies)
    return [*copies, *(one for one in shown if one not in kept)]
