"""`afterimage reshard` and `move --fleet`: each server ends in the folder of the process that gets its events."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import cli
from bot.command_line.reshard import plan
from bot.config.fleet_file import FleetFile, FleetProcess
from bot.control.server import open_control
from indexer.records.ids import GuildId, collection_id
from indexer.records.messages import Guild
from tests.worlds.bundled import installation, read, written
from tests.worlds.commands_here import give_command
from tests.worlds.json_schemas import assert_schema
from tests.worlds.kept_folder import rows
from tests.worlds.records import message, picture

GUILDS = "SELECT guild_id FROM guilds ORDER BY 1"


def guild_of_shard(shard: int) -> GuildId:
    return GuildId((shard << 22) + 4_194_304 * 32 * 1_000)  # shard `shard` of 16 and of 32


def fleet_toml(shards: int, *processes: tuple[str, str]) -> str:
    parts = [f'[[process]]\nshards = "{served}"\nfolder = "{folder}"\n' for served, folder in processes]
    return f"shards = {shards}\n{''.join(parts)}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet of 2 shards: `a` has servers of shards 0 and 2 of 4, `b` of 1 and 3; and one for 4 shards."""
    for name, shards in (("a", (0, 2)), ("b", (1, 3))):
        works = [written("DELETE FROM guilds")]
        for shard in shards:
            guild, channel = guild_of_shard(shard), 100 + shard
            works.append(
                written(
                    f"INSERT INTO guilds (guild_id, name, added_ms) VALUES ({guild}, 'Server {shard}', 0)",
                    f"INSERT INTO channels (channel_id, guild_id, kind, name) VALUES ({channel}, {guild}, 'text', 'c')",
                )
            )
            works.append(read(message(guild + 1, picture(str(shard)), channel=channel, guild=guild)))
        asyncio.run(installation(tmp_path / name, *works, application_id=900))
    (tmp_path / "config.toml").write_text("")
    (tmp_path / "fleet.toml").write_text(fleet_toml(2, ("0", "a"), ("1", "b")))
    (tmp_path / "fleet-4.toml").write_text(fleet_toml(4, ("0", "a"), ("1", "b"), ("2-3", "c")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_server_goes_where_the_new_file_has_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["reshard", "--fleet", "fleet.toml", "--to", "fleet-4.toml", "--quiet"]
    assert cli.main([*given, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"{guild_of_shard(2)} Server 2: {folder / 'a'} → {folder / 'c'}" in said
    assert "nothing was moved" in said
    assert cli.main([*given, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert_schema("reshard", planned)
    assert [move["name"] for move in planned["moves"]] == ["Server 2", "Server 3"]
    assert planned["done"] == []
    assert cli.main(given) == 1
    assert "--yes" in capsys.readouterr().err
    assert not (folder / "c").exists()
    assert cli.main([*given, "--yes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert_schema("reshard", found)
    assert [(done["name"], done["messages"]) for done in found["done"]] == [("Server 2", 1), ("Server 3", 1)]
    for name, shards in (("a", (0,)), ("b", (1,)), ("c", (2, 3))):
        assert rows(folder / name, GUILDS) == [(guild_of_shard(shard),) for shard in shards]
    assert rows(folder / "c", "SELECT count(*) FROM embeddings") == [(2,)]
    assert cli.main([*given, "--yes"]) == 0
    assert "nothing to move" in capsys.readouterr().out


async def test_while_one_of_its_bots_runs_nothing_is_moved(folder: Path) -> None:
    async with open_control(folder / "b", {}, 5.0):
        done = await asyncio.to_thread(
            give_command, folder, "reshard", "--fleet", "fleet.toml", "--to", "fleet-4.toml", "--yes", "--quiet"
        )
    assert done.returncode == 1
    assert f"A bot runs on {folder / 'b'}. Stop every process" in done.stderr
    assert not await asyncio.to_thread((folder / "c").exists)


def test_a_fleet_moves_a_server_to_the_process_of_its_shard_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["move", "Server 2", "--fleet", "fleet-4.toml", "--yes", "--quiet"]
    assert cli.main([*given, "--to", "1"]) == 1
    assert f"to shard 2 of 4, which 2-3 serves ({folder / 'c'})" in capsys.readouterr().err
    assert cli.main([*given, "--to", "9"]) == 1
    assert "there is no shard 9 of 4" in capsys.readouterr().err
    assert cli.main([*given, "--to", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert_schema("move", found)
    assert (found["from"], found["folder"]) == (str(folder / "a"), str(folder / "c"))
    assert cli.main(given) == 1
    assert "is in" in capsys.readouterr().err
    assert cli.main(["move", "Server 3", "--fleet", "fleet-4.toml", "--yes", "--quiet"]) == 0
    assert rows(folder / "c", GUILDS) == [(guild_of_shard(2),), (guild_of_shard(3),)]


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 5)), max_size=30), st.integers(1, 32))
def test_after_the_plan_each_server_is_where_its_events_go(found: list[tuple[int, int]], shards: int) -> None:
    half = (shards + 1) // 2
    processes = [FleetProcess("a", 0, half - 1, Path("/f/0"))]
    if half < shards:
        processes.append(FleetProcess("b", half, shards - 1, Path("/f/1")))
    after = FleetFile(Path("/f/fleet.toml"), Path("/f/config.toml"), "", shards, tuple(processes))
    places: dict[GuildId, tuple[Guild, list[Path]]] = {}
    for number, folder in found:
        guild = Guild(GuildId(number << 20), "g")
        folders = places.setdefault(guild.id, (guild, []))[1]
        if Path(f"/f/{folder}") not in folders:
            folders.append(Path(f"/f/{folder}"))
    now = {guild_id: set(folders) for guild_id, (_, folders) in places.items()}
    for move in plan(places, after):
        now[move.guild.id] -= {move.source}
        now[move.guild.id] |= {move.folder}
    for guild_id, ends in now.items():
        own = after.of_guild(guild_id)
        assert own is not None
        assert ends == {own.folder}


def test_a_folder_of_pictures_stays_unless_its_folder_goes() -> None:
    after = FleetFile(Path("/f/x"), Path("/f/c"), "", 1, (FleetProcess("a", 0, 0, Path("/f/0")),))
    guild = Guild(GuildId(collection_id(7)), "Photos")
    assert plan({guild.id: (guild, [Path("/f/0")])}, after) == []
    (move,) = plan({guild.id: (guild, [Path("/f/9")])}, after)
    assert (move.source, move.folder) == (Path("/f/9"), Path("/f/0"))
