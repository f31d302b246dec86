"""The slash commands that members use: one file for each command group.

Each module offers `def register(tree: Tree, context: CommandContext) -> None`, which adds its commands to the tree;
`every_command.py` lists the modules. A command raises an error when something goes wrong (`TellPerson` for
anything that a person can correct). The tree's error handler answers through `answer_error`; views and modals call it
from their own `on_error`. May import permissions, replies, control, history, texts, config. Start with similar.py, then
similar_reply.py.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp
import discord
from discord import app_commands

from bot.replies.escape import escaped
from bot.texts import Language, translate, translate_sentence
from bot.token_buckets import TokenBuckets
from indexer.errors import ChannelClosed, LinkExpired, ModelAway, ReadersBusy, Rejected, RetryLater, TellPerson
from indexer.sentence import Sentence

if TYPE_CHECKING:
    from bot.commands.autocomplete import QuestionCompletion
    from bot.commands.progress import Following
    from bot.config.tables import Config
    from indexer.service import Service

logger = logging.getLogger(__name__)

# Any client type: a command needs only the tree, and gets everything else from the interaction.
Tree = app_commands.CommandTree[Any]

# The limit of a text that stands in a sentence. The longest of our own texts is the list of the values that `has:`
# knows.
VALUE_CHARACTERS = 100

# Text that the bot repeats never pings anybody. Pass this with every message that the bot sends.
NO_MENTIONS = discord.AllowedMentions.none()

# Among an interaction's `extras`: its reply says that the model is waking up, and what comes next takes its place.
WAKING = "waking"


# A connection to Discord that breaks in the middle of an answer. discord.py asks again only where it was reset.
BROKEN = (aiohttp.ClientError, ConnectionError)


class Spawn(Protocol):
    """Starts `work` as a task that lives until it ends or the bot stops. A Stop is raised to the parent; any other
    error is logged and counted by `name`, which is a constant.
    """

    def __call__(self, work: Coroutine[Any, Any, None], name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class CommandContext:
    """What every command may use: the open indexer, the configuration, and a parent for tasks that outlive an answer.

    `presses` are the token buckets for each member's presses of all buttons and menus. `completion` suggests what a
    question that is being typed may go on with. `following` are the progress messages that are kept up to date.
    """

    service: Service
    config: Config
    spawn: Spawn
    presses: TokenBuckets
    completion: QuestionCompletion
    following: Following


def told(language: Language, sentence: Sentence) -> str:
    """The words of a sentence in a message of ours.
    Words that members wrote in it are shown as text and nothing else.
    """
    return translate_sentence(language, sentence, lambda value: escaped(value, VALUE_CHARACTERS))


def sentence_for(error: BaseException, error_id: str, language: Language = Language.ENGLISH) -> str:
    """One sentence for the person who asked: what happened, and what to do next; `error_id` stands in the log."""
    match error:
        case TellPerson() | Rejected():
            return told(language, error.sentence)
        case app_commands.NoPrivateMessage():
            return translate(language, "error-server-only")
        case app_commands.MissingPermissions():
            return translate(language, "error-manage-only")
        case app_commands.CommandNotFound() | app_commands.CommandSignatureMismatch():
            return translate(language, "error-changed")
        case ReadersBusy():
            return translate(language, "error-readers-busy")
        case ModelAway():
            return translate(language, "error-model", error=error_id)
        case LinkExpired() | RetryLater() | TimeoutError() | aiohttp.ClientError() | ConnectionError():
            return translate(language, "error-busy", error=error_id)
        case ChannelClosed():
            return translate(language, "error-closed", error=error_id)
        case _:
            return translate(language, "error-failed", error=error_id)


async def edit_reply(interaction: discord.Interaction[Any], **values: Any) -> None:
    """Edits the reply to these values. Where the connection breaks, it does so again: that makes no second reply."""
    try:
        await interaction.edit_original_response(**values, allowed_mentions=NO_MENTIONS)
    except BROKEN as error:
        logger.info("a reply in guild %s is edited again: the connection broke: %s", interaction.guild_id, error)
        for file in values.get("attachments", ()):
            file.reset()
        await interaction.edit_original_response(**values, allowed_mentions=NO_MENTIONS)


async def answer_error(interaction: discord.Interaction[Any], error: BaseException) -> None:
    """Tells the person who asked, visible to them only, and logs errors that they cannot correct.

    An id is logged only if the answer shows it too: whoever reads one finds the other.
    """
    error_id = secrets.token_hex(3)
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    text = sentence_for(cause, error_id, Language.of(interaction.locale))
    name = interaction.command.qualified_name if interaction.command else interaction.type.name
    if isinstance(cause, (RetryLater, LinkExpired, ChannelClosed, *BROKEN)):  # nothing in the code is wrong
        what = f"{type(cause).__name__}: {cause}"
        logger.warning("error %s in %s, guild %s: %s", error_id, name, interaction.guild_id, what)
    elif error_id in text:
        logger.error("error %s in %s, guild %s", error_id, name, interaction.guild_id, exc_info=cause)
    else:
        logger.info("told to who asked, in %s, guild %s: %s", name, interaction.guild_id, cause)
    try:
        if interaction.extras.pop(WAKING, False):
            await interaction.edit_original_response(content=text, allowed_mentions=NO_MENTIONS)
        elif interaction.response.is_done():
            await interaction.followup.send(text, ephemeral=True, allowed_mentions=NO_MENTIONS)
        else:
            await interaction.response.send_message(text, ephemeral=True, allowed_mentions=NO_MENTIONS)
    except (discord.HTTPException, *BROKEN) as failure:  # it has expired, or Discord fails: the log has the error
        logger.warning("an answer in %s, guild %s, could not be shown: %s", name, interaction.guild_id, failure)
