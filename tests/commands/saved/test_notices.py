"""Members are told of new pictures that fit their saved searches: each once, and never of what they may not see."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import discord
import pytest
import pytest_asyncio

from bot.config.tables import Config
from bot.notices import rounds, saved_notices
from indexer.errors import RetryLater
from indexer.notices.saved_notices import SavedNotices
from indexer.store import picture_texts
from sandbox.members import Person
from sandbox.permissions import Permission
from sandbox.world import Channel, File, Message, User
from tests.commands.saved.conftest import Newcomer
from tests.worlds.running_bot import Running, Town, indexed, noise, with_auto_start
from tests.worlds.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("saved notices")]


def without_pauses(config: Config) -> Config:
    return replace(with_auto_start(config), limits=replace(config.limits, notice_minutes=0))


@pytest.fixture(scope="module", autouse=True)
def by_hand() -> Iterator[None]:
    """The bot looks for what is new once, at its start. A test says when it does so again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "LOOK_S", 86_400.0)
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(place: Town, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with indexed(place, tmp_path_factory.mktemp("told") / "data", change=without_pauses) as running:
        yield running


async def saves(person: Person, asked_in: Channel, **asked: object) -> None:
    reply = await person.slash(asked_in.id, "saved add", {"name": "mine", "notify": True, **asked})
    assert "I tell you by direct message" in reply.text()


async def posted(
    bot: Running, channel: Channel, author: User, text: str, file: File, at_ms: int | None = None
) -> Message:
    """A message whose picture can be searched."""
    message = channel.post(author, text, files=[file], at_ms=at_ms)

    async def searchable() -> bool:
        return await bot.count("SELECT count(*) FROM places WHERE state = 'ready' AND message_id = ?", message.id) == 1

    await until(searchable)
    return message


async def told(bot: Running, person: Person) -> list[set[int]]:
    """After a round: the messages that each notice to this member links to, newest notice first."""
    assert await bot.client.saved_notices.round()
    return [links(text) for text in person.direct_messages()]


def links(text: str) -> set[int]:
    return {int(found) for found in re.findall(r"/channels/\d+/\d+/(\d+)", text)}


async def test_a_member_is_told_of_what_fits_and_of_nothing_else(
    bot: Running, place: Town, newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = newcomer()
    asked_for: list[int] = []
    get = bot.client.saved_notices._members.get

    async def counted(guild: discord.Guild, user_id: int) -> discord.Member | None:
        asked_for.append(user_id)
        return await get(guild, user_id)

    monkeypatch.setattr(bot.client.saved_notices._members, "get", counted)
    await saves(member, place.talk, image=noise(300).data)
    await posted(bot, place.pictures, place.owner.user, "another picture", noise(301))
    await posted(bot, place.pictures, member.member.user, "my own", noise(300))
    assert await told(bot, member) == []
    again = await posted(bot, place.pictures, place.owner.user, "the same picture", noise(300))
    assert await told(bot, member) == [{again.id}]
    (text,) = member.direct_messages()
    assert text.startswith("A new picture fits your saved search **mine** in **Town**:")
    assert "/saved remove" in text
    assert await told(bot, member) == [{again.id}], "told twice"
    # Discord is asked for the member at the first look, which makes the gate; for what passes it; and for the notice.
    assert asked_for.count(member.member.id) == 3
    await posted(bot, place.pictures, place.owner.user, "another picture", noise(302))
    await told(bot, member)
    assert asked_for.count(member.member.id) == 3, "asked for a member whose gate was closed"


async def test_words_tell_of_messages_that_say_all_of_them_and_filters_of_all_inside(
    bot: Running, place: Town, newcomer: Newcomer
) -> None:
    words, filters = newcomer(), newcomer()
    await saves(words, place.talk, text="lighthouse keeper")
    await saves(filters, place.talk, text="in:#talk")
    await posted(bot, place.talk, place.owner.user, "a lighthouse", noise(310))
    both = await posted(bot, place.talk, place.owner.user, "The Keeper of the lighthouse", noise(311))
    await posted(bot, place.pictures, place.owner.user, "elsewhere", noise(312))
    found = await told(bot, filters)
    assert len(found) == 1
    assert both.id in found[0]
    assert len(found[0]) == 2
    assert both.id in set().union(*map(links, words.direct_messages()))
    await words.slash(place.talk.id, "saved remove", {"name": "mine"})
    await filters.slash(place.talk.id, "saved remove", {"name": "mine"})


async def is_read(bot: Running, message: Message, words: str) -> None:
    """These words are read in the message's picture."""
    async with bot.service.db.transaction() as tx:
        ((picture_id,),) = await tx.execute_fetchall(
            "SELECT picture_id FROM places WHERE message_id = ?", (message.id,)
        )
        assert await picture_texts.put(tx, picture_id, "ocr", words, 0.9)


async def test_words_that_are_read_in_a_picture_later_are_told_once_to_those_who_see_it(
    bot: Running, place: Town, newcomer: Newcomer
) -> None:
    words, screenshots, alike = newcomer(), newcomer(), newcomer()
    await saves(words, place.talk, text="boarding zebra has:text")
    await saves(screenshots, place.talk, text="has:text in:#pictures")
    await saves(alike, place.talk, image=noise(315).data)
    hidden = await posted(bot, place.secret, place.owner.user, "hidden", noise(314))
    shown = await posted(bot, place.pictures, place.owner.user, "before boarding", noise(315))
    assert await told(bot, words) == []
    assert await told(bot, screenshots) == []
    assert await told(bot, alike) == [{shown.id}]
    await is_read(bot, hidden, "boarding zebra")
    await is_read(bot, shown, "Gate of the ZEBRA")
    assert await told(bot, words) == [{shown.id}], "the message says one word, its picture the other"
    assert await told(bot, screenshots) == [{shown.id}]
    assert await told(bot, alike) == [{shown.id}], "told twice of one picture"
    async with bot.service.db.transaction() as tx:  # other models read it anew
        await tx.execute_fetchall("DELETE FROM picture_texts")
    await is_read(bot, shown, "Gate of the ZEBRA")
    assert await told(bot, words) == [{shown.id}]
    for member in (words, screenshots, alike):
        await member.slash(place.talk.id, "saved remove", {"name": "mine"})
    assert await bot.count("SELECT count(*) FROM saved_told WHERE place_id IN (SELECT place_id FROM places"
                           " WHERE message_id = ?)", shown.id) == 0  # fmt: skip


async def test_nobody_is_told_of_what_they_may_not_see_when_it_is_matched_or_when_it_is_sent(
    bot: Running, place: Town, newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, owner = newcomer(), bot.person(place.owner)
    attic = place.guild.channel("attic")
    for person in (member, owner):
        await saves(person, place.talk, image=noise(320).data)
    await posted(bot, place.secret, place.member.user, "hidden", noise(320))
    shown = await posted(bot, attic, place.member.user, "to be hidden", noise(320))
    monkeypatch.setattr(bot.client.saved_notices, "pause_ms", 86_400_000)
    with monkeypatch.context() as patch:
        patch.setattr(SavedNotices, "due", _nobody)
        assert await bot.client.saved_notices.round()
    assert (
        await bot.count(
            "SELECT count(*) FROM saved_matches WHERE place_id IN (SELECT place_id FROM places WHERE message_id = ?)",
            shown.id,
        )
        == 2
    )
    attic.allow(place.guild.everyone, deny=Permission.VIEW_CHANNEL)
    await until(lambda: hidden(bot, attic))
    assert await told(bot, member) == []
    assert await bot.count("SELECT count(*) FROM saved_matches") == 0
    await owner.slash(place.talk.id, "saved remove", {"name": "mine"})


def hidden(bot: Running, channel: Channel) -> bool:
    """Whether the bot knows that not everybody sees the channel."""
    known = bot.client.get_channel(channel.id)
    assert isinstance(known, discord.TextChannel)
    return not known.permissions_for(known.guild.default_role).view_channel


async def _nobody(*_: object) -> list[int]:
    return []


async def test_who_takes_no_direct_messages_is_mentioned_where_they_chose_with_what_all_there_may_see(
    bot: Running, place: Town, newcomer: Newcomer
) -> None:
    member, silent = newcomer(), newcomer()
    staff = place.guild.role("staff")
    seen = Permission.VIEW_CHANNEL
    closed_to_most = [place.guild.everyone.overwrite(deny=seen), staff.overwrite(allow=seen)]
    board = place.guild.channel("board", overwrites=closed_to_most)
    board.allow(place.guild.me, allow=Permission.VIEW_CHANNEL)
    member.member.update(roles=[staff])
    for person, channel in ((member, {"channel": place.talk.id}), (silent, {})):
        place.world.closed_to_messages.add(person.member.id)
        await saves(person, place.talk, image=noise(330).data, **channel)
    mute = place.guild.channel("mute", overwrites=[place.guild.everyone.overwrite(deny=Permission.SEND_MESSAGES)])
    closed = await member.slash(place.talk.id, "saved add", {"name": "no", "text": "dog", "channel": mute.id})
    assert "you, or I, may not post there" in closed.text()
    before = len(list(place.talk.messages()))
    kept = await posted(bot, board, place.owner.user, "not for all", noise(330))
    assert await told(bot, member) == []
    assert len(list(place.talk.messages())) == before
    shown = await posted(bot, place.pictures, place.owner.user, "@everyone look", noise(330))
    assert await told(bot, member) == []
    (notice,) = place.talk.page(len(list(place.talk.messages())) - before)
    assert links(notice.content) == {shown.id}
    assert str(kept.id) not in notice.content
    assert "mine" not in notice.content
    assert notice.mentions == {"users": [member.member.id], "roles": [], "everyone": False}
    assert await bot.count("SELECT count(*) FROM saved_matches") == 0


async def test_what_is_new_within_the_pause_comes_in_one_notice_after_it(
    bot: Running, place: Town, newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = newcomer()
    await saves(member, place.talk, image=noise(340).data)
    first = await posted(bot, place.pictures, place.owner.user, "first", noise(340))
    assert await told(bot, member) == [{first.id}]
    monkeypatch.setattr(bot.client.saved_notices, "pause_ms", 3_600_000)
    later = {(await posted(bot, place.pictures, place.owner.user, f"later {n}", noise(340))).id for n in range(12)}
    assert await told(bot, member) == [{first.id}]
    monkeypatch.setattr(bot.client.saved_notices, "pause_ms", 0)
    newest, _ = await told(bot, member)
    assert newest < later
    assert len(newest) == saved_notices.LINKS
    assert "12 new pictures fit" in member.direct_messages()[0]
    assert "and 2 more" in member.direct_messages()[0]


async def test_old_pictures_that_are_read_late_tell_nothing(bot: Running, place: Town, newcomer: Newcomer) -> None:
    member = newcomer()
    await saves(member, place.talk, image=noise(350).data)
    old_ms = place.world.clock.now_ms() - 86_400_000
    await posted(bot, place.pictures, place.owner.user, "read late", noise(350), at_ms=old_ms)
    assert await bot.count("SELECT count(*) FROM new_pictures") == 0
    assert await told(bot, member) == []


async def test_a_notice_that_was_sent_and_not_recorded_is_not_sent_again(
    bot: Running, place: Town, newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    member = newcomer()
    await saves(member, place.talk, image=noise(360).data)
    shown = await posted(bot, place.pictures, place.owner.user, "once", noise(360))

    async def lost(*_: object, **__: object) -> None:
        raise RetryLater("the database is busy")

    with monkeypatch.context() as patch:
        patch.setattr(SavedNotices, "told", lost)
        assert not await bot.client.saved_notices.round()
    assert [links(text) for text in member.direct_messages()] == [{shown.id}]
    later = await posted(bot, place.pictures, place.owner.user, "meanwhile", noise(360))
    assert await told(bot, member) == [{shown.id}]
    assert await told(bot, member) == [{later.id}, {shown.id}]


async def test_what_a_member_saved_goes_when_they_have_left(bot: Running, place: Town, newcomer: Newcomer) -> None:
    member = newcomer()
    await saves(member, place.talk, image=noise(370).data)
    member.member.leave()
    await posted(bot, place.pictures, place.owner.user, "gone", noise(370))
    assert await bot.client.saved_notices.round()
    assert await bot.count("SELECT count(*) FROM saved_searches WHERE user_id = ?", member.member.id) == 0
