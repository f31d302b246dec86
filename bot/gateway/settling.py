"""Work after each READY: finds which servers are there, forgets servers absent for too long, and resumes their jobs."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import discord

from bot.commands import CommandContext, reindex
from bot.gateway.events import Events
from indexer.jobs import JobRefused
from indexer.records.ids import GuildId, UserId
from indexer.records.messages import Guild
from indexer.service import Service
from indexer.supervisor import supervised

logger = logging.getLogger(__name__)

# A server that Discord has not listed for ABSENT_S seconds is forgotten. This is checked every LOOK_FOR_ABSENT_S
# seconds.
ABSENT_S = 86_400.0
LOOK_FOR_ABSENT_S = 3_600.0


class Settling:
    """Keeps the index consistent with the list of servers. `run` continues until it is cancelled."""

    def __init__(
        self,
        client: discord.Client,
        context: CommandContext,
        events: Events,
        absent_s: float,
        settled: asyncio.Event,
    ) -> None:
        """`absent_s`: see `Client`. `settled` is set when the servers have been checked for the first time."""
        self._client = client
        self._context = context
        self._events = events
        self._absent_s = absent_s
        self._ready = asyncio.Event()
        self._settled = settled
        self._told_elsewhere = False

    def ready(self) -> None:
        """Discord has listed the servers, at the start or after a new session."""
        self._ready.set()

    async def run(self) -> None:
        while True:
            await self._ready.wait()
            await supervised("settling in", self._settle_in, self._context.service.faults)
            self._settled.set()

    async def _settle_in(self) -> None:
        self._ready.clear()
        service = self._context.service
        await self.note_absent()
        present = self._present()
        for guild in self._client.guilds:
            if not guild.unavailable:
                await self.take_in(guild)
                self._events.knows(guild)
        for job in await service.jobs.go_on(present):
            reindex.go_on_showing(self._context, self._client, job)
        for guild_id in await service.consented() & present:
            await service.jobs.catch_up(guild_id)
        logger.info("connected as %s; servers: %d", self._client.user, len(present))

    async def take_in(self, guild: discord.Guild) -> None:
        """Makes a server known; with crawl.start = auto its first job begins."""
        service, guild_id = self._context.service, GuildId(guild.id)
        await service.live.on_guild_join(Guild(guild_id, guild.name))
        if service.settings.crawl.start == "auto" and await service.jobs.newest(guild_id) is None:
            with suppress(JobRefused):  # Discord may report "available" and "ready" at the same time
                await service.jobs.start(guild_id)

    async def note_absent(self) -> None:
        """Notes which servers Discord no longer lists. Forgets servers that it has not listed for long enough.

        Absence alone proves little: the token may belong to another bot, or Discord's answer may be incomplete. An
        event that reports the removal (`on_guild_remove`) takes effect at once.
        """
        service = self._context.service
        await self._tell_elsewhere()
        for guild_id in await service.live.on_guilds_present(self._present(), self._absent_s):
            logger.info("guild %d was left while the bot was away: all of it is forgotten", guild_id)
            await service.forget_guild(guild_id)

    async def _tell_elsewhere(self) -> None:
        """Says once which servers of the data folder belong to another shard. They are kept, and rest here."""
        elsewhere = await self._context.service.reports.elsewhere(self._context.config.discord.shards.serves)
        if elsewhere and not self._told_elsewhere:
            self._told_elsewhere = True
            logger.warning(
                "%d servers in the data folder belong to a shard that this process does not serve (discord.shards is"
                " %s): nothing of them is read, searched or forgotten here. afterimage split takes them away: %s",
                *(len(elsewhere), self._context.config.discord.shards, ", ".join(str(guild.id) for guild in elsewhere)),
            )

    def _present(self) -> frozenset[GuildId]:
        return frozenset(GuildId(guild.id) for guild in self._client.guilds)


async def forget_unwanted(service: Service, bot_id: UserId) -> None:
    """Deletes the bot's own messages, which earlier versions stored, and messages of other bots where they are not
    wanted.

    Raises RetryLater.
    """
    if gone := await service.forget_own(bot_id):
        logger.info("%d messages of the bot's own are out of the index", gone)
    if not service.settings.crawl.bots and (gone := await service.forget_bots()):
        logger.info("crawl.bots is off: %d messages of bots are out of the index", gone)
