"""Pictures of replies by each kind of address, also where Discord signs no link in a component."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from bot.config.tables import Config
from sandbox.reply import Reply
from sandbox.server import open_sandbox
from tests.worlds.running_bot import Running, Town, noise, running, town, with_auto_start

COMMANDS: list[tuple[str, dict[str, object] | None]] = [
    ("similar", {"text": "picture"}),
    ("random", None),
    ("duplicates", {"threshold": 0.5}),
]


def showing(kind: str) -> Callable[[Config], Config]:
    return lambda config: with_auto_start(replace(config, discord=replace(config.discord, thumbnails=kind)))


async def asked(bot: Running, place: Town, command: str, options: dict[str, object] | None) -> Reply:
    return await bot.person(place.member).slash(place.talk.id, command, options)


async def resolves(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status == 200 and len(await response.read()) > 0


@pytest.mark.parametrize("kind", ["signed", "uploaded"])
async def test_pictures_are_shown_where_discord_signs_no_link_in_a_component(tmp_path: Path, kind: str) -> None:
    place = town()
    place.pictures.post(place.member.user, "the first picture again", files=[noise(0)])
    async with (
        open_sandbox(place.world, strict_media=True) as sandbox,
        running(sandbox, tmp_path, showing(kind)) as bot,
    ):
        await bot.indexed(place.guild)
        for command, options in COMMANDS:
            shown = (await asked(bot, place, command, options)).thumbnails()
            assert shown, command
            for url in shown:
                assert await resolves(url), url


async def test_bare_links_are_given_as_they_are(tmp_path: Path) -> None:
    place = town()
    async with running(place.world, tmp_path, showing("links")) as bot:
        await bot.indexed(place.guild)
        sent = bot.sandbox.record.counts["GET /channels/{channel_id}/messages/{message_id}"]
        reply = await asked(bot, place, "random", None)
        assert reply.thumbnails()
        assert bot.sandbox.record.counts["GET /channels/{channel_id}/messages/{message_id}"] == sent


@pytest.mark.parametrize("kind", ["signed", "uploaded"])
async def test_pictures_of_a_reply_cost_no_request_beyond_those_that_verify_its_hits(tmp_path: Path, kind: str) -> None:
    place = town()
    async with running(place.world, tmp_path, showing(kind)) as bot:
        await bot.indexed(place.guild)
        reply = await asked(bot, place, "similar", {"text": "picture min:-1", "count": 6})
        assert len(reply.thumbnails()) == 5
        assert bot.sandbox.record.counts["GET /channels/{channel_id}/messages/{message_id}"] == 5
        await bot.person(place.member).press(reply, "Contact sheet")  # of all six hits
        assert bot.sandbox.record.counts["GET /channels/{channel_id}/messages/{message_id}"] == 6


async def test_a_page_that_is_turned_carries_the_copies_of_its_own_pictures(tmp_path: Path) -> None:
    place = town()
    async with (
        open_sandbox(place.world, strict_media=True) as sandbox,
        running(sandbox, tmp_path, showing("uploaded")) as bot,
    ):
        await bot.indexed(place.guild)
        first = await asked(bot, place, "similar", {"text": "picture", "count": 6})
        names = {urlsplit(url).path.rpartition("/")[2] for url in first.thumbnails()}
        assert names == {f"picture-{number}.webp" for number in range(1, 6)}
        turned = await bot.person(place.member).press(first, "Next")
        (only,) = turned.thumbnails()
        assert await resolves(only)
