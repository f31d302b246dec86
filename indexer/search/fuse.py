"""The fourth stage: what the vector index found and what the text index found become one order."""

from __future__ import annotations

from indexer.records.hits import Band
from indexer.records.ids import PictureId
from indexer.search.rank import reciprocal_rank_fusion
from indexer.search.relevance import copies_first
from indexer.search.stages import Search

# Beside a picture, words weigh half of what they weigh alone.
WITH_PICTURES = 0.5
# Half of the question said hardly answers it: MRR 0.95 with this power, 0.92 with 4, 0.85 with 2.
SHARE_POWER = 8


class Fuse:
    """Writes `scores`: reciprocal rank fusion of the candidates that were judged worth showing."""

    name = "fuse"

    def __init__(self, words_weight: float) -> None:
        """`words_weight`: what the text index counts beside the vector index, which counts 1."""
        self._words_weight = words_weight

    async def run(self, search: Search) -> None:
        weight = self._words_weight * (WITH_PICTURES if search.query.has_pictures else 1.0)
        found = dict.fromkeys((*search.near, *search.agreeing))
        # A picture that only says some of the words stands somewhere among the vectors, too. That place means nothing:
        # with it, chance put half of an answer before the whole one.
        near = [
            (picture_id, 1.0)
            for picture_id in copies_first(found, search.judged)
            if search.judged[picture_id].band is not Band.SAID
        ]
        said = [
            (hit.picture_id, weight * hit.share**SHARE_POWER) for hit in search.said if hit.picture_id in search.judged
        ]
        search.scores = reciprocal_rank_fusion([near, said])
        if len(search.query.words.split()) > 1:
            _whole_answers_first(search)


def _whole_answers_first(search: Search) -> None:
    """What says all of several words and what is only related may have one score: the words say more."""
    whole = {hit.picture_id for hit in search.said if hit.share == 1}

    def key(entry: tuple[PictureId, float]) -> tuple[float, bool]:
        picture_id, score = entry
        only_related = search.judged[picture_id].band is Band.RELATED and picture_id not in whole
        return -score, bool(whole) and only_related

    search.scores = dict(sorted(search.scores.items(), key=key))
