"""Animations in a search: the best frame counts, and the hit says when it is shown."""

from __future__ import annotations

import pytest

from indexer.records.hits import Band
from indexer.search.pairs_in_doubt import LEAST_SCORE
from tests.worlds.library import Library, animated, ask, decoded

SCENES = ("cat rain", "dog beach", "owl candle")


@pytest.mark.parametrize("at", range(3))
async def test_a_still_of_any_scene_finds_the_animation_and_its_moment(library: Library, at: int) -> None:
    await library.noise(30)
    posted = await library.post(animated(*SCENES))
    await library.post("cat beach")
    result = await library.searcher.search(ask("", SCENES[at]))
    best = result.hits[0]
    assert (best.place.message_id, best.at_ms, best.band) == (posted, 7_000 * at, Band.SAME)
    assert best.score > 0.99
    assert [hit.place.message_id for hit in result.hits].count(posted) == 1
    assert all(hit.at_ms is None for hit in result.hits[1:])


@pytest.mark.parametrize("at", range(3))
async def test_words_find_the_scene_that_shows_them(library: Library, at: int) -> None:
    await library.noise(30)
    posted = await library.post(animated(*SCENES))
    best = (await library.searcher.search(ask(SCENES[at]))).hits[0]
    assert (best.place.message_id, best.at_ms) == (posted, 7_000 * at)


async def test_an_animation_that_was_embedded_by_one_frame_names_no_moment(library: Library) -> None:
    await library.noise(30)
    posted = await library.post(animated("dog beach", "cat rain"))
    async with library.db.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM frames")
    best = (await library.searcher.search(ask("", "cat rain"))).hits[0]
    assert (best.place.message_id, best.at_ms) == (posted, None)


async def test_a_still_of_an_animation_is_one_hit_and_the_animation_another(library: Library) -> None:
    """Which pictures are copies of each other is told by the frame that stands for the animation, whatever is asked."""
    await library.noise(30)
    moving = await library.post(animated(*SCENES))
    still = await library.post(decoded(f"{SCENES[2]} #still", perceptual_hash=decoded(SCENES[2]).perceptual_hash))
    hits = (await library.searcher.search(ask("", SCENES[2]))).hits[:2]
    assert {hit.place.message_id for hit in hits} == {moving, still}
    assert [hit.copies for hit in hits] == [(), ()]
    assert all(hit.score > LEAST_SCORE for hit in hits)
