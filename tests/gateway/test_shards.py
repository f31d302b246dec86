"""One bot as several processes, by Discord's shards: each reads, stores and answers for its own servers alone."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from bot.command_line import status as status_command
from bot.config.shards import shard_range
from bot.gateway import identifying
from bot.gateway.own_guilds import OwnGuilds
from bot.gateway.refusals import DiscordRefused
from bot.observability.health import connection_of
from indexer.jobs import JobRefused, Why
from indexer.records.ids import GuildId
from sandbox.server import open_sandbox
from tests.worlds.child_bot import child, joining
from tests.worlds.commands_here import give_command
from tests.worlds.json_schemas import assert_schema
from tests.worlds.running_bot import Running, running, town
from tests.worlds.sharded_town import ShardedTown, serving, sharded_town
from tests.worlds.waiting import until


async def stored(bot: Running) -> list[int]:
    return [guild.id for guild in (await bot.service.status()).guilds]


async def read(bot: Running, place: ShardedTown, shards: list[int]) -> None:
    for shard in shards:
        await bot.indexed(place.guilds[shard])
    await bot.embedded(3 * len(shards))


async def two_days_pass(bot: Running) -> None:
    """For what is recorded of servers that are not listed."""
    async with bot.service.db.transaction() as tx:
        await tx.execute_fetchall("UPDATE guilds SET absent_since_ms = absent_since_ms - 2 * 86400000")


async def test_two_processes_store_and_answer_for_their_own_servers_and_register_the_commands_once(
    tmp_path: Path,
) -> None:
    place = sharded_town(4)
    first, second = tmp_path / "first" / "data", tmp_path / "second" / "data"
    async with (
        open_sandbox(place.world) as sandbox,
        running(sandbox, first, serving("0-1/4")) as low,
        running(sandbox, second, serving("2-3/4")) as high,
    ):
        await read(low, place, [0, 1])
        await read(high, place, [2, 3])
        for shard, (bot, channel) in enumerate(zip([low, low, high, high], place.channels, strict=True)):
            channel.post(place.members[shard].user, f"later in town {shard}", files=[])
            reply = await bot.person(place.members[shard]).slash(channel.id, "similar", {"text": "picture min:-1"})
            assert f"/{place.guilds[shard].id}/{channel.id}/" in reply.text()
        assert await stored(low) == sorted(guild.id for guild in place.guilds[:2])
        assert await stored(high) == sorted(guild.id for guild in place.guilds[2:])
        assert sandbox.record.counts["PUT /applications/{application_id}/commands"] == 1
        assert {asked.shard for asked in sandbox.gateway.starts.asked} == {(shard, 4) for shard in range(4)}
        assert connection_of(high.client.beat(), 0.0).sentence == "connected, with shards 2-3 of 4"
        with pytest.raises(JobRefused) as refused:
            await low.service.jobs.start(GuildId(place.guilds[2].id))
        assert refused.value.why is Why.ELSEWHERE


async def test_a_process_that_serves_a_part_from_now_on_forgets_nothing_of_the_other_shards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, data_dir = sharded_town(4), tmp_path / "bot" / "data"
    everything = sorted(guild.id for guild in place.guilds)
    async with open_sandbox(place.world) as sandbox:
        async with running(sandbox, data_dir, serving("0")) as bot:
            await read(bot, place, [0, 1, 2, 3])
        for _ in range(3):  # three starts, with days between them
            caplog.clear()
            async with running(sandbox, data_dir, serving("0/4")) as bot:
                await two_days_pass(bot)
                await bot.client._settling.note_absent()
                assert await stored(bot) == everything
                assert (await bot.service.status()).total.embeddings == 12
                assert await bot.count("SELECT count(*) FROM guilds WHERE absent_since_ms IS NOT NULL") == 0
                # The sweep asks about messages of its own server alone: of others it would see closed channels.
                async with bot.service.db.transaction() as tx:
                    await tx.execute_fetchall("UPDATE messages SET checked_ms = 0")
                while await bot.service.pipeline._sweep.look() is not None:
                    pass
                assert not [channel for channel in place.channels if await bot.parked(channel)]
        told = [record.getMessage() for record in caplog.records if "belong to a shard" in record.getMessage()]
        assert len(told) == 1
        assert told[0].startswith("3 servers in the data folder")
        assert all(str(guild.id) in told[0] for guild in place.guilds[1:])
        async with running(sandbox, data_dir, serving("0")) as bot:
            assert await stored(bot) == everything

    settings = {"AFTERIMAGE_DATA_DIR": str(data_dir), "AFTERIMAGE_DISCORD_SHARDS": "0/4"}
    said = (await asyncio.to_thread(give_command, tmp_path, "status", **settings)).stdout
    assert "this process serves shard 0 of 4" in said
    assert "of another shard: 3 servers, not read or searched here; `afterimage split` takes them away: Town 1" in said
    found = json.loads((await asyncio.to_thread(give_command, tmp_path, "status", "--json", **settings)).stdout)
    assert found["shards"] == "0/4"
    assert_schema("status", found)
    assert found["elsewhere"] == sorted(str(guild.id) for guild in place.guilds[1:])
    assert status_command.shards_text(shard_range(4), []) == []


async def test_a_server_of_its_own_that_is_gone_is_still_forgotten_after_a_day(tmp_path: Path) -> None:
    place, data_dir = sharded_town(2), tmp_path / "bot" / "data"
    async with open_sandbox(place.world) as sandbox:
        async with running(sandbox, data_dir, serving("0")) as bot:
            await read(bot, place, [0, 1])
        for guild in place.guilds:
            guild.remove_bot()
        async with running(sandbox, data_dir, serving("0/2")) as bot:
            await two_days_pass(bot)
        async with running(sandbox, data_dir, serving("0/2")) as bot:
            assert await stored(bot) == [place.guilds[1].id]


def test_events_of_another_shards_servers_reach_no_parser() -> None:
    seen: list[tuple[str, Any]] = []
    names = ("READY", "GUILD_CREATE", "MESSAGE_CREATE", "INTERACTION_CREATE")
    parsers: dict[str, Any] = {name: lambda data, name=name: seen.append((name, data)) for name in names}
    guard = OwnGuilds(shard_range("1/2"))
    guard.wrap(parsers)
    other, own = 2 << 22, 3 << 22
    parsers["READY"]({"guilds": [{"id": str(other)}, {"id": str(own)}]})
    parsers["GUILD_CREATE"]({"id": str(other)})
    parsers["MESSAGE_CREATE"]({"id": "1", "guild_id": str(other)})
    parsers["INTERACTION_CREATE"]({"id": "1", "guild_id": str(other)})
    assert seen == [("READY", {"guilds": [{"id": str(own)}]})]
    parsers["GUILD_CREATE"]({"id": str(own)})
    parsers["MESSAGE_CREATE"]({"id": "1"})  # a direct message belongs to no server
    assert [name for name, _ in seen] == ["READY", "GUILD_CREATE", "MESSAGE_CREATE"]
    assert guard.dropped == {other}


async def test_who_asks_to_be_forgotten_everywhere_reads_that_other_processes_are_not_reached(tmp_path: Path) -> None:
    place = sharded_town(2)
    async with running(place.world, tmp_path / "bot" / "data", serving("0/2")) as bot:
        await read(bot, place, [0])
        member, channel = bot.person(place.members[0]), place.channels[0]
        shown = await member.slash(channel.id, "privacy")
        assert "several processes" in shown.content
        here = await member.press(shown, "Forget me in this server")
        assert "several processes" not in here.content
        shown = await member.slash(channel.id, "privacy")
        sure = await member.press(shown, "Forget me everywhere")
        assert "several processes" in sure.content
        done = await member.press(sure, "Yes, forget me")
        assert "3 messages" in done.content
        assert "use /privacy there too" in done.content


async def test_a_bot_that_has_no_sessions_left_today_waits_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = town()
    async with open_sandbox(place.world) as sandbox:
        starts, token = sandbox.gateway.starts, sandbox.token
        starts.total, starts.window_s = 3, 1.0
        for _ in range(3):
            starts.ask((0, 1))
        with caplog.at_level(logging.WARNING, "bot.gateway.identifying"):
            async with running(sandbox, tmp_path):
                assert len(starts.asked) == 4
        assert starts.asked[3].at_s - starts.asked[0].at_s >= 1.0
        assert sandbox.token == token
    assert "Discord lets this bot open 0 more sessions" in caplog.text


async def test_a_shard_that_waits_for_a_session_keeps_no_other_from_resuming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identifying, "LOOK_S", 0.02)
    place = sharded_town(2)
    async with running(place.world, tmp_path / "bot" / "data", serving("2")) as bot:
        gateway = bot.sandbox.gateway
        total, gateway.starts.total = gateway.starts.total, gateway.starts._used
        lost = next(session for session in gateway.sessions.values() if session.shard == (0, 2))
        kept = next(session for session in gateway.sessions.values() if session.shard == (1, 2))
        del gateway.sessions[lost.id]
        assert lost.connection is not None
        await lost.connection.socket.close(code=4000)
        await until(lambda: bot.client.beat().waits_until is not None)
        assert "no more sessions" in connection_of(bot.client.beat(), 0.0).sentence
        resumed = gateway.resumed
        assert kept.connection is not None
        await kept.connection.socket.close(code=4000)
        await until(lambda: gateway.resumed == resumed + 1)
        assert len(gateway.starts.asked) == 2
        gateway.starts.total = total
        await until(lambda: bot.client.beat().shards_away == 0)
        assert [asked.shard for asked in gateway.starts.asked] == [(0, 2), (1, 2), (0, 2)]
        assert kept.id in gateway.sessions


async def test_an_identify_that_discord_refuses_is_sent_again_and_ends_nothing(tmp_path: Path) -> None:
    place = town()
    async with open_sandbox(place.world) as sandbox:
        sandbox.gateway.starts.gap_s = 0.5
        sandbox.gateway.starts.ask((0, 1))  # a process on another machine
        async with running(sandbox, tmp_path) as bot:
            assert bot.client.beat().serving
        accepted = [asked.accepted for asked in sandbox.gateway.starts.asked]
        assert accepted[1] is False
        assert accepted[-1] is True


async def test_too_few_shards_are_told_in_words(tmp_path: Path) -> None:
    place = town()
    async with open_sandbox(place.world) as sandbox:
        sandbox.gateway.starts.guilds_a_shard = 0
        with pytest.raises(DiscordRefused, match="Discord wants more shards"):
            async with running(sandbox, tmp_path):
                pass


async def test_processes_that_start_at_the_same_moment_never_send_two_identifies_of_one_bucket_too_soon(
    tmp_path: Path,
) -> None:
    place, gap_s = sharded_town(4), 0.4
    async with open_sandbox(place.world) as sandbox:
        starts = sandbox.gateway.starts
        starts.gap_s, starts.max_concurrency = gap_s, 2
        settings = joining(
            sandbox, AFTERIMAGE_DISCORD_TURNS_DIR=str(tmp_path / "turns"), CHILD_IDENTIFY_S=str(gap_s + 0.1)
        )
        for name in ("low", "high"):
            (tmp_path / name).mkdir()
        async with (
            child(tmp_path / "low", "run", **settings, AFTERIMAGE_DISCORD_SHARDS="0-1/4") as low,
            child(tmp_path / "high", "run", **settings, AFTERIMAGE_DISCORD_SHARDS="2-3/4") as high,
        ):
            await low.says("connected as")
            await high.says("connected as")
        assert [asked.accepted for asked in starts.asked] == [True] * 4
        assert {asked.shard for asked in starts.asked} == {(shard, 4) for shard in range(4)}
        for bucket in range(2):
            first, second = [asked.at_s for asked in starts.asked if asked.shard[0] % 2 == bucket]
            assert second - first >= gap_s
