"""A question to a bot whose model is not loaded: a word that it takes a moment, then the answer in the same reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
import pytest_asyncio

from bot.commands import verified_search
from bot.texts import Language, translate
from indexer.errors import ModelAway
from indexer.ports import Priority
from indexer.records.pictures import Pixels, Vectors
from sandbox.reply import Reply
from tests.worlds.encoder import Encoder
from tests.worlds.running_bot import Running, Town, indexed, town

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("waking")]


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


Asleep = tuple[Running, Town, Sleeper]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def indexed_town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asleep]:
    place, model = town(), Sleeper()
    async with indexed(place, tmp_path_factory.mktemp("waking") / "data", encoder=model) as bot:
        yield bot, place, model


@pytest.fixture
def asleep(indexed_town: Asleep, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asleep]:
    """A bot that has indexed its server, whose model then went. It is back after the test."""
    monkeypatch.setattr(verified_search, "NOTICE_S", 0.05)
    _, _, model = indexed_town
    model.woken.clear()
    yield indexed_town
    model.broken = False
    model.woken.set()


# Words whose vector is remembered need no model: each test asks with others.
async def asked(bot: Running, place: Town, **options: object) -> Reply:
    return await bot.person(place.member).slash(place.talk.id, "similar", options)


WAKING = {language: translate(language, "waking-up") for language in Language}


@pytest.mark.parametrize("locale", ["en-US", "de"])
async def test_the_answer_comes_by_itself_in_the_same_reply(
    asleep: Asleep, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot, place, model = asleep
    monkeypatch.setattr(place.guild, "locale", locale)
    waking = WAKING[Language.ENGLISH if locale == "en-US" else Language.GERMAN]
    reply = await (await asked(bot, place, text=f"picture {locale}")).until(lambda reply: reply.text() == waking)
    assert reply.ephemeral
    model.woken.set()
    await reply.until(lambda reply: bool(reply.sections()))
    assert waking not in reply.text()
    assert reply.followups == []


async def test_what_needs_no_model_is_answered_at_once(asleep: Asleep) -> None:
    bot, place, _ = asleep
    reply = await asked(bot, place, text="in:#pictures")
    assert len(reply.sections()) == 5
    assert "Waking" not in reply.text()


async def test_an_error_takes_the_place_of_the_word_that_the_model_wakes_up(
    asleep: Asleep,
) -> None:
    bot, place, model = asleep
    reply = await (await asked(bot, place, text="a cat")).until(lambda reply: reply.text() == WAKING[Language.ENGLISH])
    model.broken = True
    model.woken.set()
    await reply.until(lambda reply: "My model is not there just now" in reply.text())
    assert reply.followups == []
    assert "Waking" not in reply.text()


async def test_who_waits_for_a_model_that_does_not_come_is_told(
    asleep: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified_search, "WAKE_S", 0.3)
    bot, place, _ = asleep
    reply = await asked(bot, place, text="a dog")
    await reply.until(lambda reply: "still being loaded" in reply.text())
    assert reply.followups == []


async def test_a_question_that_is_answered_soon_hears_nothing_of_it(
    asleep: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verified_search, "NOTICE_S", 60.0)
    bot, place, model = asleep
    asking = asyncio.create_task(asked(bot, place, text="picture number 3"))
    model.woken.set()
    reply = await asking
    await reply.until(lambda reply: bool(reply.sections()))
    assert not any(WAKING[Language.ENGLISH] in text for text in reply.texts())
