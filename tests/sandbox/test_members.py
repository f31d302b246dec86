"""What members do at their app, with an unmodified discord.py on the other side."""

import asyncio
import io

import discord
import pytest
from discord import app_commands, ui

from sandbox.options import NotAllowed
from sandbox.permissions import Permission
from sandbox.reply import NoAnswer
from sandbox.server import open_sandbox
from sandbox.world import File
from tests.sandbox.conftest import Bot, Connect, picture
from tests.worlds.rich_guild import Rich, rich_world


class Ask(ui.Modal, title="Ask"):
    words: ui.Label["Ask"] = ui.Label(text="Words", component=ui.TextInput(custom_id="words"))
    files: ui.Label["Ask"] = ui.Label(text="Pictures", component=ui.FileUpload(custom_id="files", required=False))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        text, upload = self.words.component, self.files.component
        assert isinstance(text, ui.TextInput)
        assert isinstance(upload, ui.FileUpload)
        sizes = [len(await file.read()) for file in upload.values]
        await interaction.response.send_message(f"{text.value} {sizes}", ephemeral=True)


class Menu(ui.View):
    @ui.select(options=[discord.SelectOption(label="One", value="1"), discord.SelectOption(label="Two", value="2")])
    async def pick(self, interaction: discord.Interaction, chosen: "ui.Select[Menu]") -> None:
        await interaction.response.edit_message(content=f"picked {chosen.values}")

    @ui.select(cls=ui.ChannelSelect, placeholder="Where", channel_types=[discord.ChannelType.text])
    async def where(self, interaction: discord.Interaction, chosen: "ui.ChannelSelect[Menu]") -> None:
        await interaction.response.send_message(f"in {chosen.values[0].name}", ephemeral=True)

    @ui.button(label="Later")
    async def later(self, interaction: discord.Interaction, button: "ui.Button[Menu]") -> None:
        await interaction.response.defer()
        await asyncio.sleep(0.05)
        await interaction.edit_original_response(content="later")

    @ui.button(label="Never", disabled=True)
    async def never(self, interaction: discord.Interaction, button: "ui.Button[Menu]") -> None:
        raise AssertionError("a disabled button was pressed")


def _commands(bot: Bot) -> None:
    @bot.tree.command(description="Echo")
    async def echo(
        interaction: discord.Interaction,
        text: app_commands.Range[str, 1, 10],
        number: app_commands.Range[int, 1, 5] = 1,
        flag: bool = False,
        who: discord.Member | None = None,
        role: discord.Role | None = None,
        image: discord.Attachment | None = None,
    ) -> None:
        seen = (text, number, flag, who and who.display_name, role and role.name, image and image.filename)
        await interaction.response.send_message(str(seen))

    @echo.autocomplete("text")
    async def complete(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=current + end, value=current + end) for end in ("", "s")]

    @echo.autocomplete("number")
    async def too_long(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[int]]:
        return [app_commands.Choice(name="x" * 101, value=1)]

    @bot.tree.context_menu(name="Who is …")
    async def who_is(interaction: discord.Interaction, user: discord.User) -> None:
        seen = (type(user).__name__, user.id, user.display_name)
        await interaction.response.send_message(str(seen), ephemeral=True)

    @bot.tree.command(description="A menu")
    async def menu(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("choose", view=Menu())

    @bot.tree.command(description="A modal")
    async def ask(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Ask())

    @bot.tree.command(description="Nothing")
    async def silent(interaction: discord.Interaction) -> None:
        await asyncio.sleep(0)

    @bot.tree.command(description="Count up")
    async def count(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("0 %")
        for i in (50, 100):
            await asyncio.sleep(0.05)
            await interaction.edit_original_response(content=f"{i} %")
        await interaction.followup.send("done", ephemeral=True, file=discord.File(io.BytesIO(picture()), "sheet.png"))

    @bot.tree.command(description="For managers")
    @app_commands.default_permissions(manage_guild=True)
    async def manage(interaction: discord.Interaction) -> None:
        await interaction.response.send_message(str(interaction.permissions.manage_guild))

    group = app_commands.Group(name="reindex", description="Reindex")

    @group.command(description="Start")
    async def start(interaction: discord.Interaction, channel: discord.TextChannel | None = None) -> None:
        await interaction.response.send_message(f"started {channel}")

    bot.tree.add_command(group)


@pytest.fixture
def rich() -> Rich:
    return rich_world()


async def test_options_arrive_as_discord_py_knows_them(connect: Connect, rich: Rich) -> None:
    async with open_sandbox(rich.world) as sandbox, connect(sandbox, _commands):
        ben = sandbox.member(rich.member)
        role = rich.guild.members[rich.member.id].roles[0]
        options = {
            "text": "hi", "number": 5, "flag": True, "who": rich.member, "role": role,
            "image": File.of("cat.webp", picture(kind="WEBP")),
        }  # fmt: skip
        reply = await ben.slash(rich.chat.id, "echo", options)
        assert reply.content == "('hi', 5, True, 'Benny', 'Baker', 'cat.webp')"
        assert not reply.ephemeral
        assert ben.read(rich.chat.id, 1)[0] is reply.message
        assert (await ben.slash(rich.chat.id, "reindex start", {"channel": rich.chat.id})).content == "started chat"


async def test_an_app_sends_only_what_it_may(connect: Connect, rich: Rich) -> None:
    async with open_sandbox(rich.world) as sandbox, connect(sandbox, _commands):
        ben, chat = sandbox.member(rich.member), rich.chat.id
        wrong: list[tuple[str, dict[str, object]]] = [
            ("nonsense", {}), ("echo", {}), ("echo", {"text": ""}), ("echo", {"text": "x" * 11}), ("reindex", {}),
            ("reindex stop", {}), ("echo", {"text": "a", "number": 6}), ("echo", {"text": "a", "colour": 1}),
            ("echo", {"text": 5}), ("echo", {"text": "a", "who": 5}), ("reindex start", {"channel": rich.secret.id}),
            ("reindex start", {"channel": rich.forum.id}), ("echo", {"text": "a", "image": "cat.png"}),
        ]  # fmt: skip
        for name, options in wrong:
            with pytest.raises(NotAllowed):
                await ben.slash(chat, name, options)
        with pytest.raises(NotAllowed):
            await ben.slash(rich.secret.id, "echo", {"text": "a"})
        rich.guild.members[rich.member.id].update(timed_out_until_ms=rich.world.clock.now_ms() + 60_000)
        with pytest.raises(NotAllowed, match="may not use commands"):
            await ben.slash(chat, "echo", {"text": "a"})


async def test_a_managers_command_is_hidden_from_others(connect: Connect, rich: Rich) -> None:
    async with open_sandbox(rich.world) as sandbox, connect(sandbox, _commands):
        with pytest.raises(NotAllowed, match="not shown"):
            await sandbox.member(rich.member).slash(rich.chat.id, "manage")
        rich.guild.members[rich.member.id].roles[0].update(allowed=Permission.MANAGE_GUILD)
        assert (await sandbox.member(rich.member).slash(rich.chat.id, "manage")).content == "True"
        assert (await sandbox.member(rich.owner).slash(rich.chat.id, "manage")).content == "True"


async def test_autocomplete_offers_what_the_bot_says(connect: Connect, rich: Rich) -> None:
    async with open_sandbox(rich.world) as sandbox, connect(sandbox, _commands):
        ben = sandbox.member(rich.member)
        choices = await ben.autocomplete(rich.chat.id, "echo", {"text": "cat"}, "text")
        assert [choice["value"] for choice in choices] == ["cat", "cats"]
        with pytest.raises(NotAllowed, match="completes nothing"):
            await ben.autocomplete(rich.chat.id, "echo", {"text": "a", "flag": True}, "flag")


async def test_suggestions_that_discord_would_refuse_are_no_answer(connect: Connect, rich: Rich) -> None:
    async with open_sandbox(rich.world) as sandbox, connect(sandbox, _commands):
        sandbox.interactions.acknowledge_s = 0.3
        with pytest.raises(NoAnswer, match="did not respond"):
            await sandbox.member(rich.member).autocomplete(rich.chat.id, "echo", {"text": "a", "number": "1"}, "number")


async def test_a_user_command_brings_the_member_and_one_who_left_as_a_user(connect: Connect, rich: Rich) -> None:
    gone = rich.world.user("gone", "Gone")
    async with open_sandbox(rich.world) as sandbox, connect(sandbox, _commands):
        ben = sandbox.member(rich.member)
        reply = await ben.user_command(rich.chat.id, "Who is …", rich.member)
        assert reply.content == str(("Member", rich.member.id, "Benny"))
        assert reply.message.metadata is not None
        assert reply.message.metadata["target_user"]["id"] == str(rich.member.id)
        assert "target_message_id" not in reply.message.metadata
        left = await ben.user_command(rich.chat.id, "Who is …", gone)
        assert left.content == str(("User", gone.id, "Gone"))


async def test_menus_and_buttons_change_the_message_they_are_on(connect: Connect, rich: Rich) -> None:
    async with open_sandbox(rich.world) as sandbox, connect(sandbox, _commands):
        ben, mara = sandbox.member(rich.member), sandbox.member(rich.owner)
        reply = await ben.slash(rich.chat.id, "menu")
        assert [button.label for button in reply.buttons()] == ["Later", "Never"]
        same = await ben.select(reply, reply.selects()[0]["custom_id"], ["Two"])
        assert (same.content, same.message is reply.message) == ("picked ['2']", True)
        assert (await mara.select(reply, "Where", [rich.chat.id])).content == "in chat"
        assert (await ben.press(reply, "Later")).content == "later"
        for name in ("Never", "Maybe"):
            with pytest.raises(NotAllowed):
                await ben.press(reply, name)
        with pytest.raises(NotAllowed):
            await ben.select(reply, "Where", [rich.forum.id])


async def test_a_modal_is_filled_in_and_sent(connect: Connect, rich: Rich) -> None:
    async with open_sandbox(rich.world) as sandbox, connect(sandbox, _commands):
        ben = sandbox.member(rich.member)
        reply = await ben.slash(rich.chat.id, "ask")
        assert reply.modal is not None
        assert reply.modal["title"] == "Ask"
        with pytest.raises(NoAnswer):
            _ = reply.message
        sent = await ben.submit_modal(reply, {"Words": "cat", "files": [picture(), picture()]})
        assert sent.content == f"cat {[len(picture())] * 2}"
        with pytest.raises(NotAllowed):
            await ben.submit_modal(reply, {"Colours": "red"})


async def test_a_reply_can_be_watched_while_it_changes(connect: Connect, rich: Rich) -> None:
    async with open_sandbox(rich.world) as sandbox, connect(sandbox, _commands):
        ben = sandbox.member(rich.member)
        reply = await ben.slash(rich.chat.id, "count")
        await reply.until(lambda now: now.content == "100 %")
        await reply.settled()
        (after,) = reply.followups
        assert (after.content, after.ephemeral, list(after.files())) == ("done", True, ["sheet.png"])
        with pytest.raises(NotAllowed, match="does not see"):
            await sandbox.member(rich.owner).press(after, "x")
        ben.delete(ben.post(rich.chat.id, "mine"))
        with pytest.raises(NotAllowed):
            sandbox.member(rich.member).delete(rich.chat.post(rich.owner, "hers"))
        reply.message.delete()
        assert reply.gone
        with pytest.raises(NotAllowed, match="gone"):
            await ben.press(reply, "x")
        with pytest.raises(NoAnswer, match="is still"):
            await reply.until(lambda now: False, timeout_s=0.05)


async def test_silence_is_what_discord_shows(connect: Connect, rich: Rich) -> None:
    async with open_sandbox(rich.world) as sandbox:
        with pytest.raises(NotAllowed, match="registered no command"):
            await sandbox.member(rich.member).slash(rich.chat.id, "silent")
        async with connect(sandbox, _commands):
            sandbox.interactions.acknowledge_s = 0.2
            with pytest.raises(NoAnswer, match="did not respond"):
                await sandbox.member(rich.member).slash(rich.chat.id, "silent")
        await asyncio.sleep(0.05)
        with pytest.raises(NoAnswer, match="offline"):
            await sandbox.member(rich.member).slash(rich.chat.id, "silent")


async def test_who_may_not_write_does_not(rich: Rich) -> None:
    rich.chat.allow(rich.guild.everyone, deny=Permission.SEND_MESSAGES)
    async with open_sandbox(rich.world) as sandbox:
        ben = sandbox.member(rich.member)
        with pytest.raises(NotAllowed):
            ben.post(rich.chat.id, "hello")
        with pytest.raises(NotAllowed):
            ben.post(rich.secret.id, "hello")
        with pytest.raises(NotAllowed):
            ben.edit(rich.chat.post(rich.owner, "hers"), "mine")
        assert ben.post(rich.post.id, "in a thread").content == "in a thread"
        rich.chat.allow(rich.guild.everyone, deny=Permission.READ_MESSAGE_HISTORY)
        assert ben.read(rich.chat.id) == []
    with pytest.raises(LookupError):
        sandbox.member(5)
