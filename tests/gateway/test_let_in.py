"""Channels that the bot is let into, and shut out of, as Discord has told it since November 2026."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.records.ids import GuildId
from indexer.store import channels
from sandbox.permissions import Permission
from sandbox.wire.guilds import told_channel
from tests.worlds.running_bot import Running, Town, indexed, noise, town
from tests.worlds.waiting import until

READ = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY


def hidden_town() -> Town:
    """A town whose secret channel, with two pictures, is hidden from the bot."""
    place = town()
    place.secret.allow(place.guild.me)
    return place


async def names(bot: Running, place: Town) -> set[str]:
    async with bot.service.db.reader() as connection:
        return {channel.name for channel in await channels.of_guild(connection, GuildId(place.guild.id))}


@pytest.mark.parametrize("way", ["an overwrite for the bot", "a role", "a role's permissions", "a role's overwrite"])
async def test_a_channel_that_the_bot_is_let_into_is_read_and_known_by_its_name(tmp_path: Path, way: str) -> None:
    place = hidden_town()
    helper = place.guild.role("Helper")
    if way == "a role":
        place.secret.allow(helper, READ)
    elif way != "an overwrite for the bot":
        place.guild.me.update(roles=[*place.guild.me.roles, helper])
    async with indexed(place, tmp_path) as bot:
        assert (await bot.service.status()).total.embeddings == 6
        assert await names(bot, place) == {"pictures", "talk"}
        match way:
            case "an overwrite for the bot":
                place.secret.allow(place.guild.me, READ)
            case "a role":
                place.guild.me.update(roles=[*place.guild.me.roles, helper])
            case "a role's permissions":
                helper.update(allowed=Permission.ADMINISTRATOR)
            case _:
                place.secret.allow(helper, READ)
        await bot.embedded(8)
        assert await names(bot, place) == {"pictures", "talk", "secret"}


async def test_a_channel_told_of_in_full_before_the_role_that_opens_it_is_read_as_well(tmp_path: Path) -> None:
    place = hidden_town()
    helper = place.guild.role("Helper")
    place.secret.allow(helper, READ)
    async with indexed(place, tmp_path) as bot:
        full = told_channel(place.secret) | {"name": "secret", "flags": 0}
        full["permission_overwrites"] = [
            {
                "id": str(overwrite.id),
                "type": int(overwrite.kind),
                "allow": str(int(overwrite.allow)),
                "deny": str(int(overwrite.deny)),
            }
            for overwrite in place.secret.overwrites.values()
        ]
        for session in bot.sandbox.gateway.sessions.values():
            session.push("CHANNEL_UPDATE", full)
        place.guild.me.update(roles=[*place.guild.me.roles, helper])
        await bot.embedded(8)


async def test_a_channel_that_is_hidden_from_the_bot_is_parked_under_its_own_name(tmp_path: Path) -> None:
    place = town()
    async with indexed(place, tmp_path) as bot:
        place.secret.allow(place.guild.me)
        await until(lambda: bot.parked(place.secret))
        assert await names(bot, place) == {"pictures", "talk", "secret"}
        shown = await bot.person(place.owner).slash(place.talk.id, "similar", {"text": "secret"})
        assert f"/{place.secret.id}/" not in shown.text()


async def test_a_private_thread_that_the_bot_is_let_into_is_read(tmp_path: Path) -> None:
    place = town()
    place.guild.me.roles[0].update(allowed=READ | Permission.SEND_MESSAGES)
    thread = place.talk.thread("in private", place.owner.user, private=True)
    thread.post(place.owner.user, "before the bot came", files=[noise(90)])
    async with indexed(place, tmp_path) as bot:
        assert (await bot.service.status()).total.embeddings == 8
        thread.add_member(place.world.bot)
        await bot.embedded(9)


async def test_a_deleted_role_gives_the_bot_nothing_any_more(tmp_path: Path) -> None:
    place = hidden_town()
    helper = place.guild.role("Helper")
    place.secret.allow(helper, READ)
    place.guild.me.update(roles=[*place.guild.me.roles, helper])
    async with indexed(place, tmp_path) as bot:
        assert (await bot.service.status()).total.embeddings == 8
        for session in bot.sandbox.gateway.sessions.values():  # the role alone, before any channel is told of
            session.push("GUILD_ROLE_DELETE", {"guild_id": str(place.guild.id), "role_id": str(helper.id)})
        await until(lambda: bot.parked(place.secret))
        shown = await bot.person(place.owner).slash(place.talk.id, "similar", {"text": "secret"})
        assert f"/{place.secret.id}/" not in shown.text()
