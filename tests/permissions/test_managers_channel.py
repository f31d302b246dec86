"""A channel counts as the managers' own only where nobody without Manage Server may view it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.permissions.managers_channel import managers_channels
from sandbox.permissions import Permission
from sandbox.world import Channel, Guild, User
from tests.worlds.running_bot import Running, running, town
from tests.worlds.waiting import until

READ = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
NONE = Permission.NONE


def closed(guild: Guild, name: str) -> Channel:
    """A channel that only the bot and administrators view."""
    return guild.channel(
        name,
        overwrites=[
            guild.everyone.overwrite(deny=Permission.VIEW_CHANNEL),
            guild.me.overwrite(allow=READ | Permission.SEND_MESSAGES),
        ],
    )


def found(bot: Running, guild: Guild) -> list[int]:
    known = bot.client.get_guild(guild.id)
    assert known is not None
    return [channel.id for channel in managers_channels(known)]


def open_to(guild: Guild, channel: Channel, somebody: User, way: str) -> None:
    """Lets somebody into the channel, in one of the ways that there are."""
    managers = guild.role("Managers", Permission.MANAGE_GUILD)
    helpers = guild.role("Helpers")
    match way:
        case "managers":
            channel.allow(managers, READ)
        case "owner":
            channel.allow(guild.members[guild.owner.id], READ)
        case "everyone":
            channel.allow(guild.everyone)
        case "helpers":
            channel.allow(helpers, READ)
        case "helpers, unless they are shy":
            channel.allow(helpers, READ)
            channel.allow(guild.role("Shy"), deny=Permission.VIEW_CHANNEL)
        case "a role without an overwrite":
            channel.allow(guild.everyone)
            guild.everyone.update(allowed=NONE)
            helpers.update(allowed=READ)
        case "a member":
            channel.allow(guild.members[somebody.id], READ)
        case "administrators":
            guild.role("Administrators", Permission.ADMINISTRATOR)


@pytest.mark.parametrize(
    ("way", "alone"),
    [
        ("managers", True),
        ("owner", True),
        ("administrators", True),
        ("everyone", False),
        ("helpers", False),
        ("helpers, unless they are shy", False),
        ("a role without an overwrite", False),
        ("a member", False),
    ],
)
async def test_a_channel_is_taken_where_managers_alone_view_it(tmp_path: Path, way: str, alone: bool) -> None:
    place = town(pictures=0, secrets=0, others=0)
    guild = place.guild
    guild.public_updates_channel = closed(guild, "updates")
    open_to(guild, guild.public_updates_channel, place.member.user, way)
    async with running(place.world, tmp_path) as bot:
        assert (found(bot, guild) == [guild.public_updates_channel.id]) == alone


async def test_it_is_one_that_the_server_named_and_that_the_bot_may_write_in(tmp_path: Path) -> None:
    place = town(pictures=0, secrets=0, others=0)
    guild = place.guild
    system, updates = closed(guild, "system"), closed(guild, "updates")
    closed(guild, "nobody named this one")
    guild.system_channel, guild.public_updates_channel = system, updates
    async with running(place.world, tmp_path) as bot:
        assert found(bot, guild) == [updates.id, system.id]
        updates.allow(guild.me, READ, Permission.SEND_MESSAGES)

        async def told() -> bool:
            return found(bot, guild) == [system.id]

        await until(told)
