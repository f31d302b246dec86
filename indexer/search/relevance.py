"""How close each candidate is to the question, and whether anything is close enough. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from indexer.query.query import Query
from indexer.records.copies import Copy
from indexer.records.hits import Band, Parts
from indexer.records.ids import MessageId, PictureId
from indexer.records.picture_texts import TextKind
from indexer.search.picture_facts import PictureFacts
from indexer.search.query_vector import QueryVector
from indexer.search.rank import hamming
from indexer.search.score_bands import (
    AGREEING_BITS,
    EDITED_CLOSENESS,
    HASH_BITS,
    SURE_BITS,
    Calibration,
    copy_bits,
    copy_score,
)
from indexer.text.text_search import WordHit

# A message that says less of the question than this counts for nothing: of "owl and candle" it says "and". On the demo
# guild's labelled questions every right message said all, and over 1,600 of 1,867 wrong ones less than this.
LEAST_SHARE = 1 / 3
_UNKNOWN: Final = "unknown"  # the pixels were not compared


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture that may become a hit. `best_message` is the message whose words matched best, if any did. `copied`: by
    its pixels it is the picture that was asked with. `at_ms`: when the frame of an animation is shown that was judged.
    """

    picture_id: PictureId
    band: Band
    parts: Parts
    best_message: MessageId | None = None
    copied: Copy | None = None
    at_ms: int | None = None


def judge(
    query: Query,
    target: QueryVector,
    calibration: Calibration,
    near: Sequence[PictureId],
    agreeing: Collection[PictureId],
    said: Sequence[WordHit],
    facts: Mapping[PictureId, PictureFacts],
    searched: int,
    compared: Mapping[PictureId, Copy | None],
    doubtful: Collection[PictureId] = (),
) -> dict[PictureId, Judged]:
    """Those of `near` (nearest first), of `agreeing` (by their hash) and of `said` (best first) that are worth showing.

    Where a least score was asked for, it alone decides. Otherwise the candidates of the vector index count if the best
    of them is close enough for the best of `searched` pictures; a candidate of the text index always counts if its
    message says at least LEAST_SHARE of the question. `compared` says what comparing their pixels gave, of some that
    were `doubtful`. `facts` of an animation are those of its frame that is nearest to the question.
    """
    spoken = {hit.picture_id: (rank, hit) for rank, hit in enumerate(said, start=1) if hit.share >= LEAST_SHARE}
    ranks = {picture_id: rank for rank, picture_id in enumerate(near, start=1)}
    parts = {
        picture_id: _parts(query, target, calibration, facts[picture_id], ranks.get(picture_id), spoken.get(picture_id))
        for picture_id in dict.fromkeys((*near, *agreeing, *spoken))
        if picture_id in facts
    }
    best = max((scores.standing or 0.0 for scores in parts.values()), default=0.0)
    closest = max((scores.cosine or 0.0 for scores in parts.values()), default=0.0)
    beside = 0.0 if query.diversity else best  # who wants variety wants what stands beside the best
    judged = {}
    for picture_id, scores in parts.items():
        copied = _copied(query, calibration, facts[picture_id], scores, compared.get(picture_id, _UNKNOWN))
        band = _band(query, target, calibration, facts[picture_id], scores, beside, copied=copied)
        hit = spoken[picture_id][1] if picture_id in spoken else None
        if band is Band.FAR and hit is not None:
            band = Band.SAID
        message_id = hit.place.message_id if hit else None
        if picture_id in doubtful:
            scores = replace(scores, pixels=_pixels(compared.get(picture_id, _UNKNOWN)))
        at_ms = facts[picture_id].at_ms
        judged[picture_id] = Judged(picture_id, band, scores, message_id, compared.get(picture_id), at_ms)
    if query.min_score is not None:
        least = query.min_score
        return {key: found for key, found in judged.items() if (found.parts.cosine or 0.0) >= least}
    if not query.has_pictures:
        enough = calibration.words_enough(best, searched)
    elif query.has_words:
        enough = calibration.both_enough(best, searched)
    else:
        copied = any(found.band in (Band.SAME, Band.EDITED) for found in judged.values())
        enough = copied or calibration.picture_enough(closest)
    return {
        key: found
        for key, found in judged.items()
        if found.best_message is not None or (enough and found.band is not Band.FAR)
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
        if query.hashes:
            bits = min(copy_bits(asked, known.perceptual_hash) for asked in query.hashes)
        copy = copy_score(closest, bits)
    if query.has_pictures:
        standing = target.background.standing(cosine)
    else:
        standing = calibration.words_standing(cosine, float(known.vector @ calibration.reference))
    distance = None
    if known.perceptual_hash and (asked_with := [asked for asked in query.hashes if asked]):
        distance = min(hamming(asked, known.perceptual_hash) for asked in asked_with)
    words_rank, hit = said if said is not None else (None, None)
    bm25, shown = (hit.bm25, hit.shown) if hit else (None, {})
    in_picture, in_caption = shown.get(TextKind.OCR) or None, shown.get(TextKind.CAPTION) or None
    return Parts(
        cosine, rank, bm25, words_rank, distance, standing, copy, picture_bm25=in_picture, caption_bm25=in_caption
    )


def _pixels(compared: Copy | Literal["unknown"] | None) -> Literal["copy", "another", "unknown"]:
    if compared is None:
        return "another"
    return "copy" if isinstance(compared, Copy) else compared


def _copied(
    query: Query,
    calibration: Calibration,
    known: PictureFacts,
    parts: Parts,
    compared: Copy | Literal["unknown"] | None,
) -> bool:
    """Whether it is an edited copy: by its pixels, or by a hash that agrees. Where the pixels speak against it, only an
    almost equal hash still counts.
    """
    if isinstance(compared, Copy):
        return True
    bits = min((copy_bits(asked, known.perceptual_hash) for asked in query.hashes), default=HASH_BITS)
    agrees = bits <= (SURE_BITS if compared is None else AGREEING_BITS)
    return agrees and parts.copy is not None and calibration.closeness(parts.copy) >= EDITED_CLOSENESS


def _band(
    query: Query,
    target: QueryVector,
    calibration: Calibration,
    known: PictureFacts,
    parts: Parts,
    best: float,
    *,
    copied: bool,
) -> Band:
    standing, cosine = parts.standing or 0.0, parts.cosine or 0.0
    if not query.has_pictures:
        return calibration.words_band(standing, best)
    if query.has_words:
        return calibration.both_band(standing, best)
    same = known.sha256 in query.digests
    return calibration.picture_band(
        cosine, target.background, hash_distance=parts.hash_distance, same_bytes=same, copied=copied
    )


def copies_first(found: Iterable[PictureId], judged: Mapping[PictureId, Judged]) -> list[PictureId]:
    """Those of `found` that are worth showing: copies of the picture that was asked with, the surest first; then the
    others in their order."""
    shown = [picture_id for picture_id in found if picture_id in judged]
    copies = [picture_id for picture_id in shown if judged[picture_id].band in (Band.SAME, Band.EDITED)]
    copies.sort(
        key=lambda picture_id: (judged[picture_id].band is not Band.SAME, -(judged[picture_id].parts.copy or 0.0))
    )
    kept = set(copies)
    return [*copies, *(picture_id for picture_id in shown if picture_id not in kept)]
