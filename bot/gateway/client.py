"""The connection to Discord: gateway events go to the indexer, members' interactions go to the commands."""

from __future__ import annotations

import asyncio
import logging
import math
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.commands import NO_MENTIONS, CommandContext
from bot.commands.autocomplete import QuestionCompletion, completion_buckets
from bot.commands.every_command import register_all
from bot.commands.forged import answer_if_forged
from bot.commands.open_replies import press_buckets
from bot.commands.progress import Following
from bot.commands.registration import sync_if_changed
from bot.commands.translator import Translator
from bot.config.tables import Config
from bot.config.values import Secret
from bot.gateway.asking_channel import learning_age
from bot.gateway.command_tree import Commands
from bot.gateway.disk_notices import NAME as DISK_NOTICES
from bot.gateway.disk_notices import DiskNotices
from bot.gateway.events import Events
from bot.gateway.identify_turns import GAP_S
from bot.gateway.identifying import CONNECT_S, Identifying, open_identifying
from bot.gateway.identifying import NAME as IDENTIFYING
from bot.gateway.own_guilds import OwnGuilds
from bot.gateway.refusals import NO_MESSAGE_CONTENT, DiscordRefused, invitation, refusals
from bot.gateway.session_starts import START_SHARE, SessionStarts
from bot.gateway.settling import ABSENT_S, LOOK_FOR_ABSENT_S, Settling, forget_unwanted
from bot.gateway.shards import Shards, silences
from bot.gateway.unparsed_events import UnparsedEvents
from bot.history.discord_history import DiscordHistory
from bot.history.hidden_channels import is_hidden
from bot.history.rest import shared_pace
from bot.notices import rounds
from bot.notices.absent_members import AbsentMembers
from bot.notices.saved_notices import NAME as SAVED_NOTICES
from bot.notices.saved_notices import SavedSearchNotices
from bot.notices.watch_notices import NAME as WATCH_NOTICES
from bot.notices.watch_notices import WatchNotices
from bot.observability.health import Beat
from bot.permissions.thread_members import ThreadMembers
from bot.token_buckets import TokenBuckets
from indexer.errors import Stop
from indexer.records.ids import GuildId, UserId
from indexer.records.messages import Guild
from indexer.service import Service
from indexer.supervisor import contained, supervised

logger = logging.getLogger(__name__)


class Client(discord.AutoShardedClient):
    """One bot. It is made without a connection; `serving` gives it the indexer and connects it.

    It keeps no messages and no members in memory: an interaction contains its member, and the index has the messages.
    """

    def __init__(
        self,
        config: Config,
        *,
        ready_s: float = 0.5,
        adopt: bool = False,
        absent_s: float = ABSENT_S,
        identify_s: float = GAP_S,
    ) -> None:
        """`ready_s`: the seconds that discord.py waits for one more server before it calls itself ready. Every start
        waits that long, and discord.py's own default is 2 s. A server that comes later is taken in by its own event.

        `adopt`: the data folder may belong to another application, and belongs to this one from now on. `absent_s`: a
        server that Discord has not listed for so many seconds is forgotten. `identify_s`: seconds between two sessions
        that this bot's processes open.
        """
        own_shards = config.discord.shards
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # the bot uses no voice
        intents = discord.Intents.none()
        intents.guilds = True
        intents.guild_messages = True
        intents.message_content = True
        super().__init__(
            intents=intents,
            shard_count=own_shards.count or None,
            shard_connect_timeout=CONNECT_S,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=ready_s,
            allowed_mentions=NO_MENTIONS,
        )
        if own_shards.ids:
            self.shard_ids = list(own_shards.ids)
        Route.BASE = config.discord.api_base.rstrip("/")  # discord.py has one address for the whole process
        self._config = config
        self._adopt = adopt
        self._absent_s = absent_s
        self._shards = Shards()
        self.unparsed = UnparsedEvents(self._read_again)
        parsers = self._connection.parsers
        parsers["INTERACTION_CREATE"] = learning_age(self.get_guild, parsers["INTERACTION_CREATE"])
        # Live messages are read from Discord's payloads, as messages of history are. discord.py would make objects of
        # them.
        parsers["MESSAGE_CREATE"] = lambda payload: self._events.message(payload)
        parsers["MESSAGE_UPDATE"] = lambda payload: self._events.edit(payload)
        OwnGuilds(own_shards).wrap(parsers)
        self.unparsed.wrap(parsers)
        asking = TokenBuckets(config.limits.per_minute, config.limits.burst)
        self.tree = Commands(self, asking, completion_buckets(config.limits))
        crawl = config.settings.crawl
        pace = shared_pace(own_shards.share, config.discord.history_per_second)
        self.history = DiscordHistory(self, stickers=crawl.stickers, bots=crawl.bots, pace=pace)
        self.thread_members = ThreadMembers(self.http, self.history.rest.shielded)
        self._context: CommandContext
        self._events: Events
        self._count_events: Callable[[], int] = lambda: 0  # none comes before `serving`
        self._disk_notices: DiskNotices
        self.saved_notices: SavedSearchNotices
        self.watch_notices: WatchNotices
        self._tasks: asyncio.TaskGroup
        self._spawned: set[asyncio.Task[None]] = set()
        self._settling: Settling
        self._settled = asyncio.Event()
        self._identify_s = identify_s
        self._identifying: Identifying | None = None  # from the connection on

    async def log_in(self, token: Secret) -> None:
        """Sends Discord the token, over HTTP only. Runs before anything is opened that takes much time or memory.

        Raises DiscordRefused where Discord does not accept the bot, or does not give it the content of messages.
        """
        with refusals(self._config.discord.api_base):
            await self.login(token.reveal())

    @asynccontextmanager
    async def serving(self, service: Service, drain_s: float) -> AsyncIterator[asyncio.Task[None]]:
        """Connects, and serves until the block ends. Yields the task that ends when the connection has ended for good.

        Needs `log_in` first. At the end the bot accepts no new command. Running commands may finish, for at most
        `drain_s` seconds, and tasks that were spawned are cancelled. Raises StorageError where the data folder belongs
        to another application, DiscordRefused where Discord does not accept the bot, Stop where the indexer cannot go
        on (as an exception group).
        """
        await self._claim(service)
        self._context = CommandContext(
            service=service,
            config=self._config,
            spawn=self._spawn,
            presses=press_buckets(self._config.limits),
            completion=QuestionCompletion(service),
            following=Following(),
        )
        events = self._events = Events(self, service, self.history)
        self._count_events = lambda: events.waiting
        self._disk_notices = DiskNotices(self, service)
        members = AbsentMembers(self.history.rest.shielded)
        minutes = self._config.limits.notice_minutes
        self.saved_notices = SavedSearchNotices(self, service, members, self.thread_members, minutes)
        self.watch_notices = WatchNotices(self, service)
        self._settling = Settling(self, self._context, self._events, self._absent_s, self._settled)
        register_all(self.tree, self._context)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            # Not supervised: discord.py reconnects by itself, and an error that it gives up on ends the bot.
            connection = tasks.create_task(self._stay_connected(), name="connection")
            background = [
                tasks.create_task(self._events.run(), name="events"),
                tasks.create_task(self._settling.run(), name="settling in"),
                tasks.create_task(supervised("absences", self._watch_absences, service.faults), name="absences"),
                tasks.create_task(supervised("unwanted", self._forget_unwanted, service.faults), name="unwanted"),
                tasks.create_task(supervised(DISK_NOTICES, self._watch_disk, service.faults), name=DISK_NOTICES),
                *(
                    tasks.create_task(supervised(name, self._tells(notices.round), service.faults), name=name)
                    for name, notices in ((SAVED_NOTICES, self.saved_notices), (WATCH_NOTICES, self.watch_notices))
                ),
            ]
            try:
                yield connection
            finally:
                await self._drain(drain_s)
                await self.close()
                await self.thread_members.close()
                await self.history.close()
                for task in (connection, *background, *self._spawned):
                    task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        async def watched() -> None:
            with contained(name, self._context.service.faults):
                await work

        task = self._tasks.create_task(watched(), name=name)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)

    async def _drain(self, deadline_s: float) -> None:
        """Refuses new commands, stops reading history, and waits a limited time for running commands and events."""
        self.tree.stopping = True
        try:
            async with asyncio.timeout(deadline_s):
                await self._context.service.jobs.drain()
                while self.tree.in_hand:
                    await asyncio.wait(set(self.tree.in_hand))
                await self._events.settled()
        except TimeoutError:
            logger.warning("%d commands were not finished in %.0f s", len(self.tree.in_hand), deadline_s)

    def is_serving(self) -> bool:
        """Connected, with every server known, and not about to stop."""
        return self._settled.is_set() and self.is_ready() and not self.is_closed() and not self.tree.stopping

    async def wait_until_serving(self) -> None:
        await self._settled.wait()

    def beat(self) -> Beat:
        """The state that is written to the health file."""
        away = self._shards.away(silences(self.shards))
        latencies = [shard.latency for shard in self.shards.values() if math.isfinite(shard.latency)]
        return Beat(
            serving=self.is_serving(),
            shards=len(self.shards),
            which=self._config.discord.shards.words,
            waits_until=None if self._identifying is None else self._identifying.waits_until,
            shards_away=len(away),
            away_since=round(min(away.values()), 3) if away else None,
            latency_ms=round(max(latencies) * 1000, 1) if latencies else None,
            unparsed_events=self.unparsed.total,
            events_waiting=self._count_events(),
        )

    async def launch_shard(self, gateway: yarl.URL, shard_id: int, *, initial: bool = False) -> None:
        """Does what discord.py's method does, in the shard's turn, but reconnects after a READY that cannot be read."""
        assert self._identifying is not None, "made before the client connects"
        await self._identifying.turn(shard_id)
        await super().launch_shard(gateway, shard_id, initial=initial)
        shard = self.shards[shard_id]._parent
        self.unparsed.guard(shard)  # no event has been read yet: another task reads them
        self._identifying.guard(shard)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Not discord.py's pause of 5 s, which knows nothing of other processes."""
        assert self._identifying is not None, "made before the client connects"
        await self._identifying.sends(shard_id or 0)

    async def setup_hook(self) -> None:
        """Runs at the end of the login. Raises DiscordRefused where the intent for message content is missing."""
        flags = self.application_flags
        if not (flags.gateway_message_content or flags.gateway_message_content_limited):
            raise DiscordRefused(NO_MESSAGE_CONTENT)
        logger.info("to invite the bot to a server, open %s", invitation(self.application_id))

    async def _claim(self, service: Service) -> None:
        """Raises StorageError where another application has read the contents of the data folder."""
        assert self.application_id is not None, "known from the login on"
        former = await service.claim(self.application_id, adopt=self._adopt)
        if former is not None:
            logger.warning("application %d has taken over the index of application %d", self.application_id, former)

    async def _forget_unwanted(self) -> None:
        assert self.user is not None, "known from the login on"
        await forget_unwanted(self._context.service, UserId(self.user.id))

    async def _stay_connected(self) -> None:
        with refusals(self._config.discord.api_base):
            # After an invalidated session discord.py connects to this address, whichever server it was connected to.
            recommended, gateway, limits = await self.http.get_bot_gateway()
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)
            shards = self._config.discord.shards
            await self.tree.set_translator(Translator())
            if shards.registers:  # once for all processes of the bot
                await sync_if_changed(self.tree)
            service, spawn = self._context.service, partial(self._spawn, name=IDENTIFYING)
            with open_identifying(self, self._config, service, spawn, self._identify_s) as self._identifying:
                starts = SessionStarts.of(limits)
                await self._identifying.room(len(shards.ids) or recommended, START_SHARE, starts)
                await self.connect()

    async def on_ready(self) -> None:
        """Connected, or connected again with all servers known."""
        self._settling.ready()

    async def _watch_absences(self) -> None:
        """Forgets servers that stay away for a long time, also if the bot never reconnects. Runs until cancelled."""
        await self._settled.wait()
        while True:
            await asyncio.sleep(LOOK_FOR_ABSENT_S)
            if not self.beat().shards_away:
                await self._settling.note_absent()

    async def _watch_disk(self) -> None:
        await self._settled.wait()
        await self._disk_notices.watch()

    def _tells(self, look: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[None]]:
        async def tell() -> None:
            await self._settled.wait()
            await rounds.keep(look)

        return tell

    async def on_guild_available(self, guild: discord.Guild) -> None:
        if self.is_ready():  # until then requests are refused; settling takes in every server that came before
            self._events.guild(guild.id, lambda: self._settling.take_in(guild))

    async def on_guild_join(self, guild: discord.Guild) -> None:
        logger.info("joined guild %d; nothing is read until /reindex start, or with crawl.start = auto", guild.id)
        self._events.guild(guild.id, lambda: self._settling.take_in(guild))

    async def on_guild_update(self, before: discord.Guild, after: discord.Guild) -> None:
        if before.name != after.name:
            renamed, live = Guild(GuildId(after.id), after.name), self._context.service.live
            self._events.guild(after.id, lambda: live.on_guild_join(renamed))

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        logger.info("removed from guild %d: all of it is forgotten", guild.id)
        await self._events.guild_gone(guild.id)

    async def on_shard_disconnect(self, shard_id: int) -> None:
        self._shards.lost(shard_id)

    async def on_shard_connect(self, shard_id: int) -> None:
        if self._identifying is not None:
            self._identifying.accepted(shard_id)
        self._context.service.hit_verifier.forget()  # a new session tells nothing of what was deleted before it
        self._shards.back(shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        self._shards.back(shard_id)

    def _read_again(self, guild_id: int) -> None:
        self._events.lost(guild_id)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        await answer_if_forged(interaction)

    async def on_app_command_completion(self, interaction: discord.Interaction[Any], command: object) -> None:
        await self._disk_notices.tell_manager(interaction)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        await self._events.delete(payload.guild_id, {payload.message_id})

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        await self._events.delete(payload.guild_id, payload.message_ids)

    async def on_guild_channel_create(self, channel: discord.abc.GuildChannel) -> None:
        self._events.channel(channel)

    async def on_guild_channel_update(self, before: discord.abc.GuildChannel, after: discord.abc.GuildChannel) -> None:
        self._events.channel(after)
        if before.overwrites != after.overwrites or is_hidden(before):
            self._events.permissions(after.guild)

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        await self._events.channel_gone(channel.guild.id, channel.id)

    async def on_thread_create(self, thread: discord.Thread) -> None:
        self._events.channel(thread)

    async def on_thread_join(self, thread: discord.Thread) -> None:
        if thread.is_private():  # a public thread could be read before
            self._events.opened(thread)

    async def on_thread_update(self, before: discord.Thread, after: discord.Thread) -> None:
        self._events.channel(after)

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        await self._events.channel_gone(payload.guild_id, payload.thread_id)

    async def on_guild_role_update(self, before: discord.Role, after: discord.Role) -> None:
        if before.permissions != after.permissions:
            self._events.permissions(after.guild)

    async def on_guild_role_delete(self, role: discord.Role) -> None:
        self._events.permissions(role.guild)

    async def on_member_update(self, before: discord.Member, after: discord.Member) -> None:
        if self.user is not None and after.id == self.user.id and before.roles != after.roles:
            self._events.permissions(after.guild)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        logger.exception("an event (%s) failed", event_method)
        if isinstance(error, Stop):
            self._tasks.create_task(_raise(error), name="stop")  # its parent task ends the bot, and reports the reason


async def _raise(error: Stop) -> None:
    raise error
