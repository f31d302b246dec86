"""Questions about pictures that were posted while the bot runs, and a whole conversation by Discord's own rules."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.commands import similar_reply
from bot.commands.thumbnails import give_addresses
from indexer.query.query import Query
from indexer.search import copy_checker
from sandbox.drawing import edits
from sandbox.server import open_sandbox
from sandbox.world import File
from tests.openapi import description
from tests.worlds.asking import shown, similar
from tests.worlds.running_bot import Running, Town, noise, running, town, with_auto_start
from tests.worlds.scenery import png, scenery
from tests.worlds.waiting import DEADLINE_S, until


@pytest.fixture
def place() -> Town:
    return town(pictures=24, secrets=2)


async def test_the_message_command_finds_what_is_like_the_message_but_not_itself(bot: Running, place: Town) -> None:
    again = place.talk.post(place.member.user, "again", files=[noise(5)])
    wanted = next(m for m in place.pictures.messages() if m.content == "picture number 5")
    reply = await bot.person(place.member).message_command(place.talk.id, "Find similar", again.id)
    assert shown(reply)[0] == wanted.id
    assert again.id not in shown(reply)


async def test_every_request_of_a_whole_conversation_is_one_that_discord_describes(tmp_path: Path) -> None:
    rules = description()
    place = town(pictures=12, secrets=1)
    async with (
        open_sandbox(place.world, keep=2_000) as sandbox,
        running(sandbox, tmp_path / "data", with_auto_start) as bot,
    ):
        await bot.indexed(place.guild)
        sandbox.record.clear()
        asker = bot.person(place.member)
        reply = await similar(asker, place.talk.id, image=noise(3).data, text="picture min:-1", count=12, explain=True)
        await asker.press(reply, "Next")
        await asker.press(reply, "Contact sheet")
        await asker.press(reply, "Share here")
        await asker.select(reply, "More like …", ["More like picture 6"])
        await similar(asker, place.talk.id)
        assert await rules.check(sandbox.record.exchanges) >= 10


async def test_a_crop_of_a_posted_picture_is_called_an_edited_copy_and_says_how_much_is_left(
    bot: Running, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_checker, "BUDGET_S", DEADLINE_S)
    original = place.pictures.post(place.member.user, "the original", files=[File.of("a.png", png(scenery(7)))])
    await bot.embedded(27)
    crop = png(edits.crop(scenery(7), 0.8))
    asker = bot.person(place.member)

    async def told() -> bool:
        reply = await similar(asker, place.talk.id, image=crop, explain=True)
        first = reply.sections()[0].texts[0]
        return (
            shown(reply)[0] == original.id and "Edited copy: cropped to 64 %" in first and "its pixels agree" in first
        )

    await until(told)


async def test_a_page_that_is_turned_while_its_comparison_is_written_stays_turned(
    bot: Running, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_checker, "BUDGET_S", DEADLINE_S)
    monkeypatch.setattr(similar_reply, "COMPARE_S", 0.0)
    place.pictures.post(place.member.user, "the original", files=[File.of("a.png", png(scenery(7)))])
    await bot.embedded(27)
    begun: list[int] = []
    ended: list[int] = []
    late, go_on = asyncio.Event(), asyncio.Event()
    edit = similar_reply.Answers._edit

    async def addresses(*arguments: Any) -> list[discord.File]:
        begun.append(1)
        if len(begun) == 2:  # the page is made with what was compared, and not sent yet
            late.set()
            await go_on.wait()
        return await give_addresses(*arguments)

    async def edited(*arguments: Any) -> bool:
        try:
            return await edit(*arguments)
        finally:
            ended.append(1)

    monkeypatch.setattr(similar_reply, "give_addresses", addresses)
    monkeypatch.setattr(similar_reply.Answers, "_edit", edited)
    asker = bot.person(place.member)
    crop = png(edits.crop(scenery(7), 0.8))
    reply = await similar(asker, place.talk.id, image=crop, text="min:-1", count=12)
    async with asyncio.timeout(DEADLINE_S):
        await late.wait()
    pressing = asyncio.create_task(asker.press(reply, "Next"))
    await asyncio.wait({pressing}, timeout=0.5)
    go_on.set()
    await pressing
    await until(lambda: len(ended) >= 3)
    assert "page 2 of" in reply.text()


async def test_a_reply_that_is_dismissed_before_its_comparison_comes_is_no_failure(
    bot: Running, place: Town, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(copy_checker, "BUDGET_S", DEADLINE_S)
    monkeypatch.setattr(similar_reply, "COMPARE_S", 0.0)
    waiting, dismissed, compared = asyncio.Event(), asyncio.Event(), bot.service.searcher.compared

    async def late(query: Query) -> None:
        waiting.set()
        await dismissed.wait()
        await compared(query)

    monkeypatch.setattr(bot.service.searcher, "compared", late)
    place.pictures.post(place.member.user, "the original", files=[File.of("a.png", png(scenery(7)))])
    await bot.embedded(27)
    with caplog.at_level(logging.INFO):
        reply = await similar(bot.person(place.member), place.talk.id, image=png(edits.crop(scenery(7), 0.8)))
        async with asyncio.timeout(DEADLINE_S):
            await waiting.wait()
        bot.sandbox.interactions.delete(reply.message)
        dismissed.set()
        await until(lambda: "stays without its comparison" in caplog.text)
    assert reply.followups == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
