"""fleet.toml: each shard is served once, by a folder of its own, and a mistake is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config.fleet_file import FleetFile, FleetProcess, parse_fleet, read_fleet
from indexer.errors import ConfigError
from indexer.records.ids import GuildId, collection_id

WHOLE = """\
config = "bot.toml"
storage = "s3://fleet"
shards = 16

[[process]]
name = "b"
shards = "8-15"
folder = "/srv/b"

[[process]]
shards = "0-7"
folder = "a"
"""


def parsed(text: str) -> FleetFile:
    return parse_fleet(text, Path("/etc/fleet/fleet.toml"))


def test_processes_stand_in_the_order_of_their_shards_and_paths_start_at_the_file() -> None:
    assert parsed(WHOLE) == FleetFile(
        Path("/etc/fleet/fleet.toml"),
        Path("/etc/fleet/bot.toml"),
        "s3://fleet",
        16,
        (FleetProcess("0-7", 0, 7, Path("/etc/fleet/a")), FleetProcess("b", 8, 15, Path("/srv/b"))),
    )


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 2**62 - 1))
def test_each_server_belongs_to_exactly_one_process(shards: int, size: int, guild_id: int) -> None:
    ranges = [(first, min(first + size, shards) - 1) for first in range(0, shards, size)]
    lines = [f'[[process]]\nshards = "{first}-{last}"\nfolder = "{first}"' for first, last in ranges]
    fleet = parsed("\n".join([f"shards = {shards}", *lines]))
    own = fleet.of_guild(GuildId(guild_id))
    assert own is not None
    assert [process for process in fleet.processes if (guild_id >> 22) % shards in process.ids] == [own]
    assert fleet.of_guild(GuildId(collection_id(5))) is None


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ('shards = "8-15"', 'shards = "8-14"', 3, "shard 15 of 16 is served by no process"),
        ('shards = "8-15"', 'shards = "7-15"', 11, "shard 7 is served by b already"),
        ('shards = "8-15"', 'shards = "8-16"', 7, "there is no shard 16 of 16"),
        ('shards = "8-15"', 'shards = "15-8"', 7, "comes after the last"),
        ('shards = "8-15"', 'shards = "8-15/16"', 7, "must be some of the bot's"),
        ("shards = 16", "shards = 0", 3, "whole number from 1"),
        ("shards = 16", "", 1, "whole number from 1"),
        ('folder = "a"', 'folder = "/srv/b"', 12, "each process needs its own"),
        ('folder = "a"', 'folder = "/srv/b/data"', 12, "one lies in the other"),
        ('folder = "a"', "", 10, "needs a folder"),
        ('name = "b"', 'name = "0-7"', 10, "two processes have the name 0-7"),
        ('name = "b"', 'name = "b b"', 6, "letters, digits"),
        ('name = "b"', "name = 5", 6, "must be a text"),
        ('name = "b"', 'nmae = "b"', 6, "did you mean name"),
        ('storage = "s3://fleet"', 'stroage = "s3://fleet"', 2, "did you mean storage"),
        ("shards = 16", "shards = ", 3, "line 3"),
    ],
)
def test_a_mistake_is_told_with_its_line(before: str, after: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        parsed(WHOLE.replace(before, after, 1))
    assert said in str(told.value)
    assert f"line {line}" in str(told.value)
    assert "/etc/fleet/fleet.toml" in str(told.value)


def test_a_fleet_without_a_process_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one \\[\\[process\\]\\] at least"):
        parsed("shards = 1")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_fleet(tmp_path / "fleet.toml")
    with pytest.raises(ConfigError, match="there is no shard 16 of 16"):
        parsed(WHOLE).of_shard(16)
