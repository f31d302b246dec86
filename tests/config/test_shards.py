"""discord.shards: what is written comes back, each server has one shard, and mistakes are told in words."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.loader import load
from bot.config.shards import MOST_SHARDS, ShardRange, shard_range
from bot.config.show import in_force
from indexer.errors import ConfigError
from indexer.records.ids import collection_id

SNOWFLAKES = st.integers(0, 2**62 - 1)


@st.composite
def ranges(draw: st.DrawFn) -> ShardRange:
    count = draw(st.integers(1, 200))
    first = draw(st.integers(0, count - 1))
    return ShardRange(first, draw(st.integers(first, count - 1)), count)


@given(ranges())
def test_what_is_written_is_read_as_the_same(shards: ShardRange) -> None:
    assert shard_range(str(shards)) == shards


@given(st.integers(0, MOST_SHARDS))
def test_a_number_is_all_of_so_many_shards(count: int) -> None:
    shards = shard_range(count)
    assert shards == shard_range(str(count))
    assert (shards.whole, shards.share, shards.count, len(shards.ids)) == (True, 1.0, count, count)


@given(SNOWFLAKES, st.integers(1, 60), st.integers(1, 8))
def test_each_server_belongs_to_one_process_and_their_shares_are_the_whole(
    guild_id: int, count: int, size: int
) -> None:
    parts = [ShardRange(first, min(first + size, count) - 1, count) for first in range(0, count, size)]
    assert [part.serves(guild_id) for part in parts].count(True) == 1
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    assert [part.registers for part in parts].count(True) == 1
    (own,) = [part for part in parts if part.serves(guild_id)]
    assert (guild_id >> 22) % count in own.ids


@given(ranges(), st.integers(0, 65_535))
def test_a_folder_of_pictures_belongs_to_the_process_that_has_it(shards: ShardRange, collection: int) -> None:
    assert shards.serves(collection_id(collection))


@given(st.text(max_size=20))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        shards = shard_range(text)
        assert shard_range(str(shards)) == shards


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("16-17/16", "no shard 17 of 16: they count from 0 to 15"),
        ("16/16", "no shard 16 of 16"),
        ("7-4/16", "the first shard (7) comes after the last one (4)"),
        ("0/0", "shards of none"),
        ("99999", "more than 10,000"),
        ("4-7", "neither a number of shards nor some of them"),
        ("-1", "neither"),
        ("4-7/٨", "neither"),
        ("", "neither"),
    ],
)
def test_a_mistake_is_refused_with_its_reason_and_an_example(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as told:
        load(None, {"AFTERIMAGE_DISCORD_SHARDS": text})
    assert part in str(told.value)
    assert '"4-7/16"' in str(told.value)
    assert "AFTERIMAGE_DISCORD_SHARDS: discord.shards is" in str(told.value)


@pytest.mark.parametrize(
    ("toml", "shards", "shown"),
    [
        ("16", ShardRange(0, 15, 16), "16"),
        ('"16"', ShardRange(0, 15, 16), "16"),
        ("0", ShardRange(), "0"),
        ('"4-7/16"', ShardRange(4, 7, 16), '"4-7/16"'),
        ('"5/16"', ShardRange(5, 5, 16), '"5/16"'),
        ('"0-15/16"', ShardRange(0, 15, 16), "16"),
    ],
)
def test_the_file_takes_numbers_as_before_and_parts_of_them(
    tmp_path: Path, toml: str, shards: ShardRange, shown: str
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[discord]\nshards = {toml}\n")
    config = load(path, {})
    assert config.discord.shards == shards
    assert f"discord.shards = {shown} " in in_force(config)


@pytest.mark.parametrize("toml", ["true", "1.5", "-1", "[4, 7]"])
def test_the_file_takes_nothing_else(tmp_path: Path, toml: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[discord]\nshards = {toml}\n")
    with pytest.raises(ConfigError, match="must be a whole number, 0 or more, or some of them"):
        load(path, {})


def test_people_read_which_shards_of_how_many() -> None:
    assert ShardRange(4, 7, 16).words == "shards 4-7 of 16"
    assert ShardRange(5, 5, 16).words == "shard 5 of 16"
    assert ShardRange(0, 15, 16).words == ""
