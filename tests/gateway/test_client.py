"""The client: what it registers, how it limits, and what it says when something goes wrong."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.commands import answer_error, sentence_for
from bot.commands.registration import same
from bot.config.tables import Config, LimitSettings
from bot.gateway.client import Client
from bot.texts import Language
from bot.token_buckets import REMEMBERED, TokenBuckets
from indexer.errors import (
    ChannelClosed,
    LinkExpired,
    ReadersBusy,
    Reason,
    Rejected,
    RetryLater,
    StorageError,
    TellPerson,
)
from sandbox.checks import commands as command_rules
from sandbox.server import open_sandbox
from sandbox.world import World
from tests.worlds.running_bot import running, town
from tests.worlds.waiting import DEADLINE_S, until


async def test_commands_are_registered_once_and_not_again_at_the_next_start(tmp_path: Path) -> None:
    async with open_sandbox(town().world) as sandbox:
        put = "PUT /applications/{application_id}/commands"
        async with running(sandbox, tmp_path):
            assert sandbox.record.counts[put] == 1
            names = {command["name"] for command in sandbox.api.commands[None]}
            assert names >= {"similar", "Find similar", "reindex", "privacy", "stats", "help"}
        async with running(sandbox, tmp_path):
            assert sandbox.record.counts[put] == 1
        sandbox.api.commands[None] = [command for command in sandbox.api.commands[None] if command["name"] != "help"]
        async with running(sandbox, tmp_path):
            assert sandbox.record.counts[put] == 2


async def test_every_command_says_where_it_belongs_so_that_an_applications_own_settings_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An application that may also be installed by users gives both to a command that says neither.
    monkeypatch.setitem(command_rules._DEFAULTS, "integration_types", [0, 1])
    monkeypatch.setitem(command_rules._DEFAULTS, "contexts", [0, 1, 2])
    put = "PUT /applications/{application_id}/commands"
    async with open_sandbox(town().world) as sandbox:
        async with running(sandbox, tmp_path):
            for command in sandbox.api.commands[None]:
                assert (command["name"], command["integration_types"], command["contexts"]) == (
                    command["name"],
                    [0],
                    [0],
                )
        async with running(sandbox, tmp_path):
            assert sandbox.record.counts[put] == 1


async def test_the_bot_asks_for_no_intent_that_it_does_not_need() -> None:
    intents = Client(Config()).intents
    assert {name for name, on in intents if on} == {"guilds", "guild_messages", "message_content"}


async def test_a_bot_in_no_server_says_where_it_is_invited(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    with caplog.at_level(logging.INFO, "bot.gateway.client"):
        async with running(world, tmp_path) as bot:
            address = f"client_id={bot.client.application_id}"
    (line,) = [record.getMessage() for record in caplog.records if "invite" in record.getMessage()]
    assert address in line
    assert "scope=bot+applications.commands" in line


async def test_whoever_asks_too_often_is_told_when_to_come_back(tmp_path: Path) -> None:
    place = town()

    def strict(config: Config) -> Config:
        return replace(config, limits=LimitSettings(per_minute=1, burst=2))

    async with running(place.world, tmp_path, strict) as bot:
        member, owner = bot.person(place.member), bot.person(place.owner)
        for _ in range(2):
            assert "/similar" in (await member.slash(place.talk.id, "help")).content
        refused = await member.slash(place.talk.id, "help")
        assert refused.ephemeral
        assert "try again in" in refused.content
        assert "/similar" in (await owner.slash(place.talk.id, "help")).content


async def test_while_stopping_commands_are_refused_politely_and_those_in_hand_are_waited_for(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        going, entered = asyncio.Event(), asyncio.Event()

        @bot.client.tree.command(name="slow", description="takes its time")
        async def slow(interaction: discord.Interaction[Any]) -> None:
            await interaction.response.defer(ephemeral=True)
            entered.set()
            await going.wait()
            await interaction.edit_original_response(content="done after all")

        await bot.client.tree.sync()
        asked = asyncio.create_task(bot.person(place.member).slash(place.talk.id, "slow"))
        await entered.wait()
        draining = asyncio.create_task(bot.client._drain(20.0))
        await asyncio.sleep(0)
        refused = await bot.person(place.owner).slash(place.talk.id, "help")
        assert "restarted" in refused.content
        assert not bot.client.is_serving()
        assert not draining.done()
        going.set()
        await draining
        assert (await asked).content == "done after all"


async def test_what_goes_on_behind_an_answer_is_counted_when_it_fails_and_a_stop_in_it_ends_the_bot(
    tmp_path: Path,
) -> None:
    async def fail(error: Exception) -> None:
        raise error

    with pytest.raises(StorageError, match="damaged"):
        async with running(town().world, tmp_path) as bot, asyncio.timeout(DEADLINE_S):
            bot.client._spawn(fail(ZeroDivisionError()), "progress message")

            async def counted() -> bool:
                return bot.service.faults.count("progress message") == 1

            await until(counted)
            bot.client._spawn(fail(StorageError("damaged")), "progress message")
            await asyncio.Event().wait()


async def test_an_unexpected_error_is_told_with_an_id_that_stands_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:

        @bot.client.tree.command(name="broken", description="fails")
        async def broken(interaction: discord.Interaction[Any]) -> None:
            raise ValueError("a secret of ours")

        await bot.client.tree.sync()
        reply = await bot.person(place.member).slash(place.talk.id, "broken")
        assert reply.ephemeral
        assert "a secret of ours" not in reply.content
        error_id = reply.content.rstrip(".").split()[-1]
        (line,) = [record for record in caplog.records if error_id in record.getMessage()]
        assert line.exc_info is not None
        assert "broken" in line.getMessage()


async def test_an_error_after_the_answer_is_told_in_a_message_of_its_own(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:

        @bot.client.tree.command(name="late", description="fails late")
        async def late(interaction: discord.Interaction[Any]) -> None:
            await interaction.response.send_message("first", ephemeral=True)
            await answer_error(interaction, TellPerson("And then it failed."))

        await bot.client.tree.sync()
        reply = await bot.person(place.member).slash(place.talk.id, "late")
        await reply.until(lambda shown: bool(shown.followups))
        (follow_up,) = reply.followups
        assert (follow_up.content, follow_up.ephemeral) == ("And then it failed.", True)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize(
    ("error", "has_id"),
    [
        (TellPerson("Do it otherwise."), False),
        (Rejected(Reason.EMPTY, "detail for the log"), False),
        (app_commands.NoPrivateMessage(), False),
        (app_commands.MissingPermissions(["manage_guild"]), False),
        (app_commands.CommandNotFound("gone", []), False),
        (ReadersBusy("x"), False),
        (RetryLater("x"), True),
        (LinkExpired("x"), True),
        (TimeoutError(), True),
        (ChannelClosed("x"), True),
        (ZeroDivisionError("x"), True),
    ],
)
def test_every_error_is_one_sentence_and_those_of_ours_carry_their_id(
    error: Exception, has_id: bool, language: Language
) -> None:
    sentence = sentence_for(error, "a1b2c3", language)
    assert "\n" not in sentence
    assert ("a1b2c3" in sentence) is has_id
    assert "detail for the log" not in sentence


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence_of_its_own(reason: Reason, language: Language) -> None:
    sentence = sentence_for(Rejected(reason, "detail for the log"), "x", language)
    others = {sentence_for(Rejected(other), "x", language) for other in Reason if other is not reason}
    assert sentence.endswith(".")
    assert sentence not in others
    assert "detail" not in sentence


@pytest.mark.parametrize("language", list(Language))
def test_a_file_that_is_not_opened_is_told_by_its_format(language: Language) -> None:
    for reason in (Reason.UNSUPPORTED, Reason.VIDEO, Reason.DOCUMENT):
        assert "(TGA)" in sentence_for(Rejected(reason, file_format="TGA"), "x", language)
        assert "(" not in sentence_for(Rejected(reason), "x", language)


@pytest.mark.parametrize("language", list(Language))
def test_readers_that_are_busy_are_never_blamed_on_discord(language: Language) -> None:
    assert "Discord" not in sentence_for(ReadersBusy("no reader is free"), "x", language)
    assert "Discord" in sentence_for(RetryLater("HTTP 503"), "x", language)


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    now = [0.0]
    buckets = TokenBuckets(per_minute=6, burst=3, clock=lambda: now[0])
    assert [buckets.take(1) for _ in range(3)] == [0.0] * 3
    assert buckets.take(1) == pytest.approx(10.0)
    assert buckets.take(2) == 0.0
    now[0] = 10.0
    assert buckets.take(1) == 0.0
    assert buckets.take(1) == pytest.approx(10.0)


def test_buckets_keep_a_bounded_number_of_members() -> None:
    buckets = TokenBuckets(per_minute=20, burst=6, clock=lambda: 0.0)
    for user in range(REMEMBERED + 100):
        buckets.take(user)
    assert len(buckets) == REMEMBERED


def test_a_bucket_that_is_full_again_is_forgotten() -> None:
    now = [0.0]
    buckets = TokenBuckets(per_minute=60, burst=3, clock=lambda: now[0])
    buckets.take(1)
    now[0] = 0.5
    buckets.take(2)
    assert len(buckets) == 2
    now[0] = 1.0
    buckets.take(3)
    assert len(buckets) == 2  # the first has its token back


def test_what_costs_more_takes_more() -> None:
    now = [0.0]
    buckets = TokenBuckets(per_minute=60, burst=4, clock=lambda: now[0])
    assert buckets.take(1, 3) == 0.0
    assert buckets.take(1, 3) == pytest.approx(2.0)
    assert buckets.take(1, 1) == 0.0


THERE: dict[str, Any] = {
    "id": "1",
    "version": "2",
    "type": 1,
    "name": "reindex",
    "description": "Read",
    "default_member_permissions": "32",
    "contexts": [0],
    "options": [
        {
            "type": 1,
            "name": "start",
            "description": "go",
            "options": [{"type": 5, "name": "failed", "description": "d"}],
        }
    ],
}
HERE: dict[str, Any] = {
    "type": 1,
    "name": "reindex",
    "description": "Read",
    "default_member_permissions": 32,
    "contexts": [0],
    "nsfw": False,
    "dm_permission": False,
    "options": [
        {
            "type": 1,
            "name": "start",
            "description": "go",
            "options": [{"type": 5, "name": "failed", "description": "d", "required": False}],
        }
    ],
}


def test_a_command_that_discord_spells_in_its_own_way_is_the_same() -> None:
    assert same([HERE], [THERE])


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Write"},
        {"default_member_permissions": "8"},
        {"options": []},
        {"contexts": [0, 1]},
        {"nsfw": True},
        {"name": "other"},
    ],
)
def test_a_command_that_differs_is_registered_anew(change: dict[str, Any]) -> None:
    assert not same([HERE], [{**THERE, **change}])


def test_a_command_that_we_no_longer_have_is_taken_away() -> None:
    assert not same([HERE], [THERE, {**THERE, "name": "old"}])
