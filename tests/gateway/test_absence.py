"""Whose index it is, and what becomes of servers that are not listed: nothing is lost by a wrong token."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.errors import StorageError
from indexer.records.ids import GuildId
from indexer.store import guilds
from sandbox.server import open_sandbox
from tests.worlds.child_bot import child, joining
from tests.worlds.running_bot import Running, indexed, running, town
from tests.worlds.waiting import until_equals


async def stored(bot: Running) -> list[int]:
    return [guild.id for guild in (await bot.service.status()).guilds]


async def test_another_bots_token_in_this_folder_ends_before_anything_is_touched(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path):
        pass
    stranger = town()
    with pytest.raises(StorageError, match="belongs to the bot with application id") as told:
        async with running(stranger.world, tmp_path):
            pass
    assert str(place.world.application.id) in str(told.value)
    assert "--adopt" in str(told.value)
    async with running(place.world, tmp_path) as bot:
        assert await stored(bot) == [place.guild.id]
        assert (await bot.service.status()).total.embeddings == 8


async def test_an_index_is_taken_over_on_purpose_only(tmp_path: Path) -> None:
    place, stranger = town(), town()
    async with indexed(place, tmp_path):
        pass
    async with running(stranger.world, tmp_path, adopt=True) as bot:
        assert set(await stored(bot)) == {place.guild.id, stranger.guild.id}
    async with running(stranger.world, tmp_path) as bot:
        assert set(await stored(bot)) == {place.guild.id, stranger.guild.id}


async def test_the_command_line_says_whose_folder_it_is_in_one_line_and_takes_it_over_when_told_to(
    tmp_path: Path,
) -> None:
    place, stranger = town(), town()
    async with running(place.world, tmp_path / "data"):
        pass
    async with open_sandbox(stranger.world) as sandbox:
        async with child(tmp_path, "run", **joining(sandbox, AFTERIMAGE_LOG_LEVEL="error")) as second:
            assert await second.ended() == 1
            assert len(second.said.splitlines()) == 1
            assert "--adopt" in second.said
        async with child(tmp_path, "run", "--adopt", **joining(sandbox)) as third:
            await third.says("has taken over the index")
            await third.says("connected as")


async def test_a_server_that_is_not_listed_is_forgotten_after_a_day_and_not_before(tmp_path: Path) -> None:
    place = town()
    guild_id = GuildId(place.guild.id)
    other = place.world.guild("Other", place.owner.user)
    async with open_sandbox(place.world) as sandbox:
        async with indexed(place, tmp_path, sandbox):
            pass
        place.guild.remove_bot()
        async with running(sandbox, tmp_path) as bot:
            assert set(await stored(bot)) == {guild_id, other.id}
            async with bot.service.db.transaction() as tx:
                await tx.execute("UPDATE guilds SET absent_since_ms = absent_since_ms - 86400000")
        async with running(sandbox, tmp_path) as bot:
            assert await stored(bot) == [other.id]


async def test_a_server_that_is_listed_again_begins_anew(tmp_path: Path) -> None:
    place = town()
    async with open_sandbox(place.world) as sandbox:
        async with indexed(place, tmp_path, sandbox):
            pass
        async with running(sandbox, tmp_path) as bot:
            async with bot.service.db.transaction() as tx:  # as after an absence of an hour
                absent = await guilds.note_present(tx, [], 1, 3_600_000)
            assert absent == []
        async with running(sandbox, tmp_path) as bot:
            async with bot.service.db.reader() as connection:
                (row,) = await connection.execute_fetchall("SELECT absent_since_ms FROM guilds")
            assert row == (None,)
            assert await stored(bot) == [place.guild.id]


async def test_a_server_that_removes_the_bot_while_it_is_connected_is_forgotten_at_once(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        place.guild.remove_bot()
        await until_equals([], lambda: stored(bot))
