"""Another model is configured: the old one answers until the new one has seen every picture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from indexer.backoff import Backoff
from indexer.errors import ModelUnavailable, Reason, Rejected, RetryLater
from indexer.ingest import stages
from indexer.ports import Encoder as EncoderPort
from indexer.ports import Priority
from indexer.records.ids import GuildId
from indexer.records.pictures import ModelSpec, Pixels, PixelSpec, Vectors
from indexer.search import model_switch
from indexer.vectors import index
from sandbox.server import Sandbox, open_sandbox
from tests.worlds.asking import shown, similar
from tests.worlds.encoder import Encoder
from tests.worlds.running_bot import Town, indexed, noise, running, town, with_auto_start
from tests.worlds.waiting import until

PICTURES = 24


class Newer(Encoder):
    """Another model: other vectors, another size of input."""

    def __init__(self) -> None:
        super().__init__(dimension=48, size=24)
        self.spec = ModelSpec("newer", "none", 48, "01")
        self.sees = asyncio.Event()  # until then no picture of the guild is embedded

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        if priority is Priority.INDEXING:
            await self.sees.wait()
        return await super().encode_pixels(frames, priority)


class Opener:
    """Opens the old model, and says how often and whether it is open."""

    def __init__(self, encoder: Encoder, error: Exception | None = None) -> None:
        self.encoder, self.error = encoder, error
        self.opened = self.open = 0

    def __call__(self, spec: ModelSpec) -> AbstractAsyncContextManager[EncoderPort]:
        return self._open(spec)

    @asynccontextmanager
    async def _open(self, spec: ModelSpec) -> AsyncIterator[EncoderPort]:
        assert spec == Encoder().spec
        if self.error is not None:
            raise self.error
        self.opened += 1
        self.open += 1
        try:
            yield self.encoder
        finally:
            self.open -= 1


@pytest.fixture
async def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Town, Sandbox, Path]]:
    """A guild that the first model has seen all of."""
    monkeypatch.setattr(index, "SERVING_S", 0.05)
    place = town(pictures=PICTURES, secrets=0)
    async with open_sandbox(place.world) as sandbox:
        async with indexed(place, tmp_path / "data", sandbox):
            pass
        yield place, sandbox, tmp_path / "data"


def message_of(place: Town, number: int) -> int:
    return next(m.id for m in place.pictures.messages() if m.content == f"picture number {number}")


async def test_the_old_model_answers_until_the_new_one_has_seen_all(before: tuple[Town, Sandbox, Path]) -> None:
    place, sandbox, folder = before
    newer, opener = Newer(), Opener(Encoder())
    async with running(sandbox, folder, with_auto_start, newer, opener) as bot:
        asker = bot.person(place.member)
        reply = await similar(asker, place.talk.id, image=noise(3).data, text="min:-1", count=12)
        assert shown(reply)[0] == message_of(place, 3)
        assert f"{PICTURES} pictures searched" in reply.text()

        async def switched() -> bool:
            searcher = await bot.service.searcher.of(GuildId(place.guild.id))
            return searcher.model_id == bot.service.model_id

        assert not await switched()
        newer.sees.set()
        await until(switched)
        assert (await bot.service.status()).total.embeddings == 2 * PICTURES
        after = await similar(asker, place.talk.id, image=noise(4).data)
        assert shown(after)[0] == message_of(place, 4)
        turned = await asker.press(reply, "Next")  # an answer of the old model goes on with it
        assert shown(turned)
        assert opener.opened == 1
    assert opener.open == 0


async def test_where_the_old_model_is_gone_the_new_one_answers_with_what_it_has(
    before: tuple[Town, Sandbox, Path], caplog: pytest.LogCaptureFixture
) -> None:
    place, sandbox, folder = before
    opener = Opener(Encoder(), ModelUnavailable("its weights are gone"))
    newer = Newer()
    async with running(sandbox, folder, with_auto_start, newer, opener) as bot:
        searcher = await bot.service.searcher.of(GuildId(place.guild.id))
        assert searcher.model_id == bot.service.model_id
        assert "its weights are gone" in caplog.text
        newer.sees.set()
        await bot.embedded(2 * PICTURES)
        reply = await similar(bot.person(place.member), place.talk.id, image=noise(3).data)
        assert shown(reply)[0] == message_of(place, 3)


async def test_an_old_model_that_nobody_asks_is_let_go_and_opened_again(
    before: tuple[Town, Sandbox, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, sandbox, folder = before
    monkeypatch.setattr(model_switch, "LOOK_S", 0.01)
    monkeypatch.setattr(model_switch, "IDLE_S", 0.05)
    opener = Opener(Encoder())
    async with running(sandbox, folder, with_auto_start, Newer(), opener) as bot:
        guild_id = GuildId(place.guild.id)
        for times in (1, 2):
            searcher = await bot.service.searcher.of(guild_id)
            assert searcher.model_id != bot.service.model_id
            assert searcher.pixel_spec == PixelSpec(size=Encoder().pixel_spec.size)
            assert opener.opened == times
            await until(lambda: opener.open == 0)


async def test_an_outage_is_no_trial_and_the_old_model_goes_on(
    before: tuple[Town, Sandbox, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures that could not be reached come with another run; a picture whose link is dead does not hold it up."""
    place, sandbox, folder = before
    newer, opener = Newer(), Opener(Encoder())
    newer.sees.set()
    guild_id = GuildId(place.guild.id)
    monkeypatch.setattr(stages, "FETCH_BACKOFF", Backoff(1, 0.01, 0.02))
    async with running(sandbox, folder, encoder=newer, open_model=opener) as bot:

        async def away(*_: object, **__: object) -> bytes:
            raise RetryLater("the CDN is away")

        monkeypatch.setattr(bot.service.fetcher, "fetch", away)
        await bot.service.jobs.start(guild_id)
        await bot.indexed(place.guild)
        searcher = await bot.service.searcher.of(guild_id)
        assert searcher.model_id != bot.service.model_id

        async def dead(*_: object, **__: object) -> bytes:
            raise Rejected(Reason.GONE, "HTTP 404")

        monkeypatch.setattr(bot.service.fetcher, "fetch", dead)
        await bot.service.jobs.start(guild_id)
        await bot.indexed(place.guild)
        await asyncio.sleep(index.SERVING_S)  # for so long the answer from before is believed
        searcher = await bot.service.searcher.of(guild_id)
        assert searcher.model_id == bot.service.model_id


async def test_a_passing_failure_to_open_the_old_model_is_not_remembered(
    before: tuple[Town, Sandbox, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, sandbox, folder = before
    monkeypatch.setattr(model_switch, "AGAIN", Backoff(tries=0, first_s=0.0, longest_s=0.0))
    opener = Opener(Encoder(), ModelUnavailable("the hub is out of reach"))
    async with running(sandbox, folder, with_auto_start, Newer(), opener) as bot:
        guild_id = GuildId(place.guild.id)
        assert (await bot.service.searcher.of(guild_id)).model_id == bot.service.model_id
        opener.error = None

        async def answers() -> bool:
            return (await bot.service.searcher.of(guild_id)).model_id != bot.service.model_id

        await until(answers)
