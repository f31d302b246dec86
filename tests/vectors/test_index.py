"""The index against brute force: every path, every filter, the same pictures in the same order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from indexer.records.hits import Filter, Floor
from indexer.records.ids import ChannelId, GuildId, MessageId, ModelId, UserId
from indexer.records.messages import PlaceFlag
from indexer.settings import IndexSettings
from indexer.vectors import compaction_plan, scan
from indexer.vectors.index import VectorIndex
from tests.worlds.index_world import (
    DIMENSION,
    GUILD,
    MODEL,
    START_MS,
    Shown,
    World,
    message_id,
    open_world,
    unit,
    write_embeddings,
    write_guild,
    write_models,
    write_places,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "data", IndexSettings(seal_rows=64)) as opened:
        yield opened


def filters(world: World, rng: np.random.Generator) -> list[Filter]:
    channels = [ChannelId(100 + int(number)) for number in rng.integers(0, 7, 2)]
    author = UserId(500 + int(rng.integers(9)))
    middle = START_MS + int(rng.integers(10_000)) * 60_000
    some = MessageId(next(iter(world.places.values())).message) if world.places else MessageId(1)
    return [
        world.everything(),
        Filter(frozenset(channels)),
        Filter(frozenset(channels[:1])),
        world.everything(authors=frozenset({author})),
        world.everything(authors=frozenset({author, UserId(501), UserId(99)})),
        world.everything(after_ms=middle),
        world.everything(before_ms=middle),
        world.everything(after_ms=middle - 10_000_000, before_ms=middle + 10_000_000),
        world.everything(require=PlaceFlag.ANIMATED),
        world.everything(exclude=PlaceFlag.ANIMATED),
        world.everything(require=PlaceFlag.ANIMATED, exclude=PlaceFlag.SPOILER, not_message=some),
        world.everything(not_message=some),
        Filter(frozenset(channels), frozenset({author}), after_ms=middle),
        Filter(frozenset()),
        Filter(frozenset({ChannelId(5)})),
    ]


@pytest.mark.parametrize("moving", [False, True])
async def test_every_filter_agrees_with_brute_force_in_tail_and_segments(world: World, moving: bool) -> None:
    rng = np.random.default_rng(1)
    for step in range(8):
        await world.fill(rng, 60, moving=moving)
        if step % 2:
            await world.index.maintain(world.database)
        await world.delete(rng.choice(list(world.places), 5, replace=False).tolist())
        for k in (1, 10, 1000):
            for allowed in filters(world, rng):
                await world.check(unit(rng, 1)[0], k, allowed)
    assert list(world.folder.glob("*/*/*.segment"))


async def test_a_deleted_message_is_not_found_by_the_very_next_search(world: World) -> None:
    rng = np.random.default_rng(2)
    await world.fill(rng, 200)
    await world.index.maintain(world.database)
    query = unit(rng, 1)[0]
    best = world.index.search(GUILD, MODEL, query, 1, world.everything()).candidates[0]
    await world.delete([place.place_id for place in best.places])
    await world.check(query, 5, world.everything())
    assert best.picture_id not in {
        candidate.picture_id
        for candidate in world.index.search(GUILD, MODEL, query, 1000, world.everything()).candidates
    }


async def test_the_floor_says_who_answered(world: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    await world.fill(rng, 100)
    query = unit(rng, 1)[0]
    assert world.index.search(GUILD, MODEL, query, 3, world.everything()).floor is Floor.INDEX


async def test_one_picture_posted_nine_times_is_one_hit_with_nine_places_newest_first(world: World) -> None:
    rng = np.random.default_rng(4)
    await world.fill(rng, 80)
    await world.index.maintain(world.database)
    vector = unit(rng, 1)[0]
    nine = [Shown(1_000 + 1_000 * n, 900, 100 + n % 3, 500 + n, message_id(5_000 - 7 * n)) for n in range(9)]
    await world.add(nine[:4], {900: vector})
    await world.fill(rng, 80)
    await world.index.maintain(world.database)
    await world.add(nine[4:], {900: vector})
    answer = world.index.search(GUILD, MODEL, vector, 3, world.everything())
    best = answer.candidates[0]
    assert best.picture_id == 900
    assert [place.place_id for place in best.places] == [shown.place for shown in nine]
    await world.check(vector, 3, world.everything())


async def test_a_picture_is_shown_with_only_those_places_that_the_filter_allows(world: World) -> None:
    vector = unit(np.random.default_rng(5), 1)[0]
    places = [Shown(n, 1, 100 + n % 3, 500 + n % 2, message_id(n)) for n in range(1, 13)]
    await world.add(places, {1: vector})
    for allowed in (Filter(frozenset({ChannelId(101)})), world.everything(authors=frozenset({UserId(501)}))):
        await world.check(vector, 1, allowed)
    await world.index.compact(world.database)
    await world.check(vector, 1, Filter(frozenset({ChannelId(101)}), not_message=MessageId(places[0].message)))


async def test_nothing_of_another_guild_is_ever_found(world: World) -> None:
    rng = np.random.default_rng(6)
    await world.fill(rng, 150)
    async with world.database.transaction() as tx:
        await write_guild(tx, 2, [200], [])
        theirs = [Shown(5_000 + n, 5_000 + n, 200, 500, message_id(n, 4_000)) for n in range(100)]
        await write_places(tx, 2, theirs)
        await write_embeddings(tx, [shown.picture for shown in theirs], unit(rng, 100))
        shared = Shown(6_000, next(iter(world.vectors)), 200, 500, message_id(1, 4_001))  # a picture of both guilds
        await write_places(tx, 2, [shared])
    every = Filter(frozenset(ChannelId(number) for number in [*range(100, 107), 200]))
    for _ in range(2):
        await world.check(unit(rng, 1)[0], 1000, every)
        answer = world.index.search(GuildId(2), MODEL, unit(rng, 1)[0], 1000, every)
        assert {place.channel_id for candidate in answer.candidates for place in candidate.places} == {200}
        assert answer.searched == 101
        await world.index.maintain(world.database)


async def test_a_guild_that_left_is_gone_and_so_are_its_files(world: World) -> None:
    rng = np.random.default_rng(7)
    await world.fill(rng, 150)
    await world.index.maintain(world.database)
    query = unit(rng, 1)[0]
    allowed = world.everything()
    assert world.index.search(GUILD, MODEL, query, 1, allowed).candidates
    async with world.database.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM guilds WHERE guild_id = ?", (GUILD,))
    assert world.index.search(GUILD, MODEL, query, 1, allowed).candidates == ()
    await world.index.maintain(world.database)
    assert not list(world.folder.rglob("*"))
    world.places.clear()
    world.vectors.clear()
    async with world.database.transaction() as tx:  # and it may come back
        await write_guild(tx, GUILD, range(100, 107), [])
    await world.fill(rng, 100)
    await world.check(query, 10, allowed)


async def test_a_small_guild_that_left_is_gone_from_memory(world: World) -> None:
    rng = np.random.default_rng(8)
    await world.fill(rng, 10)
    allowed = world.everything()
    assert world.index.search(GUILD, MODEL, unit(rng, 1)[0], 1, allowed).candidates
    async with world.database.transaction() as tx:
        await tx.execute_fetchall("DELETE FROM guilds WHERE guild_id = ?", (GUILD,))
    assert world.index.search(GUILD, MODEL, unit(rng, 1)[0], 1, allowed).candidates == ()


async def test_embeddings_of_two_models_never_mix(world: World) -> None:
    rng = np.random.default_rng(9)
    other = ModelId(2)
    await world.fill(rng, 100)
    async with world.database.transaction() as tx:
        await write_models(tx, DIMENSION, 2)
        half_done = list(world.vectors)[:50]
        theirs = unit(rng, 50)
        await write_embeddings(tx, half_done, theirs, other)
    for _ in range(2):
        await world.check(unit(rng, 1)[0], 1000, world.everything())
        answer = world.index.search(GUILD, other, unit(rng, 1)[0], 1000, world.everything())
        assert {candidate.picture_id for candidate in answer.candidates} == set(half_done)
        await world.index.maintain(world.database)


async def test_the_old_model_serves_until_the_new_one_covers_the_guild(world: World) -> None:
    rng = np.random.default_rng(10)
    new = ModelId(2)
    await world.fill(rng, 40)
    assert world.index.serving_model(GUILD, MODEL) == MODEL
    async with world.database.transaction() as tx:
        await write_models(tx, DIMENSION, 3)
        pictures = list(world.vectors)
        await write_embeddings(tx, pictures[:30], unit(rng, 30), new)
        await write_embeddings(tx, pictures[:5], unit(rng, 5), 3)
    assert world.index.serving_model(GUILD, new) == MODEL
    assert world.index.serving_model(GuildId(77), new) == new
    async with world.database.transaction() as tx:
        await write_embeddings(tx, pictures[30:], unit(rng, len(pictures) - 30), new)
    fresh = VectorIndex(world.index.database_path, world.folder, IndexSettings())
    assert fresh.serving_model(GUILD, new) == new
    assert fresh.serving_model(GUILD, MODEL) == MODEL  # and back, at no cost
    fresh.close()


async def test_a_log_line_that_one_index_covers_is_kept_for_the_other_model(world: World) -> None:
    rng = np.random.default_rng(11)
    other = ModelId(2)
    await world.fill(rng, 100)
    async with world.database.transaction() as tx:
        await write_models(tx, DIMENSION, 2)
        await write_embeddings(tx, list(world.vectors), unit(rng, len(world.vectors)), other)
    first = next(iter(world.vectors))
    query = world.vectors[first]
    held = {
        candidate.picture_id
        for candidate in world.index.search(GUILD, other, query, 1000, world.everything()).candidates
    }
    assert first in held
    await world.delete([place for place, shown in world.places.items() if shown.picture == first])
    await world.index.compact(world.database)
    held = {
        candidate.picture_id
        for candidate in world.index.search(GUILD, other, query, 1000, world.everything()).candidates
    }
    assert held == set(world.vectors)


async def test_a_tail_only_index_notices_that_the_log_was_cut(world: World) -> None:
    rng = np.random.default_rng(12)
    other = ModelId(2)
    await world.fill(rng, 30)  # too few to be sealed for the other model
    async with world.database.transaction() as tx:
        await write_models(tx, DIMENSION, 2)
        await write_embeddings(tx, list(world.vectors)[:20], unit(rng, 20), other)
    assert len(world.index.search(GUILD, other, unit(rng, 1)[0], 99, world.everything()).candidates) == 20
    await world.fill(rng, 100)
    await world.delete([place for place, shown in world.places.items() if shown.picture == next(iter(world.vectors))])
    await world.index.maintain(world.database)  # seals the first model's index and cuts the log behind it
    found = world.index.search(GUILD, other, unit(rng, 1)[0], 99, world.everything()).candidates
    assert len(found) == 19


async def test_a_query_that_does_not_fit_is_refused(world: World) -> None:
    allowed = world.everything()
    for query in (np.ones(DIMENSION + 1), np.zeros(DIMENSION), np.full(DIMENSION, np.nan), np.ones((1, DIMENSION))):
        with pytest.raises(ValueError, match="not a query of 16 finite values"):
            world.index.search(GUILD, MODEL, query.astype(np.float32), 3, allowed)
    with pytest.raises(ValueError, match="model 9 is unknown"):
        world.index.search(GUILD, ModelId(9), np.ones(DIMENSION, np.float32), 3, allowed)


async def test_nothing_asked_for_and_no_channel_is_no_answer(world: World) -> None:
    rng = np.random.default_rng(13)
    await world.fill(rng, 5)
    assert world.index.search(GUILD, MODEL, unit(rng, 1)[0], 0, world.everything()).candidates == ()
    answer = world.index.search(GUILD, MODEL, unit(rng, 1)[0], 5, Filter(frozenset()))
    assert (answer.candidates, answer.searched) == ((), 0)


async def test_searches_from_many_threads_beside_writing_and_maintenance_are_never_wrong(world: World) -> None:
    rng = np.random.default_rng(14)
    await world.fill(rng, 200)
    stays = list(world.places)[:100]
    query = unit(rng, 1)[0]
    done = False

    def look() -> int:
        looks = 0
        while not done:
            answer = world.index.search(GUILD, MODEL, query, 10_000, world.everything())
            found = [place.place_id for candidate in answer.candidates for place in candidate.places]
            assert len(found) == len(set(found)) == answer.searched
            assert set(stays) <= set(found)
            looks += 1
        return looks

    async with asyncio.TaskGroup() as tasks:
        threads = [tasks.create_task(asyncio.to_thread(look)) for _ in range(3)]
        try:
            for _ in range(6):
                await world.fill(rng, 30)
                await world.index.maintain(world.database)
                await world.delete(list(world.places)[100:110])
                await world.index.compact(world.database)
        finally:
            done = True
    assert all(thread.result() for thread in threads)
    await world.check(query, 10, world.everything())


async def test_a_closed_index_says_so(tmp_path: Path) -> None:
    async with open_world(tmp_path / "data") as world:
        await world.fill(np.random.default_rng(15), 5)
        world.index.close()
        with pytest.raises(RuntimeError, match="closed"):
            world.index.search(GUILD, MODEL, np.ones(DIMENSION, np.float32), 1, world.everything())


async def test_many_segments_of_all_sizes_answer_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction_plan, "MAX_ROWS", 40)
    rng = np.random.default_rng(16)
    async with open_world(tmp_path / "data", IndexSettings(seal_rows=25)) as world:
        for _ in range(6):
            await world.fill(rng, 45)
            await world.index.maintain(world.database)
            for k in (1, 20, 1000):
                for allowed in filters(world, rng):
                    await world.check(unit(rng, 1)[0], k, allowed)
        async with world.database.reader() as connection:
            sizes = [n for (n,) in await connection.execute_fetchall("SELECT vectors FROM segments")]
        assert len(sizes) > 4
        assert max(sizes) <= 40


async def test_a_scan_is_shared_among_threads_and_each_piece_is_done_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "THREADED_ROWS", 16)
    rng = np.random.default_rng(18)
    async with open_world(tmp_path / "data", IndexSettings(seal_rows=64, threads=3)) as world:
        await world.fill(rng, 300)
        await world.index.maintain(world.database)
        await asyncio.gather(*(world.check(unit(rng, 1)[0], 20, world.everything()) for _ in range(12)))


async def test_a_failing_scan_fails_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "THREADED_ROWS", 16)
    monkeypatch.setattr(scan, "_pass", lambda *_: 1 / 0)
    async with open_world(tmp_path / "data", IndexSettings(threads=3)) as world:
        await world.fill(np.random.default_rng(19), 100)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(
                world.index.search, GUILD, MODEL, np.ones(DIMENSION, np.float32), 1, world.everything()
            )
