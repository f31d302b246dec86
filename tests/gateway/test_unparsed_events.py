"""A gateway event that discord.py cannot parse costs that event and nothing else."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from bot.config.tables import LogSettings
from bot.observability.log import logging_to
from sandbox.server import open_sandbox
from sandbox.world import ChannelKind
from tests.worlds.running_bot import Running, indexed, noise, running, town
from tests.worlds.waiting import until


def push(bot: Running, name: str, data: dict[str, Any]) -> None:
    for session in bot.sandbox.gateway.sessions.values():
        session.push(name, data)


async def test_an_event_without_a_field_is_logged_and_counted_and_the_connection_goes_on(
    tmp_path: Path,
) -> None:
    place, log = town(), io.StringIO()
    settings = LogSettings(level="debug", format="json")
    with logging_to(settings, (), log):
        async with indexed(place, tmp_path) as bot:
            broken = {
                "guild_id": str(place.guild.id),
                "token": "aW50ZXJhY3Rpb24",
                "picture": "https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&is=2&hm=3 and more",
            }
            push(bot, "CHANNEL_CREATE", broken)
            bot.person(place.member).post(place.pictures.id, "after it", files=[noise(50)])
            await bot.embedded(9)
            assert bot.client.beat().unparsed_events == 1
    lines = map(json.loads, log.getvalue().splitlines())
    warning, whole = (line for line in lines if line["logger"] == "bot.gateway.unparsed_events")
    assert "CHANNEL_CREATE" in warning["message"]
    assert "KeyError" in warning["message"]
    assert whole["level"] == "debug"
    assert "a.png" in whole["message"]
    for secret in ("aW50ZXJhY3Rpb24", "hm=3"):
        assert secret not in log.getvalue()


async def test_a_message_whose_event_could_not_be_parsed_is_found_by_reading_again(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        parse = bot.client._connection.parsers
        intact = parse["MESSAGE_CREATE"]

        def broken(data: Any) -> None:
            del data["author"]
            intact(data)

        parse["MESSAGE_CREATE"] = broken
        bot.person(place.member).post(place.pictures.id, "unread", files=[noise(51)])
        await bot.embedded(9)


@pytest.mark.parametrize("field", ["session_id", "user"])  # read by discord.py's connection, and by its parser
async def test_a_ready_that_cannot_be_parsed_is_counted_and_the_shard_connects_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    place = town()
    async with open_sandbox(place.world) as sandbox:
        whole, missing = sandbox.gateway._ready, [field]

        def ready(*of: Any) -> Any:
            payload = whole(*of)
            while missing:
                del payload[missing.pop()]
            return payload

        monkeypatch.setattr(sandbox.gateway, "_ready", ready)
        async with running(sandbox, tmp_path) as bot:
            assert bot.client.beat().unparsed_events == 1
            assert sandbox.gateway.identified == 2
            assert "/similar" in (await bot.person(place.member).slash(place.talk.id, "help")).content


@pytest.mark.parametrize("kind", [ChannelKind.FORUM, ChannelKind.VOICE, ChannelKind.CATEGORY, ChannelKind.TEXT])
async def test_a_hidden_channel_with_all_but_its_id_type_and_position_nulled_is_taken_as_it_is(
    tmp_path: Path, kind: ChannelKind
) -> None:
    place = town()
    async with running(place.world, tmp_path) as bot:
        nulled = dict.fromkeys(
            ("topic", "available_tags", "bitrate", "user_limit", "nsfw", "last_message_id", "parent_id")
        )
        hidden = {"id": "99", "type": int(kind), "guild_id": str(place.guild.id), "position": 3, "flags": 1 << 17}
        push(bot, "CHANNEL_CREATE", nulled | hidden | {"name": "___hidden___", "permission_overwrites": []})
        await until(lambda: bot.client.get_channel(99) is not None)
        assert bot.client.beat().unparsed_events == 0
