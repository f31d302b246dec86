"""Pictures that stand for all that one may see: chosen by their messages alone, on every floor alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.records.hits import Filter
from indexer.records.ids import ChannelId
from indexer.settings import IndexSettings
from indexer.vectors.index import VectorIndex
from indexer.vectors.sample import chosen
from tests.worlds.index_world import GUILD, MODEL, Shown, World, half, message_id, open_world, unit

VISIBLE = Filter(frozenset({ChannelId(100), ChannelId(101)}))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as made:
        yield made


def sampled(world: World, engine: str = "auto", count: int = 20) -> np.ndarray:
    index = VectorIndex(world.database.path, world.folder, IndexSettings(engine=engine))
    try:
        return index.sample(GUILD, MODEL, VISIBLE, count)
    finally:
        index.close()


async def test_the_sample_is_the_same_on_every_floor_and_whatever_is_stored_elsewhere(world: World) -> None:
    rng = np.random.default_rng(1)
    await world.fill(rng, 300)
    wanted = sampled(world)
    assert len(wanted) == 20
    hidden = [Shown(5_000 + n, 5_000 + n, 102 + n % 5, 500, message_id(n, 7_000)) for n in range(200)]
    again = [Shown(6_000 + n, picture, 102, 500, message_id(n, 8_000)) for n, picture in enumerate(world.vectors)]
    for more in (hidden, again):
        await world.add(more, {shown.picture: unit(rng, 1)[0] for shown in more if shown.picture not in world.vectors})
        for engine in ("auto", "direct"):
            np.testing.assert_array_equal(sampled(world, engine), wanted)
        await world.index.compact(world.database)
        np.testing.assert_array_equal(sampled(world), wanted)
    await world.delete([shown.place for shown in hidden[::2]])
    np.testing.assert_array_equal(sampled(world), wanted)


async def test_of_fewer_pictures_than_wanted_all_are_in_the_sample_each_once(world: World) -> None:
    await world.fill(np.random.default_rng(2), 40)
    seen = {shown.picture for shown in world.places.values() if ChannelId(shown.channel) in VISIBLE.channels}
    expected = sorted(half(world.vectors[picture]) for picture in seen)
    for engine in ("auto", "direct"):
        assert sorted(row.tobytes() for row in sampled(world, engine, 512)) == expected
    nothing = world.index.sample(GUILD, MODEL, Filter(frozenset()), 5)
    assert nothing.shape == (0, 2 * world.index.dimension(MODEL))


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 12)), min_size=0, max_size=60),
    st.integers(1, 20),
    st.randoms(),
)
def test_what_is_chosen_hangs_on_messages_alone(shown: list[tuple[int, int]], count: int, rng: Random) -> None:
    """Places: (message, picture). Neither their order nor the pictures' numbers decide."""

    def pictures(places: list[tuple[int, int, int]], renamed: dict[int, int]) -> list[int]:
        columns = np.array([(message, place, renamed[picture]) for message, place, picture in places], np.int64)
        columns = columns.reshape(-1, 3)
        at = chosen(columns[:, 0], columns[:, 1], columns[:, 2], count)
        back = {new: old for old, new in renamed.items()}
        return [back[int(picture)] for picture in columns[at, 2]]

    places = [(message, place, picture) for place, (message, picture) in enumerate(shown)]
    first = pictures(places, {picture: picture for picture in range(13)})
    assert len(first) == min(count, len({picture for _, picture in shown}))
    others = list(range(100, 113))
    rng.shuffle(others)
    rng.shuffle(places)
    assert pictures(places, dict(enumerate(others))) == first
