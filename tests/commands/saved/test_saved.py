"""/saved, end to end: a member's own searches, seen by nobody else, answered with what they may see now."""

from __future__ import annotations

import pytest

from bot.texts import Language, translate
from indexer.notices import saved_searches
from sandbox.members import Person
from sandbox.permissions import Permission
from tests.commands.saved.conftest import Newcomer
from tests.worlds.asking import shown, similar
from tests.worlds.running_bot import Running, Town, noise
from tests.worlds.waiting import until, until_equals

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("saved")]

NOTHING_ASKED = translate(Language.ENGLISH, "error-nothing-asked")[:20]


async def add(person: Person, channel_id: int, name: str, **asked: object) -> str:
    return (await person.slash(channel_id, "saved add", {"name": name, **asked})).text()


async def test_a_search_is_kept_asked_again_listed_and_removed_by_its_member_alone(
    bot: Running, place: Town, newcomer: Newcomer
) -> None:
    member, other, talk = newcomer(), newcomer(), place.talk.id
    added = await member.slash(talk, "saved add", {"name": "New  Pictures", "text": "in:#pictures"})
    assert added.ephemeral
    assert "new pictures" in added.text()
    assert await member.autocomplete(talk, "saved run", {"name": "PICT"}, "name") == [
        {"name": "new pictures", "value": "new pictures"}
    ]
    assert await member.autocomplete(talk, "saved remove", {"name": "x"}, "name") == []
    asked = await member.slash(talk, "saved run", {"name": "NEW pictures"})
    assert asked.ephemeral
    assert shown(asked) == shown(await member.slash(talk, "similar", {"text": "in:#pictures"}))
    assert len(shown(await member.press(asked, "Next"))) == 5
    listed = (await member.slash(talk, "saved list")).text()
    assert "1 search of 10" in listed
    assert "in\\:\\#pictures" in listed

    assert await other.autocomplete(talk, "saved run", {"name": ""}, "name") == []
    assert "have saved no search" in (await other.slash(talk, "saved list")).text()
    for command in ("saved run", "saved remove"):
        assert "no search named" in (await other.slash(talk, command, {"name": "new pictures"})).text()

    assert "removed" in (await member.slash(talk, "saved remove", {"name": "new pictures"})).text()
    assert "no search named" in (await member.slash(talk, "saved run", {"name": "new pictures"})).text()


async def test_a_picture_is_kept_without_its_file_and_finds_the_same_again(
    bot: Running, place: Town, newcomer: Newcomer
) -> None:
    member, talk = newcomer(), place.talk.id
    picture = noise(3)
    assert "Kept as" in await add(member, talk, "tiles", image=picture.data)
    assert "with a picture" in (await member.slash(talk, "saved list")).text()
    asked = await member.slash(talk, "saved run", {"name": "tiles"})
    assert shown(asked) == shown(await similar(member, talk, image=picture.data))
    assert "Same picture" in asked.sections()[0].texts[0]
    assert "Contact sheet" in [button.label for button in asked.buttons()]

    await add(member, talk, "both", image=picture.data, text="picture number 3")
    both = await member.slash(talk, "saved run", {"name": "both"})
    assert shown(both) == shown(await similar(member, talk, image=picture.data, text="picture number 3"))
    for stored in bot.data_dir.rglob("*"):
        assert not stored.is_file() or picture.data not in stored.read_bytes(), stored


async def test_after_a_change_of_the_model_the_picture_is_left_out_and_that_is_said(
    bot: Running, place: Town, newcomer: Newcomer
) -> None:
    member, talk = newcomer(), place.talk.id
    await add(member, talk, "alone", image=noise(3).data)
    await add(member, talk, "with words", image=noise(3).data, text="picture in:#pictures")
    async with bot.service.db.transaction() as tx:
        await tx.execute_fetchall(
            "INSERT INTO models (name, pretrained, dimension, fingerprint) VALUES ('newer', '', 8, '')"
        )
        await tx.execute_fetchall(
            "UPDATE saved_searches SET model_id = (SELECT model_id FROM models WHERE name = 'newer') WHERE user_id = ?",
            (member.member.id,),
        )
    alone = await member.slash(talk, "saved run", {"name": "alone"})
    assert "cannot be compared any more" in alone.text()
    words = await member.slash(talk, "saved run", {"name": "with words"})
    assert shown(words) == shown(await similar(member, talk, text="picture in:#pictures"))
    assert "its picture did not count here" in words.followups[-1].content


async def test_a_saved_search_shows_what_its_member_may_see_now(bot: Running, place: Town, newcomer: Newcomer) -> None:
    member, talk = newcomer(), place.talk.id
    lounge = place.guild.channel("lounge")
    lounge.post(place.owner.user, "in the lounge", files=[noise(77)])
    await until_equals(1, lambda: bot.count("SELECT count(*) FROM messages WHERE channel_id = ?", lounge.id))
    hidden = await add(member, talk, "hidden", text="in:#secret")
    unknown = await add(member, talk, "hidden", text="in:#nowhere")
    assert hidden.replace("secret", "nowhere") == unknown
    await add(member, talk, "lounge", text="from:ada")

    async def sees(count: int) -> bool:
        return len(shown(await member.slash(talk, "saved run", {"name": "lounge"}))) == count

    await until(lambda: sees(1))
    lounge.allow(place.guild.everyone, deny=Permission.VIEW_CHANNEL)
    await until(lambda: sees(0))


async def test_what_could_not_be_asked_is_not_kept(bot: Running, place: Town, newcomer: Newcomer) -> None:
    member = newcomer()
    for name, text, said in (
        ("a", "-dog", "need something to look for"),
        ("a", "has:unicorn", "it knows gif"),
        ("a", "count:5", NOTHING_ASKED),
        ("  ", "dog", "A name has 1 to 32 characters"),
        ("ß" * 20, "dog", "A name has 1 to 32 characters"),
    ):
        assert said in await add(member, place.talk.id, name, text=text)
    assert NOTHING_ASKED in await add(member, place.talk.id, "a")
    assert "have saved no search" in (await member.slash(place.talk.id, "saved list")).text()


async def test_there_is_a_most_for_each_member_and_each_server(
    bot: Running, place: Town, newcomer: Newcomer, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, other, talk = newcomer(), newcomer(), place.talk.id
    before = await bot.count("SELECT count(*) FROM saved_searches")
    monkeypatch.setattr(saved_searches, "MOST_A_MEMBER", 2)
    monkeypatch.setattr(saved_searches, "MOST_A_SERVER", before + 3)
    for name in ("a", "b", "a"):  # the same name again takes the place of the first
        assert "Kept as" in await add(member, talk, name, text="dog")
    assert "You have saved 2 searches" in await add(member, talk, "c", text="dog")
    assert "Kept as" in await add(other, talk, "a", text="dog")
    assert f"have saved {before + 3} searches" in await add(other, talk, "b", text="dog")
