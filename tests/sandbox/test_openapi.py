"""What the sandbox answers, and what discord.py asks of it, against Discord's own OpenAPI description."""

import io

import discord
import pytest
from discord import ui

from sandbox.gateway_session import Session
from sandbox.server import Sandbox, open_sandbox
from tests import openapi
from tests.sandbox.conftest import Bot, Connect, picture
from tests.sandbox.raw import Raw, raw_client
from tests.worlds.rich_guild import Rich, rich_world


async def _read_everything(api: Raw, rich: Rich, sandbox: Sandbox) -> None:
    guild, app = rich.guild.id, rich.world.application.id
    for path in ("/gateway", "/gateway/bot", "/users/@me", "/oauth2/applications/@me", "/users/@me/guilds"):
        await api.get(path)
    await api.get(f"/users/{rich.member.id}")
    await api.get(f"/applications/{app}/commands")
    for path in ("", "/channels", "/roles", "/members", f"/members/{rich.member.id}", "/threads/active"):
        await api.get(f"/guilds/{guild}{path}")
    await api.get(f"/guilds/{guild}?with_counts=true")
    await api.get(f"/guilds/{guild}/messages/search?has=image&limit=5&include_nsfw=true")
    for channel in (*rich.guild.channels.values(), *rich.guild.threads.values()):
        await api.get(f"/channels/{channel.id}")
        await api.get(f"/channels/{channel.id}/messages?limit=100")
    await api.get(f"/guilds/{guild}/members/search?query=ben&limit=5")
    chat = rich.chat.id
    await api.get(f"/channels/{chat}/messages/pins?limit=5")
    await api.get(f"/channels/{chat}/pins")
    for path in ("threads/archived/public", "threads/archived/private", "users/@me/threads/archived/private"):
        await api.get(f"/channels/{chat}/{path}?limit=5")
    await api.get(f"/channels/{rich.private.id}/thread-members?with_member=true")
    await api.get(f"/channels/{rich.private.id}/thread-members/@me")
    await api.get(f"/channels/{chat}/messages/{rich.picture.id}")


async def test_every_answer_to_a_reader_is_as_discord_describes_it() -> None:
    described, rich = openapi.description(), rich_world()
    rich.picture.pin()
    async with open_sandbox(rich.world, keep=1000) as sandbox, raw_client(sandbox) as api:
        await _read_everything(api, rich, sandbox)
        assert await described.check(sandbox.record.exchanges) > 40


async def test_errors_are_as_discord_describes_them() -> None:
    described, rich = openapi.description(), rich_world()
    async with open_sandbox(rich.world, keep=100) as sandbox, raw_client(sandbox) as api:
        await api.get("/channels/1")
        await api.get(f"/channels/{rich.secret.id}/messages")
        await api.get(f"/channels/{rich.chat.id}/messages?limit=101")
        await api.post(f"/channels/{rich.chat.id}/messages", {"content": "x" * 2001})
        sandbox.api.search.building = 1
        await api.get(f"/guilds/{rich.guild.id}/messages/search")
        assert [exchange.status for exchange in sandbox.record.exchanges] == [404, 403, 400, 400, 202]
        await described.check(sandbox.record.exchanges)


def _commands(bot: Bot) -> None:
    @bot.tree.command(description="Answer with everything")
    @discord.app_commands.describe(text="what to say")
    async def show(interaction: discord.Interaction, text: str = "hello") -> None:
        await interaction.response.defer(ephemeral=True)
        view = ui.LayoutView()
        thumbnail: ui.Thumbnail[ui.LayoutView] = ui.Thumbnail("attachment://a.png", description="a")
        view.add_item(ui.Container(ui.Section(text, accessory=thumbnail), ui.Separator(), accent_colour=0x5588FF))
        row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
        row.add_item(ui.Button(label="Next", custom_id="next"))
        row.add_item(ui.Button(label="Site", url="https://pictures.example"))
        view.add_item(row)
        menu: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
        menu.add_item(
            ui.Select(custom_id="more", options=[discord.SelectOption(label="one"), discord.SelectOption(label="two")])
        )
        view.add_item(menu)
        await interaction.edit_original_response(view=view, attachments=[_file("a.png")])
        await interaction.followup.send("and this", file=_file("b.png"), ephemeral=True)
        await interaction.original_response()

    @bot.tree.context_menu(name="Look")
    async def look(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(content=message.content, ephemeral=True)


def _file(name: str) -> discord.File:
    return discord.File(io.BytesIO(picture()), name)


async def test_what_discord_py_sends_and_gets_is_as_discord_describes_it(connect: Connect) -> None:
    described, rich = openapi.description(), rich_world()
    async with open_sandbox(rich.world, keep=1000) as sandbox, connect(sandbox, _commands) as bot:
        person = sandbox.member(rich.member)
        await person.slash(rich.chat.id, "show", {"text": "hello"})
        await person.message_command(rich.chat.id, "Look", rich.picture.id)
        channel = bot.get_channel(rich.chat.id)
        assert isinstance(channel, discord.TextChannel)
        sent = await channel.send("hello", file=_file("c.png"))
        await sent.edit(content="hello again")
        await sent.delete()
        assert [thread async for thread in channel.archived_threads(limit=10)]
        assert [thread async for thread in channel.archived_threads(private=True, joined=True)]
        member = await channel.guild.fetch_member(rich.member.id)
        await member.send("hello", nonce="a")
        rich.world.closed_to_messages.add(member.id)
        with pytest.raises(discord.Forbidden):
            await member.send("hello")
        counts = sandbox.record.counts
        assert counts["PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original"] == 1
        assert await described.check(sandbox.record.exchanges) > 10


async def test_what_gateway_events_carry_is_as_discord_describes_it() -> None:
    described, rich = openapi.description(), rich_world()
    async with open_sandbox(rich.world) as sandbox:
        session = Session(1 << 0 | 1 << 9 | 1 << 15, (0, 1), 50)
        sandbox.gateway.sessions[session.id] = session
        sandbox.gateway.introduce(session, rich.guild)
        rich.chat.post(rich.member, "new")
        created, message = session.payloads()
        for channel in created["d"]["channels"]:
            described.check_schema("GuildChannelResponse", channel)
        for thread in created["d"]["threads"]:
            described.check_schema("ThreadResponse", thread)
        described.check_schema("MessageResponse", message["d"])
