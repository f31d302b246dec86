"""Filters alone, asked through a sandbox: the newest pictures that pass them, and true sentences for what is none."""

from __future__ import annotations

import pytest

from indexer.pictures.decode_picture import Limits, decode_picture
from indexer.query.grammar import parse
from indexer.records.colours import SAMPLES, SHOWN
from indexer.records.ids import GuildId
from indexer.records.pictures import PixelSpec
from indexer.store import picture_texts
from indexer.tags import Target
from sandbox.world import File
from sandbox.world.channels import Channel
from sandbox.world.messages import Message
from tests.worlds.asking import shown
from tests.worlds.running_bot import Running, Town, noise, town

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("browsing")]


@pytest.fixture(scope="module")
def place() -> Town:
    place = town(pictures=12, secrets=3)
    adult = place.guild.channel("adult", age_restricted=True)
    adult.post(place.member.user, "for adults", files=[noise(500)])
    place.talk.post(place.owner.user, "by the owner", files=[noise(501)])
    return place


def colours_of(file: File) -> bytes:
    return decode_picture(file.data, PixelSpec(64), Limits(10**8)).colours


def sorted_messages(channel: Channel) -> list[Message]:
    return sorted(channel.messages(), key=lambda message: message.id)


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


async def test_a_colour_filters_among_what_each_member_may_see(bot: Running, place: Town) -> None:
    public, hidden = (
        {message.id: colours_of(noise(first + at)) for at, message in enumerate(sorted_messages(channel))}
        for channel, first in ((place.pictures, 0), (place.secret, 1000))
    )
    for name in ("red", "green", "blue"):
        asked = parse(f"color:{name}", 0).colours[0]
        seen = [message_id for message_id, stored in public.items() if asked.share(stored) >= SHOWN / SAMPLES]
        more = [message_id for message_id, stored in hidden.items() if asked.share(stored) >= SHOWN / SAMPLES]
        assert 0 < len(seen) < len(public)
        options = {"text": f"color:{name} in:#pictures"}
        reply = await bot.person(place.member).slash(place.talk.id, "similar", options)
        assert shown(reply) == sorted(seen, reverse=True)[:5]
        options = {"text": f"color:{name} in:#secret"}
        assert shown(await bot.person(place.owner).slash(place.talk.id, "similar", options)) == sorted(more)[::-1][:5]
        assert shown(await bot.person(place.member).slash(place.talk.id, "similar", options)) == []


async def test_words_that_stand_in_pictures_are_found_by_who_may_see_them(bot: Running, place: Town) -> None:
    public, hidden = sorted_messages(place.pictures)[4], sorted_messages(place.secret)[1]
    async with bot.service.db.transaction() as tx:
        for message, text in ((public, "DEPARTURE Gate Zebra"), (hidden, "zebra crossing")):
            ((picture_id,),) = await tx.execute_fetchall(
                "SELECT picture_id FROM places WHERE message_id = ?", (message.id,)
            )
            await picture_texts.put(tx, picture_id, "ocr", text, 0.9)
    member, owner = bot.person(place.member), bot.person(place.owner)
    for text in ('"gate zebra"', "has:text"):
        assert shown(await member.slash(place.talk.id, "similar", {"text": text})) == [public.id]
    reply = await member.slash(place.talk.id, "similar", {"text": '"zebra"'})
    assert shown(reply) == [public.id]
    assert "words found in the picture" in reply.text()
    assert set(shown(await owner.slash(place.talk.id, "similar", {"text": "has:text"}))) == {public.id, hidden.id}
    without = await member.slash(place.talk.id, "similar", {"text": "in:#pictures -has:text"})
    assert "11 pictures pass" in without.text()


async def test_words_to_leave_out_alone_are_told_what_they_need(
    bot: Running, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = bot.person(place.member)
    for text in ("-dog", "-dog in:#pictures"):
        reply = await member.slash(place.talk.id, "similar", {"text": text})
        assert "need something to look for" in reply.text()
    monkeypatch.setattr(place.guild, "locale", "de")
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


async def test_what_was_pointed_at_is_not_called_given(bot: Running, place: Town) -> None:
    message = next(message for message in place.pictures.messages() if message.content == "picture number 3")
    reply = await bot.person(place.member).message_command(place.pictures.id, "Find similar", message.id)
    assert "Pictures like the one in that message" in reply.text()
