"""Copies that the model does not know again, found by their perceptual hash."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from indexer.query.query import Retrieval
from indexer.records.hits import Band, Filter
from indexer.search.hash_lookup import LOOKUP, agreeing
from indexer.search.retrieve import CANDIDATES
from indexer.search.score_bands import MIRRORED_BITS, SURE_BITS, copy_bits
from tests.worlds.library import GUILD, MEMES, PETS, SECRET, Library, ask, decoded, everywhere, flipped

HASH = 0x0123_4567_89AB_CDEF
MORE_THAN_CANDIDATES = 2 * CANDIDATES  # so that the vector index leaves out what is far
BOAT = "boat in a green sea of gulls"  # far from a dog, for the model


@pytest.mark.parametrize("turned", [0, MIRRORED_BITS])
@pytest.mark.parametrize("seed", range(3))
async def test_all_hashes_within_the_bound_are_found_and_no_others(library: Library, seed: int, turned: int) -> None:
    rng = Random(seed)
    known = [flipped(HASH ^ turned, rng, rng.randrange(8)) for _ in range(60)] + [rng.getrandbits(64), 0]
    posts = [
        await library.post(decoded(f"thing {number}", perceptual_hash=bits), channel=rng.choice([MEMES, PETS, SECRET]))
        for number, bits in enumerate(known)
    ]
    async with library.db.reader() as connection:
        found = await agreeing(connection, GUILD, (HASH, 0), everywhere(), 100)
        everything = await agreeing(connection, GUILD, (HASH,), Filter(frozenset({MEMES, PETS, SECRET})), 100)
        first = await agreeing(connection, GUILD, (HASH,), everywhere(), 4)
    expected = {post: copy_bits(HASH, bits) for post, bits in zip(posts, known, strict=True)}
    order = [places[0] for places in found.values()]
    assert {place.message_id for place in order} == {
        places[0].message_id for places in everything.values() if places[0].channel_id != SECRET
    }
    assert {places[0].message_id for places in everything.values()} == {
        post for post, bits in expected.items() if bits <= SURE_BITS
    }
    assert len(everything) > 10
    assert order == sorted(order, key=lambda place: (expected[place.message_id], -place.message_id))
    assert list(first) == list(found)[:4]


async def test_the_lookup_reads_its_four_indexes_and_no_table(library: Library) -> None:
    async with library.db.reader() as connection:
        rows = await connection.execute_fetchall(f"EXPLAIN QUERY PLAN {LOOKUP}", ["[]"] * 4)
    steps = [str(row[3]) for row in rows]
    for number in range(4):
        assert any(f"USING COVERING INDEX pictures_by_hash_{number} " in step for step in steps)
    assert not any("SCAN pictures" in step for step in steps)


async def test_a_copy_that_the_model_takes_for_something_else_comes_first_and_is_called_a_copy(
    library: Library,
) -> None:
    await library.noise(MORE_THAN_CANDIDATES)
    grey = await library.post(decoded(BOAT, perceptual_hash=HASH))
    hidden = await library.post(decoded(f"{BOAT} #2", perceptual_hash=HASH), channel=SECRET)
    result = await library.searcher.search(ask("", "dog", hashes=(HASH ^ 0b111,)))
    assert result.hits[0].place.message_id == grey
    assert all(hit.band is not Band.EDITED for hit in result.hits[1:])
    assert result.hits[0].band is Band.EDITED
    assert result.hits[0].parts.hash_distance == 3
    assert result.hits[0].parts.vector_rank is None  # the vector index did not bring it up
    assert hidden not in {place.message_id for hit in result.hits for place in (*hit.other_places, *hit.copies)}
    stranger = await library.searcher.search(ask("", "dog", hashes=(HASH ^ 0xFFFF,)))
    assert grey not in {hit.place.message_id for hit in stranger.hits}


@pytest.mark.parametrize("by", [Retrieval.VECTORS, Retrieval.WORDS])
async def test_what_an_index_finds_alone_is_found_without_hashes(library: Library, by: Retrieval) -> None:
    await library.noise(MORE_THAN_CANDIDATES)
    grey = await library.post(decoded(BOAT, perceptual_hash=HASH))
    result = await library.searcher.search(replace(ask("", "dog", hashes=(HASH,)), by=by))
    assert grey not in {hit.place.message_id for hit in result.hits}


async def test_words_beside_the_picture_ask_for_no_copy(library: Library) -> None:
    await library.noise(60)
    grey = await library.post(decoded(BOAT, perceptual_hash=HASH))
    result = await library.searcher.search(ask("volcano", "dog", hashes=(HASH,)))
    assert grey not in {hit.place.message_id for hit in result.hits}


async def test_flat_pictures_are_no_copies_of_one_another(library: Library) -> None:
    await library.noise(60)
    flat = await library.post(decoded(BOAT, perceptual_hash=0))
    result = await library.searcher.search(ask("", "dog", hashes=(0,)))
    assert flat not in {hit.place.message_id for hit in result.hits}
    same_motif = await library.searcher.search(ask("", f"{BOAT} #again", hashes=(0,)))
    assert same_motif.hits[0].parts.hash_distance is None
    assert same_motif.hits[0].parts.copy == pytest.approx(1.0, abs=0.01)
