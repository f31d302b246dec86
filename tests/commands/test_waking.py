"""A question to a bot whose model is not loaded: a word that it takes a moment, then the answer in the same reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bot.commands import similar_reply
from bot.texts import Language, translate
from indexer.errors import ModelAway
from indexer.ports import Priority
from indexer.records.pictures import Pixels, Vectors
from sandbox.reply import Reply
from tests.worlds.encoder import Encoder
from tests.worlds.running_bot import Running, Town, indexed, town


class Sleeper(Encoder):
    """A model that is loaded when `woken` is set, and never where `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.woken = asyncio.Event()
        self.woken.set()
        self.broken = False

    async def _wait(self) -> None:
        self.awake = self.woken.is_set()
        await self.woken.wait()
        if self.broken:
            raise ModelAway("no such weights")
        self.awake = True

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        await self._wait()
        return await super().encode_pixels(frames, priority)

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        await self._wait()
        return await super().encode_words(texts, priority)


@pytest.fixture
async def asleep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Running, Town, Sleeper]]:
    """A bot that has indexed its server, whose model then went."""
    monkeypatch.setattr(similar_reply, "NOTICE_S", 0.05)
    place, model = town(), Sleeper()
    async with indexed(place, tmp_path / "data", encoder=model) as bot:
        model.woken.clear()
        yield bot, place, model


async def asked(bot: Running, place: Town, **options: object) -> Reply:
    return await bot.person(place.member).slash(place.talk.id, "similar", options)


WAKING = {language: translate(language, "waking-up") for language in Language}


@pytest.mark.parametrize("locale", ["en-US", "de"])
async def test_the_answer_comes_by_itself_in_the_same_reply(asleep: tuple[Running, Town, Sleeper], locale: str) -> None:
    bot, place, model = asleep
    place.guild.locale = locale
    waking = WAKING[Language.ENGLISH if locale == "en-US" else Language.GERMAN]
    reply = await (await asked(bot, place, text="picture number 3")).until(lambda reply: reply.text() == waking)
    assert reply.ephemeral
    model.woken.set()
    await reply.until(lambda reply: bool(reply.sections()))
    assert waking not in reply.text()
    assert reply.followups == []


async def test_what_needs_no_model_is_answered_at_once(asleep: tuple[Running, Town, Sleeper]) -> None:
    bot, place, _ = asleep
    reply = await asked(bot, place, text="in:#pictures")
    assert len(reply.sections()) == 5
    assert "Waking" not in reply.text()


async def test_an_error_takes_the_place_of_the_word_that_the_model_wakes_up(
    asleep: tuple[Running, Town, Sleeper],
) -> None:
    bot, place, model = asleep
    reply = await (await asked(bot, place, text="a cat")).until(lambda reply: reply.text() == WAKING[Language.ENGLISH])
    model.broken = True
    model.woken.set()
    await reply.until(lambda reply: "My model is not there just now" in reply.text())
    assert reply.followups == []
    assert "Waking" not in reply.text()


async def test_who_waits_for_a_model_that_does_not_come_is_told(
    asleep: tuple[Running, Town, Sleeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar_reply, "WAKE_S", 0.3)
    bot, place, _ = asleep
    reply = await asked(bot, place, text="a cat")
    await reply.until(lambda reply: "still being loaded" in reply.text())
    assert reply.followups == []


async def test_a_question_that_is_answered_soon_hears_nothing_of_it(
    asleep: tuple[Running, Town, Sleeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar_reply, "NOTICE_S", 60.0)
    bot, place, model = asleep
    asking = asyncio.create_task(asked(bot, place, text="picture number 3"))
    model.woken.set()
    reply = await asking
    await reply.until(lambda reply: bool(reply.sections()))
    assert not any(WAKING[Language.ENGLISH] in text for text in reply.texts())
