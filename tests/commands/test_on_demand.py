"""The third floor: a channel that has nothing in the index yet is answered from its newest messages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from indexer.crawl import on_demand
from indexer.errors import RetryLater
from indexer.records.ids import ChannelId, GuildId, UserId
from indexer.records.messages import Message
from indexer.store import jobs
from indexer.store.jobs import JobState, Scope, ScopeKind
from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from tests.worlds.asking import shown, similar
from tests.worlds.running_bot import Running, Town, noise, running, town, with_crawl


@pytest.fixture
def place() -> Town:
    return town(pictures=12, secrets=2)


@pytest.fixture
async def bot(place: Town, tmp_path: Path) -> AsyncIterator[Running]:
    """The guild's manager had #talk read, and nothing else yet."""
    async with (
        open_sandbox(place.world, keep=1000) as sandbox,
        running(sandbox, tmp_path / "data", with_crawl(use_search=False)) as bot,
    ):
        await bot.service.jobs.start(
            GuildId(place.guild.id), Scope(ScopeKind.CHANNEL, channel_id=ChannelId(place.talk.id))
        )
        await bot.indexed(place.guild)
        yield bot


def pages_read(bot: Running, channel_id: int) -> int:
    return sum(f"/channels/{channel_id}/messages" in exchange.path for exchange in bot.sandbox.record.exchanges)


async def test_the_newest_pictures_answer_at_once_and_stay(bot: Running, place: Town) -> None:
    asker = bot.person(place.member)
    reply = await similar(asker, place.talk.id, image=noise(3).data, channel=place.pictures.id)
    wanted = next(m for m in place.pictures.messages() if m.content == "picture number 3")
    assert shown(reply)[0] == wanted.id
    assert "searched the newest messages only" in reply.text()
    again = await similar(asker, place.talk.id, image=noise(5).data, channel=place.pictures.id)
    assert "newest messages only" not in again.text()
    assert "12 pictures searched" in again.text()


async def test_it_takes_in_no_more_than_the_bound_and_only_once_a_minute(
    bot: Running, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_demand, "PICTURES", 4)
    where = {ChannelId(place.pictures.id)}
    assert await bot.service.on_demand.take_in(GuildId(place.guild.id), where)
    assert (await bot.service.status()).total.embeddings == 4
    empty = {ChannelId(place.talk.id)}
    before = pages_read(bot, place.talk.id)
    for _ in range(3):
        assert not await bot.service.on_demand.take_in(GuildId(place.guild.id), empty)
    assert pages_read(bot, place.talk.id) == before  # it was read to its beginning: nothing can be there


async def test_nothing_is_read_for_a_member_who_may_not_see_the_channel(bot: Running, place: Town) -> None:
    reply = await similar(bot.person(place.member), place.talk.id, image=noise(1000).data)
    assert place.secret.id not in {jump.channel_id for jump in reply.jump_links()}
    assert pages_read(bot, place.secret.id) == 0


async def test_nothing_is_read_in_a_server_that_did_not_agree(tmp_path: Path) -> None:
    place = town()
    async with open_sandbox(place.world, keep=1000) as sandbox, running(sandbox, tmp_path / "data") as bot:
        reply = await similar(bot.person(place.owner), place.talk.id, image=noise(3).data)
        assert "no indexed picture" in reply.text()
        assert pages_read(bot, place.pictures.id) == 0


async def test_nothing_is_read_while_indexing_is_paused(bot: Running, place: Town) -> None:
    guild_id, where = GuildId(place.guild.id), {ChannelId(place.pictures.id)}
    async with bot.service.db.transaction() as tx:
        paused = await jobs.create(tx, guild_id, Scope(ScopeKind.SERVER))
        await jobs.set_state(tx, paused, JobState.PAUSED)
    assert not await bot.service.on_demand.take_in(guild_id, where)
    assert pages_read(bot, place.pictures.id) == 0
    async with bot.service.db.transaction() as tx:
        await jobs.set_state(tx, paused, JobState.CANCELLED)
    assert await bot.service.on_demand.take_in(guild_id, where)


async def test_an_author_who_opted_out_is_not_taken_in(bot: Running, place: Town) -> None:
    await bot.service.forget_user(UserId(place.member.id), GuildId(place.guild.id))
    reply = await similar(bot.person(place.owner), place.talk.id, image=noise(3).data, channel=place.pictures.id)
    assert not shown(reply)
    assert (await bot.service.status()).total.messages == 0


async def test_a_channel_that_fails_leaves_the_others(
    bot: Running, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = bot.client.history
    page = history.page

    async def failing(channel_id: ChannelId, **where: Any) -> Sequence[Message]:
        if channel_id == place.secret.id:
            raise RetryLater("Discord does not answer.")
        return await page(channel_id, **where)

    monkeypatch.setattr(history, "page", failing)
    both = {ChannelId(place.secret.id), ChannelId(place.pictures.id)}
    assert await bot.service.on_demand.take_in(GuildId(place.guild.id), both)
    assert (await bot.service.status()).total.embeddings == 12


async def test_a_gap_has_a_button_that_reads_the_newest_messages_once_for_each_member(
    bot: Running, place: Town
) -> None:
    place.talk.post(place.owner.user, "the first that is known", files=[noise(600)])
    await bot.embedded(1)
    asker = bot.person(place.member)
    reply = await asker.slash(place.talk.id, "similar", {"text": "after:2001"})
    assert "The newest messages of one channel cannot be found yet." in reply.text()
    assert len(shown(reply)) == 1
    await asker.press(reply, "Newest messages now")
    await reply.until(lambda now: "Read just now" in now.text())
    assert "the newest messages of one channel. 12 more pictures can be found." in reply.text()
    assert "cannot be found yet" not in reply.text()
    assert "13 pictures pass these filters" in reply.text()
    assert pages_read(bot, place.secret.id) == 0
    assert await bot.count("SELECT count(*) FROM spans WHERE channel_id = ? AND low = 0", place.pictures.id) == 1
    owner = await bot.person(place.owner).slash(place.talk.id, "similar", {"text": "after:2001"})
    assert "The newest messages of one channel cannot be found yet." in owner.text()  # of #secret


async def test_the_button_reads_nothing_that_is_hidden_by_then(bot: Running, place: Town) -> None:
    member = bot.person(place.member)
    reply = await member.slash(place.talk.id, "similar", {"text": "in:#talk -in:#talk"})
    assert not [button.label for button in reply.buttons()]
    reply = await member.slash(place.talk.id, "similar", {"channel": place.talk.id, "text": "after:2001"})
    assert not [button.label for button in reply.buttons()]  # #talk was read
    place.talk.post(place.owner.user, "the first that is known", files=[noise(600)])
    await bot.embedded(1)
    reply = await member.slash(place.talk.id, "similar", {"text": "after:2001"})
    place.pictures.allow(place.member, deny=Permission.VIEW_CHANNEL)
    await member.press(reply, "Newest messages now")
    await reply.until(lambda now: "Nothing newer could be read" in now.text())
    assert pages_read(bot, place.pictures.id) == 0


async def test_the_button_is_refused_to_who_just_used_it(
    bot: Running, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_demand, "CHANNELS", 1)
    place.talk.post(place.owner.user, "the first that is known", files=[noise(600)])
    await bot.embedded(1)
    owner = bot.person(place.owner)
    reply = await owner.slash(place.talk.id, "similar", {"text": "after:2001"})
    assert "The newest messages of 2 channels cannot be found yet." in reply.text()
    await owner.press(reply, "Newest messages now")
    await reply.until(lambda now: "Read just now" in now.text())
    assert "The newest messages of one channel cannot be found yet." in reply.text()
    refused = await owner.press(reply, "Newest messages now")
    assert "a moment ago" in refused.text()
    assert pages_read(bot, place.pictures.id) == 0  # the other channel was read
