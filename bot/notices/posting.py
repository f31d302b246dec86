"""Sends a notice, once: Discord knows a message that it has got already by its nonce, for some minutes."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import aiohttp
import discord

from bot.commands import NO_MENTIONS
from indexer.errors import RetryLater
from indexer.records.ids import UserId

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """`mentioned`: whom the text pings; None: nobody."""

    text: str
    nonce: str
    mentioned: UserId | None = None


async def send(where: discord.abc.Messageable, notice: Notice) -> bool:
    """Posts in a channel, or to a member. False where nothing of the bot's is taken. Raises RetryLater."""
    mentions = NO_MENTIONS
    if notice.mentioned is not None:
        mentions = discord.AllowedMentions(everyone=False, roles=False, users=[discord.Object(notice.mentioned)])
    try:
        await where.send(notice.text, nonce=notice.nonce, allowed_mentions=mentions, suppress_embeds=True)
    except (discord.Forbidden, discord.NotFound) as error:
        logger.info("a notice was not taken: %s", error)
        return False
    except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
        raise RetryLater(f"a notice could not be sent: {error}") from error
    return True
