"""/help: what one can ask, in one screen."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands
from discord.app_commands import locale_str

from bot.commands import NO_MENTIONS, CommandContext, Tree
from bot.commands.asking import manages
from bot.commands.words import tell
from bot.replies.texts import Language


def register(tree: Tree, context: CommandContext) -> None:
    @app_commands.command(name="help", description=locale_str("What I can find, and how to ask"))
    @app_commands.guild_only()
    async def help_command(interaction: discord.Interaction[Any]) -> None:
        language = Language.of(interaction.locale)
        text = tell(language, "help.text")
        if manages(interaction):
            text += "\n" + tell(language, "help.manager")
        await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NO_MENTIONS)

    tree.add_command(help_command)
