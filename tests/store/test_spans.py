"""What has been read of a channel, against a plain set of ids."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.database.database import Database, open_database
from indexer.store import spans
from indexer.store.spans import Span, merged
from tests.worlds.migrated import migrated
from tests.worlds.records import CHANNEL, channel, settle

ranges = st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair)))


def ids(of: list[Span]) -> set[int]:
    return {number for low, high in of for number in range(low, high + 1)}


@given(st.lists(ranges))
def test_merging_loses_no_id_and_invents_none(given_spans: list[Span]) -> None:
    assert ids(merged(given_spans)) == ids(given_spans)


@given(st.lists(ranges))
def test_merged_spans_are_ascending_and_none_touches_another(given_spans: list[Span]) -> None:
    result = merged(given_spans)
    assert all(low <= high for low, high in result)
    assert all(left[1] + 1 < right[0] for left, right in itertools.pairwise(result))


async def test_pages_that_touch_become_one_span(database: Database) -> None:
    await settle(database)
    async with database.transaction() as tx:
        await spans.cover(tx, CHANNEL, 900, 999)
        await spans.cover(tx, CHANNEL, 100, 199)
        assert await spans.of_channel(tx, CHANNEL) == [(100, 199), (900, 999)]
        await spans.cover(tx, CHANNEL, 200, 899)
        assert await spans.of_channel(tx, CHANNEL) == [(100, 999)]
        await spans.cover(tx, CHANNEL, 300, 400)
        await spans.cover(tx, CHANNEL, 0, 50)
    async with database.reader() as reader:
        assert await spans.of_guild(reader, channel().guild_id) == {CHANNEL: [(0, 50), (100, 999)]}


def test_covering_step_by_step_in_the_database_equals_merging_at_once(data_dir: Path) -> None:
    with asyncio.Runner() as runner:
        opening = open_database(migrated(data_dir))
        database = runner.run(opening.__aenter__())
        runner.run(settle(database))

        async def covered(given_spans: list[Span]) -> list[Span]:
            async with database.transaction() as tx:
                await tx.execute_fetchall("DELETE FROM spans")
                for low, high in given_spans:
                    await spans.cover(tx, CHANNEL, low, high)
                return await spans.of_channel(tx, CHANNEL)

        @given(st.lists(ranges, max_size=12))
        def check(given_spans: list[Span]) -> None:
            assert runner.run(covered(given_spans)) == merged(given_spans)

        try:
            check()
        finally:
            runner.run(opening.__aexit__(None, None, None))


async def test_a_channel_that_is_gone_covers_nothing(database: Database) -> None:
    await settle(database)
    async with database.transaction() as tx:
        await spans.cover(tx, channel(77).id, 1, 2)
        assert await spans.of_channel(tx, channel(77).id) == []


async def test_a_span_upside_down_is_a_mistake(database: Database) -> None:
    await settle(database)
    with pytest.raises(ValueError, match="from 9 down to 3"):
        async with database.transaction() as tx:
            await spans.cover(tx, CHANNEL, 9, 3)
