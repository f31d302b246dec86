"""/duplicates and /random, asked through a sandbox by members of every standing."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tests.worlds.asking import channels_of
from tests.worlds.running_bot import Running, Town, noise, town
from tests.worlds.waiting import DEADLINE_S

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("duplicates_and_random")]


@pytest.fixture(scope="module")
def place() -> Town:
    """Picture 0 was posted three times in public and once in secret; pictures 1 to 6 twice each; the rest once."""
    place = town(pictures=9, secrets=2)
    place.secret.post(place.owner.user, "in secret", files=[noise(0)])
    for number in (0, 0, 1, 2, 3, 4, 5, 6):
        place.talk.post(place.owner.user, f"again {number}", files=[noise(number)])
    return place


async def test_duplicates_are_groups_led_by_the_first_post(bot: Running, place: Town) -> None:
    reply = await bot.person(place.member).slash(place.talk.id, "duplicates")
    assert reply.ephemeral
    assert "**1 · 3 times** (100 % sure)" in reply.text()
    first = next(m for m in place.pictures.messages() if m.content == "picture number 0")
    assert reply.sections()[0].jumps()[0].message_id == first.id
    assert place.secret.id not in channels_of(reply)
    assert "9 pictures compared" in reply.text()
    owner = await bot.person(place.owner).slash(place.talk.id, "duplicates")
    assert "**1 · 4 times**" in owner.text()
    assert place.secret.id in channels_of(owner)


async def test_duplicates_of_a_channel_a_span_and_a_threshold(bot: Running, place: Town) -> None:
    asker = bot.person(place.member)
    only = await asker.slash(place.talk.id, "duplicates", {"channel": place.talk.id})
    assert "**1 · 2 times**" in only.text()
    assert channels_of(only) == {place.talk.id}
    past = await asker.slash(place.talk.id, "duplicates", {"before": "2016"})
    assert "No picture here was posted again that I would be 95 % sure of" in past.text()
    sure = await asker.slash(place.talk.id, "duplicates", {"threshold": 1.0})
    assert "100 % or surer" in sure.text()
    hidden = await asker.slash(place.talk.id, "duplicates", {"after": "someday"})
    assert "is not a date" in hidden.text()


async def test_a_random_picture_is_one_that_the_member_may_see(bot: Running, place: Town) -> None:
    asker = bot.person(place.member)
    reply = await asker.slash(place.talk.id, "random")
    seen = set()
    for _ in range(12):
        (jump,) = reply.jump_links()
        seen.add(jump.message_id)
        assert jump.channel_id in (place.pictures.id, place.talk.id)
        await asker.press(reply, "Another")
    assert len(seen) > 2


async def test_more_like_a_random_picture(bot: Running, place: Town) -> None:
    asker = bot.person(place.member)
    reply = await asker.slash(place.talk.id, "random", {"channel": place.pictures.id})
    more = await asker.press(reply, "More like this")
    assert more.ephemeral
    assert "Pictures like the one you chose" in more.text()


async def test_random_without_anything_to_show_says_so(bot: Running, place: Town) -> None:
    reply = await bot.person(place.member).slash(place.talk.id, "random", {"before": "2016"})
    assert "no indexed picture that you may see" in reply.text()


async def test_six_at_once_by_one_member_leave_a_strangers_question_alone(bot: Running, place: Town) -> None:
    begun, release = threading.Event(), threading.Event()

    def blocking(stop: threading.Event) -> None:
        begun.set()
        release.wait(DEADLINE_S)

    async def hold() -> None:  # somebody else's comparison, which has not ended
        async with bot.service.long_work.turn(place.owner.id):
            await bot.service.long_work.run(blocking)

    holding = asyncio.create_task(hold())
    await asyncio.to_thread(begun.wait, DEADLINE_S)
    member = bot.person(place.member)
    asked = [asyncio.create_task(member.slash(place.talk.id, "duplicates")) for _ in range(6)]
    refused = 0
    for answered in asyncio.as_completed(asked):
        if "still comparing" in (await answered).text():
            refused += 1
        if refused == 5:
            break
    answer = await bot.person(place.owner).slash(place.talk.id, "similar", {"image": noise(3).data})
    assert "Same picture" in answer.text()
    assert not release.is_set()
    release.set()
    await holding
    replies = await asyncio.gather(*asked)
    assert len([reply for reply in replies if "3 times" in reply.text()]) == 1


async def test_a_page_turn_compares_nothing_again(bot: Running, place: Town) -> None:
    asker = bot.person(place.member)
    reply = await asker.slash(place.talk.id, "duplicates")
    async with bot.service.long_work.turn(place.owner.id):  # nobody can compare now
        assert "page 2 of 2" in (await asker.press(reply, "Next")).text()
        assert "page 1 of 2" in (await asker.press(reply, "Previous")).text()
