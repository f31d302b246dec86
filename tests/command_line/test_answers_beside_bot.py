"""What a running bot answers over its socket where its server or its model is not as usual."""

from __future__ import annotations

import base64
from pathlib import Path

from bot.app import operations
from bot.control.client import ask
from bot.control.search import WAKING
from bot.control.server import open_control
from sandbox.world import File
from tests.worlds.answering_bot import answering
from tests.worlds.encoder import Encoder
from tests.worlds.running_bot import indexed, noise, town


async def test_small_copies_come_from_what_the_messages_show_now_and_spoilers_have_none(tmp_path: Path) -> None:
    async with answering(tmp_path) as (bot, place):
        place.pictures.post(place.member.user, "hidden", files=[File.of("SPOILER_a.png", noise(77).data)])
        await bot.embedded(9)
        asked = {"words": "in:#pictures", "pictures": True, "count": 20}
        hits = (await ask(tmp_path / "data", "search", asked, print))["hits"]
        assert [bool(hit["picture"]) for hit in hits] == ["spoiler" not in hit["kinds"] for hit in hits]
        assert sum("spoiler" in hit["kinds"] for hit in hits) == 1
        assert base64.b64decode(hits[-1]["picture"])[8:12] == b"WEBP"


async def test_where_the_model_is_not_loaded_the_command_hears_it(tmp_path: Path) -> None:
    encoder, told = Encoder(), list[str]()
    async with answering(tmp_path, encoder):
        encoder.awake = False
        await ask(tmp_path / "data", "search", {"words": "number"}, told.append)
        assert told == [WAKING]
        await ask(tmp_path / "data", "search", {"words": "in:#pictures"}, told.append)  # needs no model
        assert told == [WAKING]


async def test_a_long_answer_passes_whole(tmp_path: Path) -> None:
    place = town(pictures=0)
    for number in range(50):
        file = File.of("picture.png", noise(number).data, description="\N{SNOWMAN}" * 1000)
        place.pictures.post(place.member.user, "\N{SNOWMAN}" * 2000, files=[file])
    async with (
        indexed(place, tmp_path / "data") as bot,
        open_control(tmp_path / "data", operations(bot.client._config, bot.service), 5.0),
    ):
        found = await ask(tmp_path / "data", "search", {"words": "in:#pictures", "count": 50}, print)
        assert len(found["hits"]) == 50
