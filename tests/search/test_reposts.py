"""What was posted again: groups led by the first post, and nothing from outside the filter."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from indexer.long_work import open_long_work
from indexer.pictures.perceptual_hash import SIDE, perceptual_hash
from indexer.records.copies import RULE, Copy, pair_of
from indexer.records.hits import Filter
from indexer.records.ids import MessageId
from indexer.records.messages import PlaceFlag
from indexer.search.copies import SHOWN
from indexer.search.rank import hamming
from indexer.search.reposts import Reposts, compare, described
from indexer.search.score_bands import MIRRORED_BITS, copy_bits, copy_bits_of, copy_score, copy_scores
from indexer.store import messages, places, verdicts
from tests.worlds.library import BEN, DAY_MS, GUILD, PETS, SECRET, START_MS, Library, ask, decoded, everywhere, flipped


async def find(library: Library, threshold: float = 0.95, **narrowed: object) -> Reposts:
    return await find_in(library, everywhere(**narrowed), threshold)


async def find_in(library: Library, filter: Filter, threshold: float = 0.95) -> Reposts:
    held = await library.searcher.calibration(GUILD, everywhere().channels)
    async with open_long_work() as work, work.turn(1):
        found = await compare(library.db, work, GUILD, library.model_id, filter, threshold, held)
    return await described(library.db, GUILD, filter, found)


async def test_a_picture_posted_three_times_is_one_group_led_by_the_first(library: Library) -> None:
    await library.noise(10)
    posts = [await library.post("cat", say=f"post {n}", channel=PETS) for n in range(3)]
    found = await find(library)
    (group,) = found.groups
    assert group.first.message_id == posts[0]
    assert [place.message_id for place in group.others] == posts[1:]
    assert group.detail.content == "post 0"
    assert group.confidence == 1.0
    assert (found.compared, found.total) == (11, 11)


async def test_another_encoding_of_a_picture_joins_its_group(library: Library) -> None:
    await library.noise(10)
    first = await library.post(decoded("cat #png", perceptual_hash=0b1111))
    again = await library.post(decoded("cat #jpeg", perceptual_hash=0b0111))
    (group,) = (await find(library)).groups
    assert (group.first.message_id, [place.message_id for place in group.others]) == (first, [again])


async def test_a_copy_that_the_model_takes_for_something_else_joins_by_its_hash(library: Library) -> None:
    await library.noise(10)
    first = await library.post(decoded("boat", perceptual_hash=0xFF))
    again = await library.post(decoded("in greys", perceptual_hash=0xFC))
    mirrored = await library.post(decoded("turned around", perceptual_hash=0xFF ^ MIRRORED_BITS))
    await library.post(decoded("black", perceptual_hash=0))
    await library.post(decoded("white", perceptual_hash=0))
    (group,) = (await find(library)).groups
    assert (group.first.message_id, [place.message_id for place in group.others]) == (first, [again, mirrored])


async def test_what_is_only_similar_is_no_repost_until_the_threshold_says_so(library: Library) -> None:
    await library.noise(10)
    await library.post("cat rain tree")
    await library.post("cat rain hill")
    assert (await find(library)).groups == ()
    assert len((await find(library, 0.3)).groups) == 1


async def tell(library: Library, left: MessageId, right: MessageId, copy: Copy | None) -> None:
    """As if the pixels of both had been compared."""
    pair = pair_of(await library.picture_of(left), await library.picture_of(right))
    async with library.db.transaction() as tx:
        await verdicts.put(tx, GUILD, RULE, pair, copy)


async def test_pixels_make_a_copy_certain_that_model_and_hash_do_not_find(library: Library) -> None:
    await library.noise(10)
    first, crop, likely = [await library.post(what) for what in ("cat rain", "cat hill", "cat rain #2")]
    assert [len(group.others) for group in (await find(library)).groups] == [1]
    await tell(library, crop, first, Copy(0.97, share=0.5))
    (group,) = (await find(library)).groups
    assert [place.message_id for place in group.others] == [crop, likely]
    assert {place.message_id: group.edited[place.place_id] for place in group.others} == {
        crop: Copy(0.97, share=0.5),
        likely: None,
    }
    assert group.confidence == SHOWN
    (identical,) = (await find(library, 1.0)).groups
    assert [place.message_id for place in identical.others] == [likely]


async def test_pixels_keep_another_picture_out_of_a_group_at_every_threshold(library: Library) -> None:
    await library.noise(10)
    first, look_alike, copy = [await library.post(f"cat #{n}") for n in range(3)]
    assert len((await find(library)).groups[0].others) == 2
    await tell(library, first, look_alike, None)
    for threshold in (0.95, 0.5):
        (group,) = (await find(library, threshold)).groups
        assert [place.message_id for place in (group.first, *group.others)] == [first, copy]


async def test_hashes_that_are_almost_equal_need_no_pixels(library: Library) -> None:
    await library.noise(10)
    first = await library.post(decoded("cat", perceptual_hash=0xFF))
    again = await library.post(decoded("cat #2", perceptual_hash=0xFE))
    await tell(library, first, again, None)
    (group,) = (await find(library)).groups
    assert group.edited == {}


async def test_a_picture_joins_the_certain_copy_and_not_the_likely_one(library: Library) -> None:
    await library.noise(10)
    likely, certain, own = [await library.post(what) for what in ("cat", "cat rain", "cat #2")]
    await tell(library, likely, certain, None)
    await tell(library, own, certain, Copy(0.97, share=0.5))
    (group,) = (await find(library)).groups
    assert [place.message_id for place in (group.first, *group.others)] == [certain, own]


async def test_a_verdict_of_another_rule_or_of_a_hidden_post_says_nothing(library: Library) -> None:
    await library.noise(10)
    first, crop = await library.post("cat rain"), await library.post("cat hill")
    hidden = await library.post("cat fog", channel=SECRET)
    async with library.db.transaction() as tx:
        pair = pair_of(await library.picture_of(first), await library.picture_of(crop))
        await verdicts.put(tx, GUILD, RULE + 1, pair, Copy(0.97))
    await tell(library, first, hidden, Copy(0.97))
    await tell(library, crop, hidden, Copy(0.97))
    assert (await find(library)).groups == ()


async def test_after_the_first_post_went_the_others_are_held_against_the_next_one(library: Library) -> None:
    await library.noise(10)
    first, crop, mirrored = [await library.post(what) for what in ("cat", "cat rain", "cat hill")]
    await tell(library, first, crop, Copy(0.97, share=0.5))
    await tell(library, first, mirrored, Copy(0.98, mirrored=True))
    held = await library.searcher.calibration(GUILD, everywhere().channels)
    async with open_long_work() as work, work.turn(1):
        found = await compare(library.db, work, GUILD, library.model_id, everywhere(), 0.95, held)
    async with library.db.transaction() as tx:
        await messages.delete(tx, [first])
    (group,) = (await described(library.db, GUILD, everywhere(), found)).groups
    assert group.first.message_id == crop
    assert list(group.edited.values()) == [None]


async def test_a_search_says_of_a_certain_copy_who_posted_it_first(library: Library) -> None:
    await library.noise(20)
    first, crop = await library.post("boat", author=BEN), await library.post("cat rain hill")
    before = (await library.searcher.search(ask("", "cat rain hill"))).hits[0]
    assert (before.place.message_id, before.times) == (crop, 1)
    await tell(library, first, crop, Copy(0.97, share=0.3))
    await library.post("fog")  # what was answered before counts until something changes
    after = (await library.searcher.search(ask("", "cat rain hill"))).hits[0]
    assert (after.first_place.message_id, after.times) == (first, 2)


async def test_one_message_that_shows_a_picture_twice_is_no_repost(library: Library) -> None:
    await library.post(decoded("cat #1", perceptual_hash=1), decoded("cat #2", perceptual_hash=1))
    assert (await find(library)).groups == ()


async def test_only_the_filter_is_compared(library: Library) -> None:
    await library.post("cat", channel=SECRET, day=0)
    await library.post("cat", day=1)
    await library.post("cat", day=5, author=BEN)
    (group,) = (await find(library)).groups
    assert SECRET not in {place.channel_id for place in (group.first, *group.others)}
    assert (await find(library, authors=frozenset({BEN}))).groups == ()
    assert (await find(library, after_ms=START_MS + 3 * DAY_MS)).groups == ()
    nowhere = await find_in(library, Filter(frozenset()))
    assert (nowhere.groups, nowhere.total) == ((), 0)


async def test_larger_groups_come_first(library: Library) -> None:
    for _ in range(2):
        await library.post("cat")
    dogs = [await library.post("dog") for _ in range(3)]
    groups = (await find(library)).groups
    assert [len(group.others) for group in groups] == [2, 1]
    assert groups[0].first.message_id == dogs[0]


async def test_of_too_many_pictures_the_newest_are_compared(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexer.search.reposts.MAX_PICTURES", 5)
    await library.noise(10)
    found = await find(library)
    assert (found.compared, found.total) == (5, 10)


async def test_blocks_of_comparison_have_no_seams(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        await library.post(decoded(f"{'cat' if number % 5 == 0 else f'thing{number}'} #{number}", perceptual_hash=7))
    whole = await find(library)
    monkeypatch.setattr("indexer.search.copies._BLOCK", 2)
    assert await find(library) == whole
    assert len(whole.groups) == 1


async def test_a_page_turn_shows_nothing_of_a_message_that_went_since_the_comparison(library: Library) -> None:
    await library.noise(10)
    posts = [await library.post("cat", say=f"post {n}") for n in range(3)]
    pair = [await library.post("dog") for _ in range(2)]
    held = await library.searcher.calibration(GUILD, everywhere().channels)
    async with open_long_work() as work, work.turn(1):
        found = await compare(library.db, work, GUILD, library.model_id, everywhere(), 0.95, held)
    async with library.db.transaction() as tx:
        await messages.delete(tx, [posts[0], pair[0]])
    (group,) = (await described(library.db, GUILD, everywhere(), found)).groups
    assert (group.first.message_id, [place.message_id for place in group.others]) == (posts[1], [posts[2]])
    assert (await described(library.db, GUILD, Filter(frozenset({SECRET})), found)).groups == ()


async def test_similar_and_duplicates_name_the_same_first_post_copies_included(library: Library) -> None:
    """Chains of edits, re-encodings and re-posts: whatever a search hits, it says of it what /duplicates says."""
    rng = Random(7)
    motifs = [rng.getrandbits(64) for _ in range(6)]
    for number in range(40):
        what = f"thing{number % 6} {'edited' * rng.randrange(2)} #{number}"
        own_hash = motifs[number % 6]
        await library.post(decoded(what, perceptual_hash=flipped(own_hash, rng, 1)))
        if number % 3 == 0:
            await library.post(decoded(what, perceptual_hash=rng.getrandbits(64)))
        if number % 7 == 0:  # the model takes it for something else
            await library.post(decoded(f"in greys #{number}", perceptual_hash=flipped(own_hash, rng, 1)))
    groups = (await find(library)).groups
    assert len(groups) > 3
    first_of = {
        place.message_id: (group.first, len(group.others) + 1)
        for group in groups
        for place in (group.first, *group.others)
    }
    checked = 0
    for number in range(6):
        result = await library.searcher.search(ask("", f"thing{number}", count=50, min_score=-1.0))
        for hit in result.hits:
            expected = first_of.get(hit.place.message_id, (hit.place, 1))
            assert (hit.first_place.message_id, hit.times) == (expected[0].message_id, expected[1])
            checked += expected[1] > 1
    assert checked > 20


@given(st.floats(-1, 1, width=32), st.integers(0, 64))
def test_a_copy_score_grows_with_likeness_of_either_kind(cosine: float, bits: int) -> None:
    cosines = np.array([cosine, min(cosine + 0.1, 1)], np.float32)
    lower, higher = copy_scores(cosines, np.array([bits, bits]))
    assert lower <= higher
    fewer = copy_scores(cosines[:1], np.array([max(bits - 5, 0)]))[0]
    assert fewer >= lower
    assert lower == pytest.approx(copy_score(cosines[0], bits), abs=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_the_hash_of_a_mirrored_picture_is_told_from_the_hash_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (6, 6), dtype=np.uint8))
    greys = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    straight, mirrored = perceptual_hash(greys), perceptual_hash(greys[:, ::-1])
    assert hamming(straight ^ MIRRORED_BITS, mirrored) <= 12
    assert copy_bits(straight, mirrored) <= 12
    pairs = copy_bits_of(np.array([straight], np.uint64), np.array([mirrored], np.uint64))
    assert pairs.tolist() == [copy_bits(straight, mirrored)]


async def test_random_places_lie_inside_the_filter_and_differ(library: Library) -> None:
    await library.noise(12)
    await library.post("cat", channel=SECRET)
    gif = await library.post("cat", flags=PlaceFlag.ANIMATED)
    async with library.db.reader() as connection:
        some = await places.random(connection, GUILD, everywhere(), 13)
        assert len(set(some)) == 13
        (only,) = await places.random(connection, GUILD, everywhere(require=PlaceFlag.ANIMATED), 5)
        rows = await connection.execute_fetchall("SELECT message_id FROM places WHERE place_id = ?", (only,))
    assert list(rows) == [(gif,)]
