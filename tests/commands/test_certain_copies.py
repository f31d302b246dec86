"""/duplicates says what is certain: posted pictures are compared by their pixels before anybody asks."""

from __future__ import annotations

from random import Random

import pytest
from PIL import Image

from sandbox.drawing import edits
from sandbox.world import File
from tests.worlds.asking import channels_of
from tests.worlds.running_bot import Running, Town, town
from tests.worlds.scenery import png, scenery

ORIGINAL, LOOK_ALIKE = scenery(3), scenery(3, moved=0.05)


def file(name: str, image: Image.Image) -> File:
    return File.of(f"{name}.png", png(image))


@pytest.fixture
def place() -> Town:
    place = town(pictures=20, secrets=0)
    place.pictures.post(place.owner.user, "the first", files=[file("original", ORIGINAL)])
    place.pictures.post(place.owner.user, "the same things elsewhere", files=[file("alike", LOOK_ALIKE)])
    place.secret.post(place.owner.user, "hidden", files=[file("most", edits.crop(ORIGINAL, 0.94, Random(3)))])
    place.talk.post(place.member.user, "a part of it", files=[file("part", edits.crop(ORIGINAL, 0.9, Random(3)))])
    return place


async def test_a_certain_copy_is_named_with_what_was_done_and_a_look_alike_is_no_repost(
    bot: Running, place: Town
) -> None:
    asker, owner = bot.person(place.member), bot.person(place.owner)
    before = await asker.slash(place.talk.id, "duplicates", {"threshold": 0.5})
    assert "likely a copy" in before.text()
    await bot.service.pairs.round()
    after = await asker.slash(place.talk.id, "duplicates")
    assert "**1 · 2 times** (99 % sure)" in after.text()
    assert "(cropped to 82 %)" in after.text()
    assert "likely" not in after.text()
    assert "88 %" not in after.text()
    assert place.secret.id not in channels_of(after)
    everything = await owner.slash(place.talk.id, "duplicates")
    assert "**1 · 3 times** (99 % sure)" in everything.text()
    assert "(cropped to 88 %)" in everything.text()
