"""The tree of commands: limits how often a member may ask, answers while the bot stops, and answers errors."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord import app_commands

from bot.commands import NO_MENTIONS, answer_error
from bot.texts import Language, translate
from bot.token_buckets import TokenBuckets
from indexer.correlation import Cause, begin


class Commands(app_commands.CommandTree[Any]):
    """Limits each member, refuses politely while the bot stops, and answers every error in one sentence."""

    def __init__(self, client: discord.Client, buckets: TokenBuckets, typing: TokenBuckets) -> None:
        """`buckets` are for commands, `typing` for suggestions: Discord asks for them at nearly every key."""
        # Set for every command. Discord fills in a missing value from the application's own settings; then the commands
        # that it returns would differ from those that were sent.
        super().__init__(
            client,
            allowed_contexts=app_commands.AppCommandContext(guild=True),
            allowed_installs=app_commands.AppInstallationType(guild=True),
        )
        self._buckets = buckets
        self._typing = typing
        self.stopping = False
        self.in_hand: set[asyncio.Task[Any]] = set()

    async def interaction_check(self, interaction: discord.Interaction[Any], /) -> bool:
        typing = interaction.type is discord.InteractionType.autocomplete
        if typing and (self.stopping or self._typing.take(interaction.user.id)):
            await interaction.response.autocomplete([])
            return False
        asking = interaction.type is discord.InteractionType.application_command
        if self.stopping:
            if asking:
                await _whisper(interaction, "error-restarting")
            return False
        if asking and (wait := self._buckets.take(interaction.user.id)):
            await _whisper(interaction, "error-rate", seconds=max(1, round(wait)))
            return False
        if task := asyncio.current_task():  # discord.py keeps no reference to the task of a command
            self.in_hand.add(task)
            task.add_done_callback(self.in_hand.discard)
            end = begin(Cause(str(interaction.id)))
            task.add_done_callback(lambda _: end())
        return True

    async def on_error(self, interaction: discord.Interaction[Any], error: app_commands.AppCommandError, /) -> None:
        await answer_error(interaction, error)


async def _whisper(interaction: discord.Interaction[Any], key: str, **values: int) -> None:
    text = translate(Language.of(interaction.locale), key, **values)
    await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NO_MENTIONS)
