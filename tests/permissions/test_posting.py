"""Share here, as members who may and may not post: what the bot posts for a member, the member could have posted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.members import Person
from sandbox.permissions import Permission
from sandbox.reply import Reply
from sandbox.world import Channel, Message
from tests.worlds.running_bot import Running, Town, indexed, noise, town
from tests.worlds.waiting import until


@pytest.fixture
def place() -> Town:
    return town(pictures=12, secrets=0)


@pytest.fixture
async def bot(place: Town, tmp_path: Path) -> AsyncIterator[Running]:
    async with indexed(place, tmp_path / "data") as running:
        yield running


def shared(bot: Running, channel: Channel) -> list[Message]:
    """What the bot has posted in the channel."""
    return [
        message for message in channel.messages() if message.author == bot.sandbox.world.bot and not message.ephemeral
    ]


async def one_shared(bot: Running, channel: Channel) -> Message:
    """The only thing that the bot posted in the channel; waits until it is there."""
    await until(lambda: shared(bot, channel))
    (posted,) = shared(bot, channel)
    return posted


async def find(person: Person, channel: Channel, **options: object) -> Reply:
    return await person.slash(channel.id, "similar", {"text": "picture number min:-1 count:12", **options})


@pytest.mark.parametrize(
    ("denied", "missing"),
    [
        (Permission.SEND_MESSAGES, "Send Messages"),
        (Permission.ATTACH_FILES, "Attach Files"),
        (Permission.EMBED_LINKS, "Embed Links"),
    ],
)
async def test_who_may_not_post_such_a_message_here_cannot_have_the_bot_post_it(
    bot: Running, place: Town, denied: Permission, missing: str
) -> None:
    member = bot.person(place.member)
    reply = await find(member, place.talk)  # while it was still allowed
    place.talk.allow(place.member, deny=denied)
    pressed = await member.press(reply, "Share here")
    assert "Nothing was shared" in pressed.text()
    assert missing in pressed.text()
    asked = await find(member, place.talk, share=True)
    assert missing in asked.text()
    place.guild.locale = "de"
    assert "Nichts wurde geteilt" in (await find(member, place.talk, share=True)).text()
    assert shared(bot, place.talk) == []
    place.guild.locale = "en-GB"
    assert "Shared below" in (await find(bot.person(place.owner), place.talk, share=True)).text()
    await one_shared(bot, place.talk)


async def test_a_member_in_time_out_shares_nothing_and_turns_no_shared_page(bot: Running, place: Town) -> None:
    member = bot.person(place.member)
    reply = await find(member, place.talk)
    await member.press(reply, "Share here")
    posted = await one_shared(bot, place.talk)
    before = str(posted.components)
    place.member.update(timed_out_until_ms=place.world.clock.now_ms() + 3_600_000)
    assert "time-out" in (await member.press(reply, "Share here")).text()
    assert "time-out" in (await member.press(posted, "Next")).text()
    assert len(shared(bot, place.talk)) == 1
    assert str(posted.components) == before


async def test_in_a_thread_the_permission_to_send_in_threads_counts(bot: Running, place: Town) -> None:
    thread = place.talk.thread("aside", place.owner.user)
    member = bot.person(place.member)
    assert "Shared below" in (await find(member, thread, share=True)).text()
    place.talk.allow(place.member, deny=Permission.SEND_MESSAGES_IN_THREADS)
    refused = await find(member, thread, share=True)
    assert "Send Messages in Threads" in refused.text()
    await one_shared(bot, thread)
    assert "Shared below" in (await find(member, place.talk, share=True)).text()


async def test_in_a_locked_thread_only_those_share_who_manage_threads(bot: Running, place: Town) -> None:
    thread = place.talk.thread("closed", place.owner.user)
    thread.locked = True
    thread.update()

    async def locked() -> bool:
        known = bot.client.get_channel(thread.id)
        return bool(known is not None and getattr(known, "locked", False))

    await until(locked)
    assert "locked" in (await find(bot.person(place.member), thread, share=True)).text()
    assert "Shared below" in (await find(bot.person(place.owner), thread, share=True)).text()


async def test_where_the_bot_may_not_send_it_says_what_it_needs(bot: Running, place: Town) -> None:
    place.talk.allow(place.guild.me, deny=Permission.SEND_MESSAGES)
    refused = await find(bot.person(place.owner), place.talk, share=True)
    assert "I need Send Messages here" in refused.text()
    assert shared(bot, place.talk) == []


async def test_the_words_in_a_shared_heading_stand_as_the_members_and_mean_nothing(bot: Running, place: Town) -> None:
    member = bot.person(place.member)
    trick = "picture number **free** [nitro](https://evil.example) @everyone min:-1"
    reply = await member.slash(place.talk.id, "similar", {"text": trick, "share": True})
    assert "Shared below" in reply.text()
    posted = await one_shared(bot, place.talk)
    heading = posted.components[0]["components"][0]["content"]
    assert heading.startswith(f"### <@{place.member.id}> asked: ")
    assert "https://evil" not in heading
    assert "**free**" not in heading
    assert "@everyone" not in heading.replace("\\@", "")
    assert not any(posted.mentions.values())


async def test_a_reply_for_the_asker_alone_says_nothing_of_who_asked(bot: Running, place: Town) -> None:
    reply = await bot.person(place.member).slash(place.talk.id, "similar", {"image": noise(3).data})
    assert "asked:" not in reply.text()
