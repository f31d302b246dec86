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


async def first(words: str, near: Band, share: float) -> PictureId:
    """One picture is near by its vector alone, the other says this share of the words."""
    query = Query(GuildId(1), Filter(frozenset()), words=words)
    place = Place(MessageId(7), PlaceId(2), ChannelId(1), UserId(1))
    target = make_query_vector((), unit(1)[0], (), CALIBRATION.sample, 0.5)
    assert target is not None
    search = Search(query, target, CALIBRATION, StageClock())
    search.near = [NEAR]
    search.said = [WordHit(SAYING, place, 9.0, share)]
    search.judged = {NEAR: Judged(NEAR, near, Parts()), SAYING: Judged(SAYING, Band.SAID, Parts())}
    await Fuse(1.0).run(search)
    return next(iter(search.scores))


@pytest.mark.parametrize(
    ("words", "near", "share", "leading"),
    [
        ("isle of man", Band.RELATED, 1.0, SAYING),
        ("isle of man", Band.VERY_SIMILAR, 1.0, NEAR),
        ("isle of man", Band.RELATED, 0.9, NEAR),
        ("isle", Band.RELATED, 1.0, NEAR),
    ],
)
async def test_who_says_all_of_several_words_comes_before_what_is_only_related(
    words: str, near: Band, share: float, leading: PictureId
) -> None:
    assert await first(words, near, share) == leading
