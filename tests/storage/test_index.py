"""The index against brute force: every path, every filter, the same pictures in the same order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from indexer.model import ChannelId, Filter, Floor, MessageId, PlaceFlag, UserId
from indexer.settings import IndexSettings
from tests.storage.index_world import GUILD, MODEL, START_MS, World, open_world, unit


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "data", IndexSettings(seal_rows=64)) as opened:
        yield opened


def filters(world: World, rng: np.random.Generator) -> list[Filter]:
    channels = [ChannelId(100 + int(one)) for one in rng.integers(0, 7, 2)]
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


async def test_every_filter_agrees_with_brute_force_in_tail_and_segments(world: World) -> None:
    rng = np.random.default_rng(1)
    for step in range(8):
        await world.fill(rng, 60)
        if step % 2:
            await world.index.maintain(world.database)
        await world.delete(rng.choice(list(world.places), 5, replace=False).tolist())
        for k in (1, 10, 1000):
            for allowed in filters(world, rng):
                world.expect(unit(rng, 1)[0], k, allowed)
    assert list(world.folder.glob("*/*/*.segment"))


async def test_a_deleted_message_is_not_found_by_the_very_next_search(world: World) -> None:
    rng = np.random.default_rng(2)
    await world.fill(rng, 200)
    await world.index.maintain(world.database)
    query = unit(rng, 1)[0]
    best = world.index.search(GUILD, MODEL, query, 1, world.everything()).candidates[0]
    await world.delete([place.place_id for place in best.places])
    world.expect(query, 5, world.everything())
    assert best.picture_id not in {
        one.picture_id for one in world.index.search(GUILD, MODEL, query, 1000, world.everything()).candidates
    }


async def test_the_floor_says_who_answered(world: World, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    await world.fill(rng, 100)
    query = unit(rng, 1)[0]
    assert world.index.search(GUILD, MODEL, query, 3, world.everything()).floor is Floor.INDEX
