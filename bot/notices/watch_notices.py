"""Tells channels of new pictures that show a watched one. It posts a link and what it is, and never deletes anything.

A channel is told of nothing but what everybody who reads it may read too: when a picture is looked at, and again when
the notice is sent. What is posted anywhere else is not even measured for it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import discord

from bot.links import jump_link
from bot.notices.posting import Notice, send
from bot.permissions.shared_audience import shared_channels
from bot.replies.closeness import picture_band_text
from bot.texts import Language, translate
from indexer.records.ids import ChannelId, GuildId
from indexer.records.watched import WatchedMatch
from indexer.service import Service
from indexer.supervisor import contained

logger = logging.getLogger(__name__)

NAME: Final = "watch notices"  # of this work among the faults


class WatchNotices:
    """Belongs to one event loop; `round` is run again and again (rounds.py)."""

    def __init__(self, client: discord.Client, service: Service) -> None:
        self._client = client
        self._service = service
        self._watched = service.watched_pictures

    async def round(self) -> bool:
        """Looks once, and tells the channels. False where something failed: it is tried again in the next round."""
        failed = 0
        for guild_id in await self._watched.new.guilds():
            with contained(NAME, self._service.faults) as attempt:
                await self._look(guild_id)
            failed += attempt.failed
        for guild_id, channel_id in await self._watched.channels_to_tell():
            with contained(NAME, self._service.faults) as attempt:
                await self._tell(guild_id, channel_id)
            failed += attempt.failed
        return not failed

    async def _look(self, guild_id: GuildId) -> None:
        guild = self._client.get_guild(guild_id)
        if guild is None:
            return  # Discord does not list it at the moment
        audiences = {
            channel_id: await self._audience(guild, channel_id) for channel_id in await self._watched.channels(guild_id)
        }
        await self._watched.look(guild_id, audiences)

    async def _audience(self, guild: discord.Guild, channel_id: ChannelId) -> frozenset[ChannelId]:
        """The channels that everybody who reads this one may read now."""
        stored = await self._service.reports.channels(GuildId(guild.id))
        return shared_channels(guild, guild.get_channel_or_thread(channel_id), stored)

    async def _tell(self, guild_id: GuildId, channel_id: ChannelId) -> None:
        """Raises RetryLater where Discord cannot be reached."""
        guild = self._client.get_guild(guild_id)
        if guild is None:
            return
        matches = await self._watched.take(guild_id, channel_id)
        channel = guild.get_channel_or_thread(channel_id)
        audience, leaving = await self._audience(guild, channel_id), self._service.removals.leaving(guild_id)
        told = [
            match for match in matches if match.place.channel_id in audience and match.place.author_id not in leaving
        ]
        if told and isinstance(channel, discord.abc.Messageable):
            language = Language.of(guild.preferred_locale)
            nonce = f"w{matches[0].watch_id:x}-{matches[0].place.place_id:x}"
            if not await send(channel, Notice(_text(guild_id, told, language), nonce)):
                logger.info("channel %d takes no notices: %d watched pictures are not told", channel_id, len(told))
        await self._watched.told(guild_id, channel_id)


def _text(guild_id: GuildId, matches: Sequence[WatchedMatch], language: Language) -> str:
    lines = [translate(language, "notice-watch", pictures=len(matches))]
    for match in matches:
        link = jump_link(guild_id, match.place.channel_id, match.place.message_id)
        what = picture_band_text(match.band, match.copy, language)
        lines.append(f"- {link}: " + translate(language, "notice-watch-what", what=what, number=match.watch_id))
    return "\n".join(lines)
