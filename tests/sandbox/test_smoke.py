"""Unmodified discord.py logs in, reads history and answers a member, over real sockets."""

import discord
from discord import app_commands, ui

from sandbox.permissions import Permission
from sandbox.server import open_sandbox
from sandbox.world import ChannelKind, File, World
from tests.sandbox.conftest import Bot, Connect, picture


def _commands(bot: Bot) -> None:
    @bot.tree.command(description="Say what was asked")
    async def similar(
        interaction: discord.Interaction, text: str, image: discord.Attachment | None = None,
        channel: discord.TextChannel | None = None,
    ) -> None:  # fmt: skip
        await interaction.response.defer(ephemeral=True)
        data = await image.read() if image else b""
        view = ui.LayoutView()
        where = channel.name if channel else "everywhere"
        thumbnail: ui.Thumbnail[ui.LayoutView] = ui.Thumbnail("https://pictures.example/cat.png", description="a cat")
        jump = "https://discord.com/channels/1/2/3"
        view.add_item(
            ui.Container(ui.Section(f"{text} in {where}, {len(data)} bytes [go]({jump})", accessory=thumbnail))
        )
        row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()

        async def turn(pressed: discord.Interaction) -> None:
            after = ui.LayoutView()
            after.add_item(ui.TextDisplay("page 2"))
            await pressed.response.edit_message(view=after)

        button: ui.Button[ui.LayoutView] = ui.Button(label="Next")
        button.callback = turn  # type: ignore[assignment, method-assign]  # discord.py sets it so in its own decorator
        row.add_item(button)
        view.add_item(row)
        await interaction.edit_original_response(view=view)

    @bot.tree.context_menu(name="Find similar")
    @app_commands.default_permissions(manage_guild=True)
    async def find(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"{len(message.attachments)} files, {message.content}", ephemeral=True)


async def test_discord_py_logs_in_crawls_and_answers_a_slash_command(connect: Connect) -> None:
    world = World()
    mara, ben = world.user("mara", "Mara"), world.user("ben", "Ben")
    guild = world.guild("Meadow", mara)
    guild.join(ben)
    chat = guild.channel("chat")
    for i in range(250):
        chat.post(ben, f"message {i}")
    data = picture()
    shown = chat.post(ben, "look", files=[File.of("cat.png", data)])
    secret = guild.channel("secret", overwrites=[guild.everyone.overwrite(deny=Permission.VIEW_CHANNEL)])
    forum = guild.channel("forum", ChannelKind.FORUM)
    post = forum.thread("a post", ben)
    post.post(ben, "in the forum")
    async with open_sandbox(world) as sandbox, connect(sandbox, _commands) as bot:
        seen = bot.get_guild(guild.id)
        assert seen is not None
        assert {c.name for c in seen.channels} >= {"chat", "forum", "___hidden___"}
        assert [t.name for t in seen.threads] == ["a post"]
        channel = bot.get_channel(chat.id)
        assert isinstance(channel, discord.TextChannel)
        history = [message async for message in channel.history(limit=None)]
        assert len(history) == 251
        assert history[0].attachments[0].filename == "cat.png"
        assert await history[0].attachments[0].read() == data
        assert (history[0].attachments[0].width, history[0].attachments[0].height) == (96, 64)

        person = sandbox.member(ben)
        reply = await person.slash(chat.id, "similar", {"text": "cat", "image": data, "channel": chat.id})
        assert reply.ephemeral
        assert reply.text() == f"cat in chat, {len(data)} bytes [go](https://discord.com/channels/1/2/3)"
        assert [jump.message_id for jump in reply.jump_links()] == [3]
        assert reply.thumbnails() == ["https://pictures.example/cat.png"]
        assert 0 < reply.deferred_ms <= reply.reply_ms
        turned = await person.press(reply, "Next")
        assert turned.text() == "page 2"

        found = await sandbox.member(mara).message_command(chat.id, "Find similar", shown.id)
        assert found.text() == "1 files, look"
        assert secret.id in seen._channels


async def test_what_happens_in_the_world_reaches_the_client(connect: Connect) -> None:
    world = World()
    guild = world.guild("Meadow", world.user("mara"))
    chat = guild.channel("chat")
    async with open_sandbox(world) as sandbox, connect(sandbox) as bot:
        person = sandbox.member(guild.owner)
        message = person.post(chat.id, "hello", [File.of("a.png", picture())])
        heard = await bot.hears("message")
        assert isinstance(heard, discord.Message)
        assert heard.content == "hello"
        assert [a.filename for a in heard.attachments] == ["a.png"]
        person.edit(message, "hello again")
        assert await bot.hears("raw_message_edit")
        person.delete(message)
        assert await bot.hears("raw_message_delete")
        chat.delete()
        assert await bot.hears("guild_channel_delete")
        guild.remove_bot()
        assert await bot.hears("guild_remove")
