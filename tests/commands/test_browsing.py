"""Filters alone, asked through a sandbox: the newest pictures that pass them, and true sentences for what is none."""

from __future__ import annotations

import pytest

from indexer.records.ids import GuildId
from indexer.tags import Target
from sandbox.permissions import Permission
from tests.worlds.asking import shown
from tests.worlds.running_bot import Running, Town, noise, town
from tests.worlds.waiting import until


@pytest.fixture
def place() -> Town:
    place = town(pictures=12, secrets=3)
    adult = place.guild.channel("adult", age_restricted=True)
    adult.post(place.member.user, "for adults", files=[noise(500)])
    place.talk.post(place.owner.user, "by the owner", files=[noise(501)])
    return place


async def test_filters_alone_show_the_newest_page_by_page_with_no_score(bot: Running, place: Town) -> None:
    member = bot.person(place.member)
    newest = [message.id for message in place.pictures.messages()]
    newest.sort(reverse=True)
    reply = await member.slash(place.talk.id, "similar", {"text": "in:#pictures"})
    assert "The newest pictures that pass your filters" in reply.text()
    assert "12 pictures pass these filters" in reply.text()
    assert "page 1 of 3" in reply.text()
    assert "**1**\n" in reply.text()
    assert "0.00" not in reply.text()
    seen = shown(reply)
    for _ in range(2):
        seen += shown(await member.press(reply, "Next"))
    assert seen == newest


async def test_every_option_of_the_command_is_such_a_filter(bot: Running, place: Town) -> None:
    member = bot.person(place.member)
    for options in ({"author": place.owner.id}, {"channel": place.talk.id}, {"text": "from:@Ada after:2001"}):
        reply = await member.slash(place.talk.id, "similar", options)
        assert len(shown(reply)) == 1, options
        assert {jump.channel_id for jump in reply.jump_links()} == {place.talk.id}
    owner = await bot.person(place.owner).slash(place.talk.id, "similar", {"author": place.owner.id})
    assert "4 pictures pass" in owner.text()


async def test_tags_filter_among_what_each_member_may_see_and_are_shown_to_nobody(bot: Running, place: Town) -> None:
    tags, guild_id = bot.service.tags, GuildId(place.guild.id)
    posted = [next(iter(place.pictures.messages())), *list(place.secret.messages())[:2]]
    named, missing = await tags.named([Target("message_id", message.id) for message in posted])
    assert not missing
    await tags.change(guild_id, named[guild_id], add=["evidence"])
    asked = {"text": "tag:Evidence"}
    reply = await bot.person(place.member).slash(place.talk.id, "similar", asked)
    assert shown(reply) == [posted[0].id]
    assert "1 picture passes" in reply.text()
    assert "evidence" not in reply.text().replace("tag:Evidence", "")
    assert len(shown(await bot.person(place.owner).slash(place.talk.id, "similar", asked))) == 3
    without = await bot.person(place.member).slash(place.talk.id, "similar", {"text": "in:#pictures -tag:evidence"})
    assert "11 pictures pass" in without.text()


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


async def test_words_to_leave_out_alone_are_told_what_they_need(bot: Running, place: Town) -> None:
    member = bot.person(place.member)
    for text in ("-dog", "-dog in:#pictures"):
        reply = await member.slash(place.talk.id, "similar", {"text": text})
        assert "need something to look for" in reply.text()
    place.guild.locale = "de"
    german = await member.slash(place.talk.id, "similar", {"text": "-hund"})
    assert "brauchen etwas Gesuchtes" in german.text()


async def test_an_age_restricted_channel_that_is_picked_elsewhere_says_where_to_ask(
    bot: Running,
    place: Town,
) -> None:
    member = bot.person(place.member)
    adult = next(channel for channel in place.guild.channels.values() if channel.name == "adult")
    for options in ({"channel": adult.id, "text": "adults"}, {"text": "in:#adult"}, {"text": f"in:<#{adult.id}>"}):
        reply = await member.slash(place.talk.id, "similar", options)
        assert "ask about it from an age-restricted channel" in reply.text(), options
    for command in ("duplicates", "random"):
        reply = await member.slash(place.talk.id, command, {"channel": adult.id})
        assert "ask about it from an age-restricted channel" in reply.text()
    assert len(shown(await member.slash(adult.id, "similar", {"text": "in:#adult"}))) == 1


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


async def test_what_was_pointed_at_is_not_called_given(bot: Running, place: Town) -> None:
    message = next(message for message in place.pictures.messages() if message.content == "picture number 3")
    reply = await bot.person(place.member).message_command(place.pictures.id, "Find similar", message.id)
    assert "Pictures like the one in that message" in reply.text()
