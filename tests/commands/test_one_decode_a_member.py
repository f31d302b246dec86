"""Whatever a member causes to be opened is opened in that member's turn: one picture at a time."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from bot.commands import hit_pictures, thumbnails
from bot.config.tables import Config
from indexer.records.ids import UserId
from sandbox.members import Person
from sandbox.reply import Reply
from tests.worlds.running_bot import Town, running, town, with_auto_start

SOON_S = 0.5  # seconds in which nothing is opened that waits for a turn


def uploading(config: Config) -> Config:
    return with_auto_start(replace(config, discord=replace(config.discord, thumbnails="uploaded")))


async def asked(who: Person, place: Town) -> Reply:
    return await who.slash(place.talk.id, "similar", {"text": "picture min:-1", "count": 7})


async def has_sheet(who: Person, place: Town) -> bool:
    """Whether the contact sheet of an answer shows pictures: empty boxes and words are grey."""
    sheet = await who.press(await asked(who, place), "Contact sheet")
    (attachment,) = sheet.message.attachments
    with Image.open(io.BytesIO(attachment.file.data)) as image:
        saturation = np.asarray(image.convert("HSV").getchannel("S"))
    return bool(saturation.max() > 128)


async def has_copies(who: Person, place: Town) -> bool:
    """Whether an answer has copies of its pictures: of all five or of none."""
    copies = (await asked(who, place)).files()
    assert len(copies) in (0, 5)
    return bool(copies)


@pytest.mark.parametrize(
    ("configured", "has_pictures", "room", "deadline"),
    [
        pytest.param(with_auto_start, has_sheet, hit_pictures, "FETCH_S", id="contact sheet"),
        pytest.param(uploading, has_copies, thumbnails, "UPLOADED_S", id="copies"),
    ],
)
async def test_pictures_of_a_reply_are_opened_in_the_members_turn(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    configured: Callable[[Config], Config],
    has_pictures: Callable[[Person, Town], Awaitable[bool]],
    room: ModuleType,
    deadline: str,
) -> None:
    place = town()
    async with running(place.world, tmp_path, configured) as bot:
        await bot.indexed(place.guild)
        member, owner = bot.person(place.member), bot.person(place.owner)
        assert await has_pictures(member, place)
        async with bot.service.decoder.turn_of(UserId(place.member.id)):  # another picture of theirs is in hand
            assert await has_pictures(owner, place)
            monkeypatch.setattr(room, deadline, SOON_S)
            assert not await has_pictures(member, place)
