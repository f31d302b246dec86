"""Which comes first where the vector index and the text index each have a best candidate."""

from __future__ import annotations

import pytest

from indexer.query.query import Query
from indexer.records.hits import Band, Filter, Parts, Place
from indexer.records.ids import ChannelId, GuildId, MessageId, PictureId, PlaceId, UserId
from indexer.search.fuse import Fuse
from indexer.search.query_vector import make_query_vector
from indexer.search.relevance import Judged
from indexer.search.stages import Search, StageClock
from indexer.text.text_search import WordHit
from tests.search.test_new_matches import CALIBRATION, unit

NEAR, SAYING = PictureId(1), PictureId(2)


async def fused(words: str, near: Band, said: list[WordHit]) -> list[PictureId]:
    """One picture is near by its vector alone, others say something of the question. Best first."""
    query = Query(GuildId(1), Filter(frozenset()), words=words)
    target = make_query_vector((), unit(1)[0], (), CALIBRATION.sample, 0.5)
    assert target is not None
    search = Search(query, target, CALIBRATION, StageClock())
    search.near = [NEAR]
    search.said = said
    saying = {hit.picture_id: Judged(hit.picture_id, Band.SAID, Parts()) for hit in said}
    search.judged = {NEAR: Judged(NEAR, near, Parts()), **saying}
    await Fuse(1.0).run(search)
    return list(search.scores)


def says(picture_id: PictureId, bm25: float, share: float) -> WordHit:
    place = Place(MessageId(7), PlaceId(2), ChannelId(1), UserId(1))
    return WordHit(picture_id, place, bm25, share)


@pytest.mark.parametrize(
    ("words", "near", "share", "leading"),
    [
        ("isle of man", Band.RELATED, 1.0, SAYING),
        ("isle of man", Band.VERY_SIMILAR, 1.0, NEAR),
        ("isle of man", Band.RELATED, 0.9, NEAR),
        ("isle", Band.RELATED, 1.0, SAYING),
        ("isle", Band.VERY_SIMILAR, 1.0, NEAR),
    ],
)
async def test_who_says_the_whole_question_comes_before_what_is_only_related(
    words: str, near: Band, share: float, leading: PictureId
) -> None:
    assert (await fused(words, near, [says(SAYING, 9.0, share)]))[0] == leading


async def test_a_short_text_that_says_half_does_not_come_before_the_whole_answer() -> None:
    half, whole = PictureId(3), SAYING
    order = await fused("isle of man", Band.RELATED, [says(half, 9.0, 0.6), says(whole, 7.0, 1.0)])
    assert order == [whole, NEAR, half]
