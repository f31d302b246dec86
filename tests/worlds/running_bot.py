"""The real bot inside the test's process: our client and indexer over real sockets, against a sandbox.

Only the model is a small substitute, so that a test does not need torch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import discord
import numpy as np
from discord.gateway import DiscordWebSocket
from PIL import Image

from bot.config.tables import Config, DiscordSettings, LimitSettings
from bot.config.values import Secret
from bot.gateway.client import Client
from indexer import ports
from indexer.records.ids import GuildId
from indexer.search.model_switch import OpenModel
from indexer.service import Service, open_service
from indexer.settings import CrawlSettings, DecodeSettings, FetchSettings, Settings
from indexer.store import channels
from sandbox.members import Person
from sandbox.permissions import Permission
from sandbox.server import Sandbox, open_sandbox
from sandbox.world import Channel, File, Guild, Member, User, World
from tests.worlds.encoder import Encoder
from tests.worlds.migrated import migrated
from tests.worlds.picture_files import encoded
from tests.worlds.tables import Tables
from tests.worlds.waiting import DEADLINE_S, until, until_equals


def noise(seed: int, size: tuple[int, int] = (40, 30)) -> File:
    """A small picture as a file that a member posts, a different one for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST)
    return File.of(f"noise-{seed}.png", encoded(image, "PNG"))


@dataclass
class Town:
    """A small world: owner and member, a public and a private channel with pictures, and a channel for commands."""

    world: World
    guild: Guild
    owner: Member
    member: Member
    pictures: Channel
    secret: Channel
    talk: Channel


def town(pictures: int = 6, *, secrets: int = 2, others: int = 20) -> Town:
    world = World()
    ada, bo = world.user("ada", "Ada"), world.user("bo", "Bo")
    guild = world.guild("Town", ada)
    member = guild.join(bo)
    shown = guild.channel("pictures")
    talk = guild.channel("talk")
    secret = guild.channel(
        "secret",
        overwrites=[
            guild.everyone.overwrite(deny=Permission.VIEW_CHANNEL),
            guild.me.overwrite(allow=Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY),
        ],
    )
    for at in range(others):
        talk.post(bo, f"only words {at}")
    for at in range(pictures):
        shown.post(bo, f"picture number {at}", files=[noise(at)])
    for at in range(secrets):
        secret.post(ada, f"secret {at}", files=[noise(1000 + at)])
    return Town(world, guild, guild.members[ada.id], member, shown, secret, talk)


@dataclass
class Running:
    """A bot that is connected and serves. For a restart, open another `running` with the same data folder."""

    sandbox: Sandbox
    client: Client
    service: Service
    data_dir: Path

    def person(self, who: User | Member) -> Person:
        return self.sandbox.member(who)

    async def indexed(self, guild: Guild) -> None:
        """Waits until the guild's newest job and the catch-up after it have ended:
        then nothing reads history any more.
        """

        async def ended() -> bool:
            job = await self.service.jobs.newest(GuildId(guild.id))
            return job is not None and job.state not in ("running", "paused") and not self.service.jobs._running

        await until(ended)

    async def count(self, sql: str, *values: object) -> int:
        """The number that a query returns."""
        return await Tables(self.service.db).count(sql, *values)

    async def embedded(self, count: int) -> None:
        """Waits until exactly so many pictures have their embedding."""
        await until_equals(count, lambda: self.count("SELECT count(*) FROM embeddings"))

    async def parked(self, channel: Channel) -> bool:
        """Whether the index knows the channel as closed to the bot."""
        async with self.service.db.reader() as connection:
            return channel.id in await channels.parked(connection, GuildId(channel.guild.id))


def config_for(sandbox: Sandbox, data_dir: Path, *, start: str = "manual") -> Config:
    settings = Settings(
        data_dir=data_dir,
        fetch=FetchSettings(insecure_hosts=(sandbox.cdn_host,)),
        decode=DecodeSettings(workers=1),
        crawl=CrawlSettings(start=start),
    )
    connection = DiscordSettings(token=Secret(sandbox.token), api_base=sandbox.api_base)
    return Config(settings=settings, discord=connection, limits=LimitSettings(per_minute=6000, burst=1000))


Change = Callable[[Config], Config]


def with_crawl(**settings: Any) -> Change:
    """Changes the crawl's settings."""

    def change(config: Config) -> Config:
        crawl = replace(config.settings.crawl, **settings)
        return replace(config, settings=replace(config.settings, crawl=crawl))

    return change


with_auto_start = with_crawl(start="auto")


@asynccontextmanager
async def running(
    world: World | Sandbox,
    data_dir: Path,
    change: Change = lambda config: config,
    encoder: ports.Encoder | None = None,
    open_model: OpenModel | None = None,
    **options: Any,
) -> AsyncIterator[Running]:
    """The bot against `world`, until the block ends. A sandbox that runs continues to serve.
    `options` are the client's.
    """
    async with as_sandbox(world) as sandbox:
        config = change(config_for(sandbox, migrated(data_dir)))
        assert config.discord.token is not None
        with (  # discord.py stores both for the whole process
            mock.patch.object(discord.http.Route, "BASE"),
            mock.patch.object(DiscordWebSocket, "DEFAULT_GATEWAY"),
        ):
            async with Client(config, ready_s=0.1, identify_s=0.0, **options) as client:
                await client.log_in(config.discord.token)
                async with (
                    open_service(
                        config.settings,
                        client.history,
                        encoder or Encoder(),
                        open_model,
                        serves=config.discord.shards.serves,
                    ) as service,
                    client.serving(service, DEADLINE_S) as connection,
                ):
                    await _ready(client, connection)
                    yield Running(sandbox, client, service, data_dir)


@asynccontextmanager
async def indexed(
    place: Town, data_dir: Path, sandbox: Sandbox | None = None, change: Change = with_auto_start, **options: Any
) -> AsyncIterator[Running]:
    """`running`, once all that the town shows is indexed. `sandbox`: one that serves the town already."""
    async with running(sandbox or place.world, data_dir, change, **options) as bot:
        await bot.indexed(place.guild)
        yield bot


async def _ready(client: Client, connection: asyncio.Task[None]) -> None:
    ready = asyncio.create_task(client.wait_until_serving())
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait({ready, connection}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        ready.cancel()
        connection.result()


@asynccontextmanager
async def as_sandbox(world: World | Sandbox) -> AsyncIterator[Sandbox]:
    if isinstance(world, Sandbox):
        yield world
    else:
        async with open_sandbox(world) as sandbox:
            yield sandbox
