"""What members saved, after a restart: still theirs, told of what came meanwhile, and forgotten to the byte."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.config.tables import Config
from bot.notices import rounds
from indexer.records.ids import GuildId
from sandbox.server import open_sandbox
from tests.worlds.running_bot import indexed, noise, town, with_auto_start
from tests.worlds.waiting import until


def without_pauses(config: Config) -> Config:
    return replace(with_auto_start(config), limits=replace(config.limits, notice_minutes=0))


async def test_saved_searches_survive_a_restart_tell_of_what_came_meanwhile_and_leave_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "LOOK_S", 86_400.0)  # the test says when the bot looks for what is new
    secret, place = "zirkuszelt am kanal", town(pictures=1, secrets=0, others=1)
    asked = {"name": "tent", "text": secret, "image": noise(3).data, "notify": True}
    async with open_sandbox(place.world) as sandbox:
        async with indexed(place, tmp_path, sandbox, without_pauses) as bot:
            for member in (place.member, place.owner):
                await bot.person(member).slash(place.talk.id, "saved add", asked)
            async with bot.service.db.reader() as connection:
                ((vector,),) = await connection.execute_fetchall("SELECT vector FROM saved_searches LIMIT 1")
        shown = place.pictures.post(place.owner.user, f"Am Kanal: ein Zirkuszelt, {secret}", files=[noise(5)])
        async with indexed(place, tmp_path, sandbox, without_pauses) as bot:
            person, owner = bot.person(place.member), bot.person(place.owner)
            await bot.embedded(2)
            for _ in range(2):
                assert await bot.client.saved_notices.round()
                (notice,) = person.direct_messages()
                assert f"/{shown.id}" in notice
                assert owner.direct_messages() == [], "told of their own message"
            shown.delete()

            about = await person.slash(place.talk.id, "privacy")
            assert "saved 1 search in this server" in about.content
            exported = await person.press(about, "Export what you hold of mine")
            (search,) = json.loads(exported.files()["afterimage-export.json"])["saved_searches"]
            assert (search["name"], search["question"], search["guild"]) == ("tent", secret, str(place.guild.id))
            assert len(search["picture"]["embedding"]) == bot.service.encoder.spec.dimension
            sure = await person.press(await person.slash(place.talk.id, "privacy"), "Forget me in this server")
            await person.press(sure, "Yes, forget me")
            assert await bot.count("SELECT count(*) FROM saved_searches WHERE user_id != ?", place.owner.id) == 0
            refused = await person.slash(place.talk.id, "saved add", asked)
            assert "You asked to be forgotten" in refused.text()
            place.guild.locale = "de"
            german = await owner.slash(place.talk.id, "saved run", {"name": "nothing"})
            assert "keine Suche namens" in german.text()
            await bot.service.forget_guild(GuildId(place.guild.id))
            assert await bot.count("SELECT count(*) FROM saved_searches") == 0
            await until(bot.service.upkeep.purge)  # a reader may hold a snapshot for a moment
    held = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [data for data in held if secret.encode() in data or vector in data]
