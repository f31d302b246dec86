"""/help: what members can ask, on one screen."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.commands import NO_MENTIONS, CommandContext, Tree
from bot.commands.query_scope import manages
from bot.commands.translator import localized
from bot.texts import Language, translate


def register(tree: Tree, context: CommandContext) -> None:
    @app_commands.command(name="help", description=localized("command-help"))
    @app_commands.guild_only()
    async def help_command(interaction: discord.Interaction[Any]) -> None:
        language = Language.of(interaction.locale)
        text = translate(language, "help-text")
        if manages(interaction):
            text += "\n" + translate(language, "help-manager")
        await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NO_MENTIONS)

    tree.add_command(help_command)
