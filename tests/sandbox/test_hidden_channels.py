"""Channels that the bot may not view, as Discord treats them since 16 November 2026."""

import asyncio
from typing import Any

import discord
import pytest

from sandbox.permissions import MEMBER, Permission
from sandbox.server import open_sandbox
from sandbox.world import Channel, ChannelKind, Guild, Role, World
from tests import openapi
from tests.sandbox.conftest import Bot, Connect
from tests.sandbox.gateway_client import Wire, identify, wire
from tests.sandbox.raw import raw_client
from tests.worlds.rich_guild import rich_world
from tests.worlds.waiting import DEADLINE_S

HIDDEN_FLAG = 1 << 17


def _closed_world() -> tuple[World, Guild, Channel, Channel, Role]:
    """A guild with a category and a channel in it, both closed to the bot, and a role that may enter."""
    world = World()
    guild = world.guild("Meadow", world.user("mara"))
    key = guild.role("Key")
    overwrites = [guild.everyone.overwrite(deny=Permission.VIEW_CHANNEL), key.overwrite(allow=Permission.VIEW_CHANNEL)]
    category = guild.channel("Back office", ChannelKind.CATEGORY, overwrites=overwrites)
    secret = guild.channel("secret", category=category, topic="plans", age_restricted=True)
    secret.post(guild.owner, "hidden")
    return world, guild, category, secret, key


def _reduced(channel: Channel, guild: Guild) -> dict[str, Any]:
    """What the gateway may tell of a channel that the bot may not view."""
    deny = {"id": str(guild.id), "type": 0, "allow": "0", "deny": str(int(Permission.VIEW_CHANNEL))}
    return {
        "id": str(channel.id), "type": int(channel.kind), "position": channel.position, "name": "___hidden___",
        "flags": HIDDEN_FLAG, "permission_overwrites": [deny], "topic": None, "nsfw": False,
        "parent_id": str(channel.parent.id) if channel.parent else None, "last_message_id": None,
    }  # fmt: skip


async def test_rest_leaves_them_out() -> None:
    world, guild, category, secret, _ = _closed_world()
    lounge = guild.channel("lounge")
    async with open_sandbox(world) as sandbox, raw_client(sandbox) as api:
        listed = (await api.get(f"/guilds/{guild.id}/channels")).body
        assert [channel["name"] for channel in listed] == ["lounge"]
        for hidden in (category, secret):
            assert (await api.get(f"/channels/{hidden.id}")).body["code"] == 50001
        # One channel that the bot may view makes its category viewable.
        lounge.update(parent=category)
        listed = (await api.get(f"/guilds/{guild.id}/channels")).body
        assert {channel["name"] for channel in listed} == {"lounge", "Back office"}
        assert (await api.get(f"/channels/{category.id}")).body["name"] == "Back office"


async def test_the_gateway_reduces_them() -> None:
    world, guild, category, secret, _ = _closed_world()
    description = openapi.description()
    async with open_sandbox(world) as sandbox, wire(sandbox) as bot:
        await bot.send(2, identify(sandbox))
        created = {channel["id"]: channel for channel in (await bot.until("GUILD_CREATE"))["channels"]}
        told = created[str(secret.id)]
        expected = _reduced(secret, guild)
        assert {key: told[key] for key in expected} == expected
        assert created[str(category.id)]["name"] == "___hidden___"
        assert not {"secret", "plans", "Back office"} & {str(value) for c in created.values() for value in c.values()}
        description.check_schema("GuildChannelResponse", told)
        secret.update(name="vault")
        assert (await bot.until("CHANNEL_UPDATE"))["name"] == "___hidden___"


async def _named(bot: Wire, *names: str) -> None:
    """CHANNEL_UPDATE with these names, in this order. A real name comes with the real overwrites: several."""
    for name in names:
        told = await bot.until("CHANNEL_UPDATE")
        assert told["name"] == name
        assert bool(told["flags"] & HIDDEN_FLAG) is (name == "___hidden___")
        assert (len(told["permission_overwrites"]) == 1) is (name == "___hidden___")


@pytest.mark.parametrize(
    "way", ["a role given", "a role's permissions", "an overwrite", "an overwrite of the category"]
)
async def test_access_that_is_gained_is_told_with_everything_and_access_that_is_lost_with_less(way: str) -> None:
    world, guild, category, secret, key = _closed_world()
    thread = secret.thread("inside", guild.owner)
    own = guild.me.roles[0]

    def open_it() -> tuple[str, ...]:
        if way == "a role given":
            guild.me.update(roles=[own, key])
        elif way == "a role's permissions":
            own.update(allowed=Permission.ADMINISTRATOR)
        elif way == "an overwrite":
            secret.allow(own, Permission.VIEW_CHANNEL)
            return "secret", "Back office"
        else:
            category.allow(own, Permission.VIEW_CHANNEL)
            secret.allow(own, Permission.VIEW_CHANNEL)
        return "Back office", "secret"

    def close_it() -> None:
        if way == "a role given":
            guild.me.update(roles=[own])
        elif way == "a role's permissions":
            own.update(allowed=MEMBER)
        else:
            secret.allow(own)
            category.allow(own)

    async with open_sandbox(world) as sandbox, wire(sandbox) as bot:
        await bot.send(2, identify(sandbox))
        await bot.until("GUILD_CREATE")
        await _named(bot, *open_it())
        synced = await bot.until("THREAD_LIST_SYNC")
        assert [found["id"] for found in synced["threads"]] == [str(thread.id)]
        close_it()
        await _named(bot, "___hidden___", "___hidden___")


async def test_a_deleted_role_closes_what_it_opened() -> None:
    world, guild, _, _, key = _closed_world()
    guild.me.roles.append(key)
    async with open_sandbox(world) as sandbox, wire(sandbox) as bot:
        await bot.send(2, identify(sandbox))
        assert "secret" in str(await bot.until("GUILD_CREATE"))
        key.delete()
        await _named(bot, "___hidden___", "___hidden___")


async def test_a_category_is_told_once_its_first_open_channel_is_made_and_hidden_after_the_last() -> None:
    world, guild, category, _, _ = _closed_world()
    async with open_sandbox(world) as sandbox, wire(sandbox) as bot:
        await bot.send(2, identify(sandbox))
        await bot.until("GUILD_CREATE")
        lounge = guild.channel("lounge", category=category, overwrites=[])
        assert (await bot.until("CHANNEL_CREATE"))["name"] == "lounge"
        told = await bot.next()
        assert (told["t"], told["d"]["name"]) == ("CHANNEL_UPDATE", "Back office")
        lounge.delete()
        await _named(bot, "___hidden___")


async def test_an_interaction_brings_a_hidden_channel_whole(connect: Connect) -> None:
    rich = rich_world()

    def setup(bot: Bot) -> None:
        @bot.tree.command(description="Ask")
        async def ask(interaction: discord.Interaction, where: discord.abc.GuildChannel) -> None:
            await interaction.response.send_message("here", ephemeral=True)

    async with open_sandbox(rich.world) as sandbox, connect(sandbox, setup):
        await sandbox.member(rich.owner).slash(rich.secret.id, "ask", {"where": rich.secret})
        (session,) = sandbox.gateway.sessions.values()
        told = next(event["d"] for event in session.payloads() if event["t"] == "INTERACTION_CREATE")
        assert told["channel"]["name"] == "secret"
        picked = told["data"]["resolved"]["channels"][str(rich.secret.id)]
        assert (picked["name"], picked["app_permissions"]) == ("secret", "0")


async def test_discord_py_finds_the_channel_it_was_just_let_into(connect: Connect) -> None:
    world, guild, _, secret, key = _closed_world()
    opened = asyncio.Event()

    def setup(bot: Bot) -> None:
        @bot.event
        async def on_guild_channel_update(_: discord.abc.GuildChannel, after: discord.abc.GuildChannel) -> None:
            if after.name == "secret":
                opened.set()

    async with open_sandbox(world) as sandbox, connect(sandbox, setup) as bot:
        hidden = bot.get_channel(secret.id)
        assert isinstance(hidden, discord.TextChannel)
        assert hidden.name == "___hidden___"
        guild.me.update(roles=[*guild.me.roles, key])
        async with asyncio.timeout(DEADLINE_S):
            await opened.wait()
        assert hidden.permissions_for(hidden.guild.me).view_channel
        assert [message.content async for message in hidden.history()] == ["hidden"]
