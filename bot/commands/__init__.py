"""What members do with the bot: one file a command group.

Each module offers `def register(tree: Tree, context: CommandContext) -> None`, which adds its commands to the tree;
`bot/client.py` lists the modules. A command raises what went wrong (`TellPerson` for anything a person can put right);
the tree's error handler answers through `answer_error`, and views and modals call it from their own `on_error`.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from indexer.errors import ChannelClosed, LinkExpired, Rejected, RetryLater, TellPerson

if TYPE_CHECKING:
    from bot.config import Config
    from indexer.service import Service

logger = logging.getLogger(__name__)

# Any client: a command needs the tree, and asks an interaction for the rest.
Tree = app_commands.CommandTree[Any]

# Nobody is ever pinged by what the bot repeats; pass it with every message that it sends.
NO_MENTIONS = discord.AllowedMentions.none()


@dataclass(frozen=True, slots=True)
class CommandContext:
    """What every command may use: the open indexer and what is configured."""

    service: Service
    config: Config


def sentence_for(error: BaseException, error_id: str) -> str:
    """One sentence for the person who asked: what happened, and what to do next; `error_id` stands in the log."""
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    match cause:
        case TellPerson() | Rejected():
            return str(cause) if isinstance(cause, TellPerson) else str(cause).split(" (", 1)[0]
        case app_commands.NoPrivateMessage():
            return "This command works in a server only."
        case app_commands.MissingPermissions():
            return "You need the permission Manage Server for this."
        case app_commands.BotMissingPermissions(missing_permissions=missing):
            return f"I need the permission {', '.join(missing).replace('_', ' ')} here; a server admin can grant it."
        case app_commands.CommandOnCooldown(retry_after=seconds):
            return f"That was a lot at once: please try again in {max(1, round(seconds))} s."
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return "This command has just changed: reload Discord (Ctrl+R) and try again."
        case LinkExpired() | RetryLater():
            return f"Discord did not answer in time: please try again in a minute. (error {error_id})"
        case ChannelClosed():
            return f"A channel cannot be read any more: please try again. (error {error_id})"
        case _:
            return f"Something went wrong on my side; whoever runs me finds it in the log as error {error_id}."


async def answer_error(interaction: discord.Interaction[Any], error: BaseException) -> None:
    """Tell the person who asked, for their eyes only, and log what they cannot put right under a short id."""
    error_id = secrets.token_hex(3)
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if isinstance(cause, TellPerson | Rejected | app_commands.CheckFailure):
        logger.info("error %s: %s", error_id, cause)
    else:
        name = interaction.command.qualified_name if interaction.command else interaction.type.name
        logger.error("error %s in %s, guild %s", error_id, name, interaction.guild_id, exc_info=cause)
    text = sentence_for(error, error_id)
    try:
        if interaction.response.is_done():
            await interaction.followup.send(text, ephemeral=True, allowed_mentions=NO_MENTIONS)
        else:
            await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NO_MENTIONS)
    except discord.HTTPException as gone:  # the interaction is over, or Discord is: the log has the error
        logger.warning("error %s could not be shown: %s", error_id, gone)
