"""What is suggested while a question is typed, and the user command Pictures by …, for members of every standing."""

from __future__ import annotations

import json

import pytest

from bot.commands import autocomplete
from bot.commands.autocomplete import CHARACTERS, MOST
from indexer.records.ids import GuildId, PlaceId, UserId
from sandbox.members import Person
from sandbox.reply import Reply
from tests.worlds.asking import shown
from tests.worlds.running_bot import Running, Town, noise, town

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("autocomplete")]


@pytest.fixture(scope="module")
def place() -> Town:
    place = town(pictures=3, secrets=2)
    carla, dora, eve, finn = (
        place.guild.join(place.world.user(name.lower().split()[0], name))
        for name in ("Carla Brown", "Dora", "Eve", "Finn")
    )
    unseen = place.guild.join(place.world.user("unseen", "Fi\u202enn"))
    place.talk.post(unseen.user, "by a name that turns around", files=[noise(505)])
    place.talk.post(carla.user, "by carla", files=[noise(500)])
    place.secret.post(dora.user, "by dora", files=[noise(501)])
    place.talk.post(eve.user, "by eve", files=[noise(502)])
    place.talk.thread("old pictures", carla.user).post(finn.user, "by finn", files=[noise(503)])
    place.talk.thread("our secrets", place.owner.user, private=True).post(dora.user, "hidden", files=[noise(504)])
    for number in range(30):
        place.guild.channel(f"room-{number}")
    return place


def named(place: Town, name: str) -> UserId:
    return UserId(next(user.id for user in place.world.users.values() if user.display_name == name))


async def suggested(person: Person, place: Town, text: str) -> list[str]:
    choices = await person.autocomplete(place.talk.id, "similar", {"text": text}, "text")
    assert all(choice["name"] == choice["value"] and len(choice["name"]) <= CHARACTERS for choice in choices)
    assert len(choices) <= MOST
    return [choice["value"] for choice in choices]


async def test_authors_are_those_whose_messages_the_member_may_see(bot: Running, place: Town) -> None:
    member, owner = bot.person(place.member), bot.person(place.owner)
    shown_to_member = await suggested(member, place, "from:")
    # Eve opts out in another test.
    assert [text for text in shown_to_member if text != "from:@Eve"] == [
        *("from:me", "from:@Bo", 'from:"@Carla Brown"', "from:@Finn")
    ]
    assert {"from:@Ada", "from:@Dora"} < {*await suggested(owner, place, "from:")}
    assert await suggested(member, place, "cat -dog from:@d") == []
    assert await suggested(owner, place, "cat -dog from:@d") == ["cat -dog from:@Dora"]
    assert await suggested(member, place, 'from:"brow') == ['from:"@Carla Brown"']


async def test_a_name_that_would_turn_the_text_around_is_not_suggested(bot: Running, place: Town) -> None:
    assert await bot.count("SELECT count(*) FROM users WHERE name LIKE 'Fi%nn'") == 2
    assert await suggested(bot.person(place.owner), place, "from:fi") == ["from:@Finn"]


async def test_channels_are_those_that_the_member_may_read(bot: Running, place: Town) -> None:
    member, owner = bot.person(place.member), bot.person(place.owner)
    assert await suggested(member, place, "cat in:#pic") == ["cat in:#pictures", 'cat in:"#old pictures"']
    assert await suggested(member, place, "-in:s") == []
    assert await suggested(owner, place, "-in:s") == ["-in:#secret", '-in:"#our secrets"']
    assert len(await suggested(member, place, "in:")) == MOST
    saving = await member.autocomplete(place.talk.id, "saved add", {"name": "mine", "text": "in:#pic"}, "text")
    assert [choice["value"] for choice in saving] == ["in:#pictures", 'in:"#old pictures"']


async def test_a_suggestion_can_be_sent_as_it_is(bot: Running, place: Town) -> None:
    member = bot.person(place.member)
    (text,) = await suggested(member, place, "from:carla")
    reply = await member.slash(place.talk.id, "similar", {"text": text})
    assert "1 picture passes" in reply.text()


async def test_filters_colours_and_properties_are_completed_and_tags_are_shown_to_nobody(
    bot: Running, place: Town
) -> None:
    member = bot.person(place.member)
    assert await suggested(member, place, "cat co") == ["cat co", "cat color:", "cat count:"]
    assert await suggested(member, place, "color:tur") == ["color:turquoise"]
    assert await suggested(member, place, "-has:st") == ["-has:sticker"]
    await bot.service.tags.change(GuildId(place.guild.id), await _every_place(bot), add=["evidence"])
    assert await suggested(member, place, "tag:") == await suggested(member, place, "tag:ev") == []


async def _every_place(bot: Running) -> list[PlaceId]:
    async with bot.service.db.reader() as connection:
        return [PlaceId(place_id) for (place_id,) in await connection.execute_fetchall("SELECT place_id FROM places")]


async def test_what_discord_has_no_room_for_is_not_suggested(bot: Running, place: Town) -> None:
    member = bot.person(place.member)
    before = "cat " * 22
    assert await suggested(member, place, f"{before}from:m") == [f"{before}from:me"]
    assert await suggested(member, place, f"{before}in:#old") == []  # it would be longer than a choice may be
    assert await suggested(member, place, "cat " * 30) == []


async def test_suggestions_that_would_come_too_late_are_left_out(
    bot: Running, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autocomplete, "ANSWER_S", 0.05)
    member, db = bot.person(place.member), bot.service.db
    async with db.reader(), db.reader(), db.reader(), db.reader():
        assert await suggested(member, place, "from:") == []
    monkeypatch.undo()
    assert await suggested(member, place, "from:bo") == ["from:@Bo"]


async def pictures_by(person: Person, place: Town, user: UserId) -> Reply:
    return await person.user_command(place.talk.id, "Pictures by …", user)


async def test_pictures_by_a_member_are_those_that_the_asker_may_see(bot: Running, place: Town) -> None:
    member, owner = bot.person(place.member), bot.person(place.owner)
    reply = await pictures_by(member, place, UserId(place.member.id))
    assert reply.ephemeral
    assert f"The newest pictures by <@{place.member.id}>" in reply.text()
    assert shown(reply) == sorted((message.id for message in place.pictures.messages()), reverse=True)
    dora = named(place, "Dora")
    assert len(shown(await pictures_by(owner, place, dora))) == 2
    assert f"no indexed picture by <@{dora}> that you may see" in (await pictures_by(member, place, dora)).text()


async def test_who_opted_out_gets_the_answer_of_who_never_posted(bot: Running, place: Town) -> None:
    member, eve = bot.person(place.member), named(place, "Eve")
    nobody = place.guild.join(place.world.user("nobody", "Nobody"))
    assert len(shown(await pictures_by(member, place, eve))) == 1
    await bot.service.forget_user(eve, GuildId(place.guild.id))
    answers = [
        json.dumps((await pictures_by(member, place, user)).components).replace(str(user), "them")
        for user in (eve, UserId(nobody.id))
    ]
    assert answers[0] == answers[1]
    assert "from:@Eve" not in await suggested(member, place, "from:")


async def test_the_command_has_a_german_name(bot: Running) -> None:
    named = {command["name"]: command for command in bot.sandbox.api.commands[None]}
    assert named["Pictures by …"]["name_localizations"] == {"de": "Bilder von …"}
    assert named["Pictures by …"]["type"] == 2
