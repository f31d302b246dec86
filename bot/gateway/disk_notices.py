"""Tells those who manage a server once that indexing pauses because the disk is full, and once that it continues.

Other members do not read this message: it is posted in a channel that only managers may view (`managers_channel.py`).
If a server has no such channel, the first manager who gives a command gets it after the command's answer, visible to
them only. The database stores which servers were told, so that a bot that restarts on a full disk does not repeat the
message.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import discord

from bot.commands import NO_MENTIONS
from bot.commands.query_scope import manages
from bot.permissions.managers_channel import managers_channels
from bot.texts import Language, translate
from indexer.errors import RetryLater
from indexer.records.ids import ChannelId, GuildId
from indexer.service import Service
from indexer.supervisor import contained

logger = logging.getLogger(__name__)

LOOK_S = 5.0
# The disk must be full, or have room, for so many seconds before a message is sent: a disk that is full every other
# minute counts as one episode.
STEADY_S = 60.0

NAME = "disk notices"  # the name of this work in the counts of faults
FULL, ROOM = "disk-notice-full", "disk-notice-room"


class DiskNotices:
    """Belongs to one event loop; `watch` runs under the supervisor."""

    def __init__(self, client: discord.Client, service: Service) -> None:
        self._client = client
        self._service = service
        self._told: dict[GuildId, ChannelId | None] | None = None  # None: not read yet
        self._state = ""  # FULL or ROOM, as of the last check
        self._since_s = 0.0  # of the monotonic clock
        self._steady = ""  # FULL or ROOM, once it has lasted long enough
        self._indexed: frozenset[GuildId] = frozenset()
        self.looks = 0  # checks that were completed

    async def watch(self) -> None:
        """Checks the state of the disk until cancelled. Raises RetryLater where a server could not be told."""
        if self._told is None:
            self._told = await self._service.disk_notices.told()
        while True:
            await self._look(self._told)
            self.looks += 1
            await asyncio.sleep(LOOK_S)

    async def _look(self, told: dict[GuildId, ChannelId | None]) -> None:
        state = FULL if self._service.disk_notices.full else ROOM
        if state != self._state:
            self._state, self._since_s = state, time.monotonic()
        if time.monotonic() - self._since_s < STEADY_S:
            return
        self._steady = state
        failed = 0
        if state == FULL:
            self._indexed = await self._service.consented()
            for guild_id in self._indexed - told.keys():
                with contained(NAME, self._service.faults) as attempt:
                    await self._tell_full(guild_id, told)
                failed += attempt.failed
        else:
            for guild_id, channel_id in list(told.items()):
                if channel_id is not None:
                    with contained(NAME, self._service.faults) as attempt:
                        await self._tell_room(guild_id, channel_id, told)
                    failed += attempt.failed
        if failed:
            raise RetryLater(f"{failed} servers could not be told about the disk.")

    async def _tell_full(self, guild_id: GuildId, told: dict[GuildId, ChannelId | None]) -> None:
        guild = self._client.get_guild(guild_id)
        for channel in managers_channels(guild) if guild is not None else []:
            if await _post(channel, FULL):
                told[guild_id] = ChannelId(channel.id)
                # Raises DiskFull where not even this row fits: then the server is told once more after a restart.
                await self._service.disk_notices.add(guild_id, told[guild_id])
                return

    async def _tell_room(self, guild_id: GuildId, channel_id: ChannelId, told: dict[GuildId, ChannelId | None]) -> None:
        guild = self._client.get_guild(guild_id)
        channels = managers_channels(guild) if guild is not None else []  # other people may view it now
        channel = next((channel for channel in channels if channel.id == channel_id), None)
        if channel is not None:
            await _post(channel, ROOM)
        del told[guild_id]
        await self._service.disk_notices.remove(guild_id)

    async def tell_manager(self, interaction: discord.Interaction[Any]) -> None:
        """Called after a command's answer: tells the member, if they manage a server without such a channel."""
        guild_id = GuildId(interaction.guild_id or 0)
        if self._told is None or interaction.guild is None or not manages(interaction):
            return
        untold = guild_id in self._indexed and guild_id not in self._told and not managers_channels(interaction.guild)
        if self._steady == FULL and untold:
            self._told[guild_id] = None  # set before sending: another manager may give a command meanwhile
            if await _whisper(interaction, FULL):
                with contained(NAME, self._service.faults):
                    await self._service.disk_notices.add(guild_id, None)
            else:
                del self._told[guild_id]
        elif self._steady == ROOM and guild_id in self._told and self._told[guild_id] is None:
            del self._told[guild_id]
            if await _whisper(interaction, ROOM):
                with contained(NAME, self._service.faults):
                    await self._service.disk_notices.remove(guild_id)
            else:
                self._told[guild_id] = None


async def _post(channel: discord.TextChannel, key: str) -> bool:
    """Whether the channel accepted the message. Raises an error that is temporary."""
    text = translate(Language.of(channel.guild.preferred_locale), key)
    try:
        await channel.send(text, allowed_mentions=NO_MENTIONS)
    except (discord.NotFound, discord.Forbidden) as error:
        logger.info("channel %d did not take a notice about the disk: %s", channel.id, error)
        return False
    return True


async def _whisper(interaction: discord.Interaction[Any], key: str) -> bool:
    text = translate(Language.of(interaction.locale), key)
    try:
        await interaction.followup.send(text, ephemeral=True, allowed_mentions=NO_MENTIONS)
    except discord.HTTPException as error:
        logger.info("a manager of guild %s could not be told about the disk: %s", interaction.guild_id, error)
        return False
    return True
