"""/privacy, end to end: what is kept is said, given out to whom it belongs, and gone when they ask."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.privacy import _pack
from bot.config.tables import Config, LimitSettings
from bot.texts import Language
from indexer.database import database
from indexer.records.ids import GuildId
from indexer.settings import FleetSettings
from indexer.store import audit, picture_texts
from sandbox.reply import Reply
from sandbox.server import open_sandbox
from tests.worlds.running_bot import indexed, noise, running, town, with_auto_start
from tests.worlds.waiting import until


def labels(reply: Reply) -> list[str]:
    return [button.label for button in reply.buttons()]


async def test_privacy_tells_each_member_of_their_own_only(tmp_path: Path) -> None:
    place = town(pictures=6, secrets=2)
    async with indexed(place, tmp_path) as bot:
        member = await bot.person(place.member).slash(place.talk.id, "privacy")
        owner = await bot.person(place.owner).slash(place.talk.id, "privacy")
        assert member.ephemeral
        assert "6 messages with 6 pictures" in member.content
        assert "2 messages with 2 pictures" in owner.content
        assert labels(member) == ["Forget me in this server", "Forget me everywhere", "Export what you hold of mine"]


async def test_forget_me_asks_first_then_deletes_and_stores_nothing_again(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        member = bot.person(place.member)
        shown = await member.slash(place.talk.id, "privacy")
        sure = await member.press(shown, "Forget me in this server")
        assert labels(sure) == ["Yes, forget me", "No"]
        assert sure.content.startswith("Shall I delete")  # a question, before anything is done
        assert (await bot.service.status()).total.messages == 8
        done = await member.press(sure, "Yes, forget me")
        assert "6 messages" in done.content
        assert labels(done) == []
        assert (await bot.service.status()).total.embeddings == 2
        member.post(place.pictures.id, "again", files=[noise(5)])
        await bot.client._events.settled()
        assert (await bot.service.status()).total.messages == 2
        async with bot.service.db.reader() as connection:
            (line,) = [line for line in await audit.recent(connection, 10) if line.action == "privacy.forget"]
        assert (line.actor_id, line.guild_id) == (place.member.id, GuildId(place.guild.id))


async def test_nothing_of_a_member_is_shown_from_the_wish_on_though_the_database_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = town()
    place.pictures.post(place.owner.user, "picture of the owner", files=[noise(0)])
    async with indexed(place, tmp_path) as bot:
        member, owner = bot.person(place.member), bot.person(place.owner)
        asked = {"text": "picture min:-1", "count": 10}
        assert f"<@{place.member.id}>" in (await owner.slash(place.talk.id, "similar", asked)).text()
        sure = await member.press(await member.slash(place.talk.id, "privacy"), "Forget me in this server")
        monkeypatch.setattr(database, "TURN_S", 0.01)
        async with bot.service.db.transaction():  # somebody else holds the writer
            noted = await member.press(sure, "Yes, forget me")
            assert "messages" not in noted.content
            assert (await bot.service.status()).total.messages == 9
            for command, options in (
                ("similar", asked),
                ("similar", {"text": "has:image"}),
                ("duplicates", {"threshold": 0.5}),
                ("random", None),
            ):
                reply = await owner.slash(place.talk.id, command, options)
                assert f"<@{place.member.id}>" not in reply.text(), (command, reply.text())
            reply = await owner.slash(place.talk.id, "similar", asked)
            assert f"<@{place.owner.id}>" in reply.text()


async def test_no_changes_nothing(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        member = bot.person(place.member)
        sure = await member.press(await member.slash(place.talk.id, "privacy"), "Forget me everywhere")
        kept = await member.press(sure, "No")
        assert kept.content == "Nothing was changed."
        assert (await bot.service.status()).total.messages == 8


async def test_who_was_forgotten_everywhere_can_come_back(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        member = bot.person(place.member)
        sure = await member.press(await member.slash(place.talk.id, "privacy"), "Forget me everywhere")
        await member.press(sure, "Yes, forget me")
        shown = await member.slash(place.talk.id, "privacy")
        assert "forgotten everywhere" in shown.content
        assert labels(shown) == ["Export what you hold of mine", "Let me be found again"]
        await member.press(shown, "Let me be found again")
        member.post(place.pictures.id, "back", files=[noise(5)])

        async def back() -> bool:
            return (await bot.service.status()).total.messages == 3

        await until(back)


async def test_the_export_holds_everything_of_mine_and_nothing_of_others(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        member = bot.person(place.member)
        async with bot.service.db.transaction() as tx:
            ((picture_id,),) = await tx.execute_fetchall(
                "SELECT picture_id FROM places JOIN messages USING (message_id) WHERE author_id = ?"
                " ORDER BY message_id LIMIT 1",
                (place.member.id,),
            )
            assert await picture_texts.put(tx, picture_id, "ocr", "an invoice")
        reply = await member.press(await member.slash(place.talk.id, "privacy"), "Export what you hold of mine")
        assert reply.ephemeral
        held = json.loads(reply.files()["afterimage-export.json"])
        texts = [shown.pop("texts", None) for message in held["messages"] for shown in message["pictures"]]
        assert texts == [{"ocr": "an invoice"}, None, None, None, None, None]
        assert held["user"] == str(place.member.id)
        assert sorted(message["content"] for message in held["messages"]) == [f"picture number {n}" for n in range(6)]
        first = held["messages"][0]
        assert first["link"].endswith(f"/{place.guild.id}/{place.pictures.id}/{first['message']}")
        assert first["pictures"][0]["file_name"].startswith("noise-")


async def test_an_export_is_given_once_an_hour_to_each_member(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        for who in (place.member, place.owner):
            person = bot.person(who)
            shown = await person.slash(place.talk.id, "privacy")
            assert (await person.press(shown, "Export what you hold of mine")).files()
            again = await person.press(shown, "Export what you hold of mine")
            assert not again.files()
            assert "the next one in 60 min" in again.text()
        place.guild.locale = "de"
        shown = await bot.person(place.member).slash(place.talk.id, "privacy")
        german = await bot.person(place.member).press(shown, "Gib mir, was du von mir hast")
        assert "der nächste geht in 60 min" in german.text()


async def test_buttons_of_privacy_cannot_be_pressed_without_end(tmp_path: Path) -> None:
    place = town()

    def strict(config: Config) -> Config:
        return replace(config, limits=LimitSettings(per_minute=1, burst=2))

    async with running(place.world, tmp_path, strict) as bot:
        member = bot.person(place.member)
        first, second = [await member.slash(place.talk.id, "privacy") for _ in range(2)]
        await member.press(await member.press(first, "Forget me in this server"), "No")
        refused = await member.press(second, "Forget me everywhere")
        assert "try again in" in refused.text()


async def test_an_export_of_nothing_says_so(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        member = bot.person(place.member)
        reply = await member.press(await member.slash(place.talk.id, "privacy"), "Export what you hold of mine")
        assert reply.content == "I hold nothing of yours."


async def test_the_buttons_work_after_a_restart(tmp_path: Path) -> None:
    place = town()
    async with open_sandbox(place.world) as sandbox:
        async with indexed(place, tmp_path, sandbox) as bot:
            shown = await bot.person(place.member).slash(place.talk.id, "privacy")
        async with running(sandbox, tmp_path) as bot:
            sure = await bot.person(place.member).press(shown, "Forget me in this server")
            await bot.person(place.member).press(sure, "Yes, forget me")
            assert (await bot.service.status()).total.messages == 2


def test_an_export_that_is_too_large_is_compressed_and_one_that_still_is_gets_told() -> None:
    held = {"messages": ["the same words " * 100] * 50}
    whole = len(json.dumps(held, ensure_ascii=False, indent=1))
    assert _pack(held, whole, Language.ENGLISH)[0].endswith(".json")
    name, data = _pack(held, 5_000, Language.ENGLISH)
    assert name.endswith(".json.gz")
    assert data is not None
    assert json.loads(gzip.decompress(data)) == held
    assert _pack(held, 10, Language.GERMAN)[1] is None


async def test_a_wish_is_carried_out_and_said_to_lack_its_safety_while_the_storage_is_away(tmp_path: Path) -> None:
    place, storage = town(), tmp_path / "storage"
    storage.mkdir()

    def kept_outside(config: Config) -> Config:
        config = with_auto_start(config)
        return replace(config, settings=replace(config.settings, fleet=FleetSettings(str(storage), "one")))

    async with indexed(place, tmp_path, change=kept_outside) as bot:
        owner, member = bot.person(place.owner), bot.person(place.member)
        sure = await owner.press(await owner.slash(place.talk.id, "privacy"), "Forget me in this server")
        assert "One thing is missing" not in (await owner.press(sure, "Yes, forget me")).content
        storage.rename(tmp_path / "away")
        sure = await member.press(await member.slash(place.talk.id, "privacy"), "Forget me in this server")
        done = await member.press(sure, "Yes, forget me")
        assert done.content.startswith("Done: 6 messages")
        assert "One thing is missing" in done.content
        (tmp_path / "away").rename(storage)
        assert await bot.service.made_safe()
    assert len(list((storage / "promises").glob("0*.json"))) == 3  # the server's consent, and two wishes
