"""Members who are not there at the moment: the bot keeps no list of members, so it asks Discord about each."""

from __future__ import annotations

import asyncio

import aiohttp
import discord

from bot.history.rest import Pace, ShieldedRequests
from indexer.errors import RetryLater

UNKNOWN_MEMBER, UNKNOWN_USER = 10007, 10013
REQUEST_S = 30.0
# Discord allows a bot 50 requests a second over all routes; nobody waits for these.
PER_SECOND, BURST = 5.0, 5


class AbsentMembers:
    """Asks for members, at a slow rate. Nothing is remembered: roles may have changed a second ago."""

    def __init__(self, shielded: ShieldedRequests) -> None:
        self._shielded = shielded
        self._pace = Pace(PER_SECOND, BURST)

    async def get(self, guild: discord.Guild, user_id: int) -> discord.Member | None:
        """The member with their roles as they are now; None for a user who has left. Raises RetryLater."""
        await self._pace.turn()
        try:
            async with asyncio.timeout(REQUEST_S):
                return await self._shielded(guild.fetch_member(user_id))
        except discord.HTTPException as error:
            if error.code in (UNKNOWN_MEMBER, UNKNOWN_USER):
                return None
            raise RetryLater(f"member {user_id} of guild {guild.id}: Discord answered {error.status}.") from error
        except (discord.DiscordException, aiohttp.ClientError, OSError, RuntimeError) as error:
            # RuntimeError: aiohttp's, for a session that was closed meanwhile
            raise RetryLater(f"member {user_id} of guild {guild.id} could not be asked for: {error}") from error
