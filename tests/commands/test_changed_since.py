"""Replies to a server that has changed since: a channel was closed, a message deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.replies.pages import PAGE_HITS
from sandbox.permissions import Permission
from tests.worlds.asking import channels_of, shown, similar
from tests.worlds.running_bot import Running, Town, indexed, noise, town
from tests.worlds.waiting import until


@pytest.fixture
def place() -> Town:
    """24 pictures in public, two in secret, one in an age-restricted channel."""
    place = town(pictures=24, secrets=2)
    place.guild.channel("adult", age_restricted=True).post(place.member.user, "for adults", files=[noise(500)])
    return place


async def test_a_list_closes_with_its_channel_and_can_be_shared_followed_and_drawn(bot: Running, place: Town) -> None:
    member = bot.person(place.member)
    reply = await member.slash(place.talk.id, "similar", {"text": "in:#pictures", "explain": True})
    assert "Shared below" in (await member.press(reply, "Share here")).text()
    more = await member.select(reply, "More like …", ["More like picture 2"])
    assert "Pictures like the one you chose" in more.text()
    assert (await member.press(reply, "Contact sheet")).files()
    place.pictures.allow(place.guild.everyone, deny=Permission.VIEW_CHANNEL)

    async def closed() -> bool:
        return not shown(await member.press(reply, "Next"))

    await until(closed)


async def test_an_age_restricted_channel_that_is_closed_to_the_member_is_named_by_no_such_sentence(
    bot: Running,
    place: Town,
) -> None:
    member = bot.person(place.member)
    adult = next(channel for channel in place.guild.channels.values() if channel.name == "adult")
    adult.allow(place.guild.everyone, deny=Permission.VIEW_CHANNEL)
    adult.allow(place.guild.me, allow=Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY)

    async def closed() -> bool:
        reply = await member.slash(place.talk.id, "similar", {"text": "in:#adult"})
        return "age-restricted" not in reply.text()

    await until(closed)
    named = await member.slash(place.talk.id, "similar", {"text": "in:#adult"})
    unknown = await member.slash(place.talk.id, "similar", {"text": "in:#nowhere"})
    assert named.text().replace("adult", "nowhere") == unknown.text()
    mentioned = await member.slash(place.talk.id, "similar", {"text": f"in:<#{adult.id}>"})
    assert "age-restricted" not in mentioned.text()


async def test_pages_of_duplicates_turn_with_the_rights_of_the_moment(tmp_path: Path) -> None:
    place = town(pictures=7, secrets=0)
    for number in (0, 0, 1, 2, 3, 4, 5, 6):
        place.talk.post(place.owner.user, f"again {number}", files=[noise(number)])
    async with indexed(place, tmp_path / "data") as bot:
        asker = bot.person(place.member)
        reply = await asker.slash(place.talk.id, "duplicates")
        assert "page 1 of 2" in reply.text()
        turned = await asker.press(reply, "Next")
        assert "page 2 of 2" in turned.text()
        place.pictures.allow(place.guild.everyone, deny=Permission.VIEW_CHANNEL)

        async def closed() -> bool:
            again = await asker.press(reply, reply.buttons()[0].custom_id) if reply.buttons() else reply
            return place.pictures.id not in channels_of(again)

        await until(closed)
        assert "**1 · 2 times**" in reply.text()


async def test_pages_turn_for_who_asked_and_what_they_may_see_is_worked_out_anew(bot: Running, place: Town) -> None:
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


async def test_a_deleted_message_is_gone_from_the_next_page_turn(bot: Running, place: Town) -> None:
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


async def test_a_message_that_went_unnoticed_is_not_shown_but_replaced_and_purged(bot: Running, place: Town) -> None:
    wanted = next(m for m in place.pictures.messages() if m.content == "picture number 3")
    place.pictures._messages.pop(wanted.id)  # gone from Discord, and no event came
    place.pictures._ids.remove(wanted.id)
    reply = await similar(bot.person(place.member), place.talk.id, image=noise(3).data, text="min:-1")
    assert wanted.id not in shown(reply)
    assert len(shown(reply)) == PAGE_HITS
    async with bot.service.db.reader() as connection:
        rows = await connection.execute_fetchall("SELECT 1 FROM messages WHERE message_id = ?", (wanted.id,))
    assert list(rows) == []
