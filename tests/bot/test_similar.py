"""/similar and Find similar, asked through a sandbox by members of every standing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.replies.pages import PAGE_HITS
from sandbox.members import Person
from sandbox.permissions import Permission
from sandbox.reply import Reply
from sandbox.world import File
from tests.bot.running import Running, Town, noise, running, town, until, with_auto_start


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[tuple[Running, Town]]:
    place = town(pictures=24, secrets=2)
    async with running(place.world, tmp_path / "data", with_auto_start) as bot:
        await bot.indexed(place.guild)
        yield bot, place


def shown(reply: Reply) -> list[int]:
    return [jump.message_id for section in reply.sections() for jump in section.jumps()]


async def similar(who: Person, channel_id: int, **options: object) -> Reply:
    return await who.slash(channel_id, "similar", options)


async def test_an_uploaded_picture_finds_the_message_that_shows_it(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    wanted = next(m for m in place.pictures.messages() if m.content == "picture number 3")
    reply = await similar(bot.person(place.member), place.talk.id, image=noise(3).data)
    assert reply.ephemeral
    assert shown(reply)[0] == wanted.id
    first = reply.sections()[0]
    assert "Same picture" in first.texts[0]
    assert f"<@{place.member.id}> in <#{place.pictures.id}>" in first.texts[0]
    bare = f"{bot.sandbox.base_url}/attachments/{place.pictures.id}/{wanted.attachments[0].id}/noise-3.png"
    assert first.thumbnail is not None
    assert first.thumbnail.partition("?")[0] == bare  # Discord signs it anew when it shows it


async def test_words_find_what_a_message_says(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    reply = await similar(bot.person(place.member), place.talk.id, text='"number 17"')
    wanted = next(m for m in place.pictures.messages() if m.content == "picture number 17")
    assert shown(reply) == [wanted.id]


async def test_the_message_command_finds_what_is_like_the_message_but_not_itself(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    again = place.talk.post(place.member.user, "again", files=[noise(5)])
    wanted = next(m for m in place.pictures.messages() if m.content == "picture number 5")
    reply = await bot.person(place.member).message_command(place.talk.id, "Find similar", again.id)
    assert shown(reply)[0] == wanted.id
    assert again.id not in shown(reply)


async def test_find_similar_on_a_message_without_a_picture_says_so(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    words = place.talk.post(place.member.user, "only words")
    reply = await bot.person(place.member).message_command(place.talk.id, "Find similar", words.id)
    assert "shows no picture" in reply.text()


async def test_nobody_sees_hits_or_counts_from_a_channel_that_is_closed_to_them(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    reply = await similar(bot.person(place.member), place.talk.id, image=noise(1000).data)
    assert all(jump.channel_id != place.secret.id for jump in reply.jump_links())
    assert "24 pictures searched" in reply.text()
    owner = await similar(bot.person(place.owner), place.talk.id, image=noise(1000).data)
    assert owner.jump_links()[0].channel_id == place.secret.id
    assert "26 pictures searched" in owner.text()


async def test_a_channel_filter_searches_that_channel_and_nothing_else(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    reply = await similar(bot.person(place.owner), place.talk.id, image=noise(3).data, channel=place.secret.id)
    assert {jump.channel_id for jump in reply.jump_links()} <= {place.secret.id}
    hidden = await similar(bot.person(place.member), place.talk.id, text="in:secret picture")
    assert "#secret" in hidden.text()
    assert "may see" in hidden.text()


async def test_pages_turn_for_who_asked_and_what_they_may_see_is_worked_out_anew(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    asker = bot.person(place.member)
    reply = await similar(asker, place.talk.id, text="picture number min:-1", count=12)
    assert len(reply.sections()) == PAGE_HITS
    first = shown(reply)
    turned = await asker.press(reply, "Next")
    assert "page 2 of 3" in turned.text()
    assert not set(shown(turned)) & set(first)
    assert shown(await asker.press(turned, "Previous")) == first
    place.pictures.allow(place.guild.everyone, deny=Permission.VIEW_CHANNEL)

    async def closed() -> bool:
        again = await asker.press(reply, "Next")
        return not shown(again)

    await until(closed)
    assert "no indexed picture that you may see" in reply.text()


async def test_a_deleted_message_is_gone_from_the_next_page_turn(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    asker = bot.person(place.member)
    reply = await similar(asker, place.talk.id, image=noise(3).data, text="min:-1", count=12)
    gone = shown(reply)[0]
    message = place.pictures.message(gone)
    assert message is not None
    message.delete()

    async def turned() -> bool:
        await asker.press(reply, "Next")
        return gone not in shown(await asker.press(reply, "Previous"))

    await until(turned)


async def test_more_like_a_hit_answers_beside_it(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    asker = bot.person(place.member)
    reply = await similar(asker, place.talk.id, image=noise(3).data)
    more = await asker.select(reply, "More like …", ["More like picture 1"])
    assert more.ephemeral
    assert "Pictures like the one you gave" in more.text()
    assert shown(reply)[0] not in shown(more)


async def test_a_file_that_is_no_picture_is_refused_in_a_clear_sentence(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    asker = bot.person(place.member)
    for data, said in (
        (b"", "empty"),
        (b"MZ" + bytes(500), "not a picture"),
        (noise(3).data[:80], "breaks off"),
    ):
        reply = await similar(asker, place.talk.id, image=File.of("cat.png", data))
        assert said in reply.text(), reply.text()
        assert reply.ephemeral


async def test_asking_for_nothing_says_what_to_give(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    assert "Give a picture, words, or both" in (await similar(bot.person(place.member), place.talk.id)).text()


async def test_a_bad_date_says_how_dates_are_written(shop: tuple[Running, Town]) -> None:
    bot, place = shop
    reply = await similar(bot.person(place.member), place.talk.id, text="cat", after="next tuesday")
    assert "3 weeks ago" in reply.text()
