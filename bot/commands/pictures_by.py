"""The user command Pictures by …: the newest pictures of the member that was right-clicked."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.commands import CommandContext, Tree
from bot.commands.query_scope import Scope, asker
from bot.commands.similar_reply import Answers
from bot.commands.translator import localized
from indexer.query.grammar import Wish
from indexer.records.ids import UserId


def register(tree: Tree, context: CommandContext) -> None:
    """Adds the command and listens for its buttons."""
    answers = Answers(context, "pictures-by")
    answers.replies.listen(tree)

    @app_commands.context_menu(name=localized("command-pictures-by"))
    @app_commands.guild_only()
    async def pictures_by(interaction: discord.Interaction[Any], user: discord.User) -> None:
        await interaction.response.defer(ephemeral=True)
        who = await asker(interaction, context.service)
        author = UserId(user.id)
        await answers.answer(interaction, who, Wish(), [], Scope(authors=frozenset({author})), author=author)

    tree.add_command(pictures_by)
