"""Suggestions have token buckets of their own: who types fast gets none for a while, and may still ask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bot.commands.autocomplete import KEYS_A_COMMAND
from bot.config.tables import Config, LimitSettings
from tests.worlds.running_bot import running, town


def slow(config: Config) -> Config:
    return replace(config, limits=LimitSettings(per_minute=1, burst=1))


async def test_typing_is_limited_and_uses_up_no_command_of_ones_own_or_of_others(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path / "data", slow) as bot:
        member, owner = bot.person(place.member), bot.person(place.owner)
        for _ in range(KEYS_A_COMMAND):
            assert await member.autocomplete(place.talk.id, "similar", {"text": "has:g"}, "text")
        assert await member.autocomplete(place.talk.id, "similar", {"text": "has:g"}, "text") == []
        assert await owner.autocomplete(place.talk.id, "similar", {"text": "has:g"}, "text")
        reply = await member.slash(place.talk.id, "similar", {"text": "has:gif"})
        assert "no indexed picture" in reply.text()


async def test_a_bot_that_stops_suggests_nothing(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path / "data") as bot:
        bot.client.tree.stopping = True
        member = bot.person(place.member)
        assert await member.autocomplete(place.talk.id, "similar", {"text": "has:g"}, "text") == []
