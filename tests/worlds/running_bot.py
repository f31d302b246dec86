"""The real bot inside the test's process: our client and indexer over real sockets, against a sandbox.

Only the model is a small stand-in, so that a test costs no torch.
"""

from __future__ import annotations

import asyncio
import io
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import discord
import numpy as np
from discord.gateway import DiscordWebSocket
from PIL import Image

from bot.config.loader import Config, DiscordSettings, LimitSettings, Secret
from bot.gateway.client import Client
from indexer.model import GuildId, ModelSpec, Pixels, PixelSpec, Vectors
from indexer.ports import Priority
from indexer.search.model_switch import OpenModel
from indexer.service import Service, open_service
from indexer.settings import CrawlSettings, DecodeSettings, FetchSettings, Settings
from sandbox.members import Person
from sandbox.server import Sandbox, open_sandbox
from sandbox.world import Channel, File, Guild, Member, User, World

DEADLINE_S = 60.0  # never reached on a machine that is not overloaded
SIZE = 16


class Encoder:
    """A port's stand-in: pictures by their own low-frequency part, words by their spelling."""

    def __init__(self, dimension: int = 32, size: int = SIZE) -> None:
        self.spec = ModelSpec("in-test", "none", dimension, "00")
        self.pixel_spec = PixelSpec(size=size)
        self.gate: asyncio.Event | None = None  # where there is one, pictures wait for it
        self._map = np.random.default_rng(0).standard_normal((size * size * 3, dimension)).astype(np.float32)

    async def encode_pixels(self, frames: Sequence[Pixels], priority: Priority = Priority.INDEXING) -> Vectors:
        if self.gate is not None:
            await self.gate.wait()
        flat = np.stack([frame.reshape(-1) for frame in frames]).astype(np.float32) / 255 - 0.5
        return _unit(np.stack([row @ self._map for row in flat]))

    async def encode_words(self, texts: Sequence[str], priority: Priority = Priority.QUERY) -> Vectors:
        rows = [np.random.default_rng(zlib.crc32(text.encode())).standard_normal(self.spec.dimension) for text in texts]
        return _unit(np.stack(rows))


def _unit(rows: np.ndarray) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def noise(seed: int, size: tuple[int, int] = (40, 30)) -> File:
    """A small picture, another one for each seed, as a file that a member posts."""
    coarse = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    held = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST).save(held, "PNG")
    return File.of(f"noise-{seed}.png", held.getvalue())


@dataclass
class Town:
    """A small world: owner and member, a public and a private channel with pictures, a channel to command from."""

    world: World
    guild: Guild
    owner: Member
    member: Member
    pictures: Channel
    secret: Channel
    talk: Channel


def town(pictures: int = 6, *, secrets: int = 2, others: int = 20) -> Town:
    from sandbox.permissions import Permission

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
    """A bot that is connected and serves. `restart` with the same data folder is another `running`."""

    sandbox: Sandbox
    client: Client
    service: Service
    data_dir: Path

    def person(self, who: User | Member) -> Person:
        return self.sandbox.member(who)

    async def indexed(self, guild: Guild) -> None:
        """Waits until the guild's newest job has ended, and what is caught up with after it: nothing reads any more."""

        async def ended() -> bool:
            job = await self.service.jobs.newest(GuildId(guild.id))
            return job is not None and job.state not in ("running", "paused") and not self.service.jobs._running

        await until(ended)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits until `holds` does; fails after DEADLINE_S."""
    async with asyncio.timeout(DEADLINE_S):
        while not await holds():  # noqa: ASYNC110 -- what is waited for stands in a database, not in an Event
            await asyncio.sleep(0.02)


def config_for(sandbox: Sandbox, data_dir: Path, *, start: str = "manual") -> Config:
    settings = Settings(
        data_dir=data_dir,
        fetch=FetchSettings(insecure_hosts=(sandbox.cdn_host,)),
        decode=DecodeSettings(workers=1),
        crawl=CrawlSettings(start=start),
    )
    connection = DiscordSettings(token=Secret(sandbox.token), api_base=sandbox.api_base)
    return Config(settings=settings, discord=connection, limits=LimitSettings(per_minute=6000, burst=1000))


@asynccontextmanager
async def running(
    world: World | Sandbox,
    data_dir: Path,
    change: Callable[[Config], Config] = lambda config: config,
    encoder: Encoder | None = None,
    open_model: OpenModel | None = None,
    **options: Any,
) -> AsyncIterator[Running]:
    """The bot against `world` (a running sandbox serves on), until the block ends. `options` are the client's."""
    async with as_sandbox(world) as sandbox:
        config = change(config_for(sandbox, data_dir))
        assert config.discord.token is not None
        with (  # discord.py keeps both for the whole process
            mock.patch.object(discord.http.Route, "BASE"),
            mock.patch.object(DiscordWebSocket, "DEFAULT_GATEWAY"),
        ):
            async with Client(config, ready_s=0.1, **options) as client:
                await client.log_in(config.discord.token)
                async with (
                    open_service(config.settings, client.history, encoder or Encoder(), open_model) as service,
                    client.serving(service, DEADLINE_S) as connection,
                ):
                    await _ready(client, connection)
                    yield Running(sandbox, client, service, data_dir)


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


def with_auto_start(config: Config) -> Config:
    crawl = replace(config.settings.crawl, start="auto")
    return replace(config, settings=replace(config.settings, crawl=crawl))
