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
        # What says all of the question first: a short text that says half of it may have the larger BM25.
        said = [
            (hit.picture_id, weight * hit.share**SHARE_POWER)
            for hit in sorted(search.said, key=lambda hit: hit.share < 1)
            if hit.picture_id in search.judged
        ]
        scores = reciprocal_rank_fusion([near, said])
        whole = {hit.picture_id for hit in search.said if hit.share == 1}

        def order(picture_id: PictureId) -> tuple[float, bool]:
            """Where what says the whole question and what is only related have one score, the words say more."""
            only_related = search.judged[picture_id].band is Band.RELATED and picture_id not in whole
            return -scores[picture_id], only_related

        search.scores = {picture_id: scores[picture_id] for picture_id in sorted(scores, key=order)}
