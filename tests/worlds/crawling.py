"""An unmodified discord.py client on a sandbox, used as a History, with an index of its own to crawl into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import discord
import pytest

from bot.history.discord_history import DiscordHistory
from bot.history.rest import RequestBudget
from indexer.crawl.histories import Histories
from indexer.database.database import open_database
from indexer.ingest.pipeline import Pipeline
from indexer.pictures.decoder import open_decoder
from indexer.pictures.fetch import open_fetcher
from indexer.records.ids import GuildId
from indexer.records.messages import Channel, Guild
from indexer.settings import CrawlSettings, DecodeSettings, FetchSettings, Settings
from indexer.store import embeddings, guilds
from indexer.supervisor import Faults
from tests.worlds.encoder import SIZE, Encoder
from tests.worlds.migrated import migrated
from tests.worlds.tables import Tables
from tests.worlds.waiting import DEADLINE_S


class Address(Protocol):
    """The address of a sandbox: a `Sandbox`, or a description that another process received."""

    @property
    def base_url(self) -> str: ...
    @property
    def api_base(self) -> str: ...
    @property
    def cdn_host(self) -> str: ...
    @property
    def token(self) -> str: ...


class Bot(discord.AutoShardedClient):
    """A minimal client that is ready soon."""

    def __init__(self, *, budget: RequestBudget, intents: discord.Intents | None = None) -> None:
        wanted = intents or discord.Intents(guilds=True, guild_messages=True, message_content=True)
        super().__init__(intents=wanted, guild_ready_timeout=0.2, max_messages=None, http_trace=budget.trace())
        self.came = asyncio.Event()

    async def on_ready(self) -> None:
        self.came.set()


@asynccontextmanager
async def logged_in(
    sandbox: Address,
    monkeypatch: pytest.MonkeyPatch,
    *,
    budget: RequestBudget | None = None,
    intents: discord.Intents | None = None,
    stickers: bool = False,
    bots: bool = True,
) -> AsyncIterator[DiscordHistory]:
    """The history that a bot connected to `sandbox` sees."""
    monkeypatch.setattr(discord.http.Route, "BASE", sandbox.api_base)
    budget = budget or RequestBudget()
    async with Bot(budget=budget, intents=intents) as bot:
        running = asyncio.create_task(bot.start(sandbox.token))
        ready = asyncio.create_task(bot.came.wait())
        history = DiscordHistory(bot, stickers=stickers, bots=bots, budget=budget)
        try:
            await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE_S)
            if running.done():
                running.result()
            assert ready.done(), "the bot never became ready"
            yield history
        finally:
            ready.cancel()
            await history.close()
            await bot.close()
            running.cancel()
            await asyncio.gather(running, ready, return_exceptions=True)


@dataclass
class Index(Tables):
    """A pipeline on a sandbox's history, and the rows that it wrote."""

    pipeline: Pipeline
    encoder: Encoder


@asynccontextmanager
async def open_index(
    sandbox: Address, history: DiscordHistory, data_dir: Path, guild_id: int, crawl: CrawlSettings | None = None
) -> AsyncIterator[Index]:
    """An index in `data_dir` for a guild that consented."""
    async with AsyncExitStack() as stack:
        settings = Settings(
            data_dir=data_dir,
            fetch=FetchSettings(insecure_hosts=(sandbox.cdn_host,)),
            decode=DecodeSettings(workers=1),
            crawl=crawl or CrawlSettings(),
        )
        db = await stack.enter_async_context(open_database(migrated(data_dir)))
        encoder = Encoder()
        fetcher = await stack.enter_async_context(open_fetcher(settings.fetch, SIZE))
        decoder = await stack.enter_async_context(open_decoder(settings.decode, encoder.pixel_spec))
        async with db.transaction() as tx:
            model_id = await embeddings.model_id(tx, encoder.spec)
            await guilds.upsert(tx, Guild(GuildId(guild_id), "Test"))
            await guilds.set_consent(tx, GuildId(guild_id), True)
        pipeline = await stack.enter_async_context(
            Pipeline(db, Histories(db, history), fetcher, decoder, encoder, model_id, settings, Faults())
        )
        yield Index(db, pipeline, encoder)


async def listed(history: DiscordHistory, guild_id: int) -> list[Channel]:
    """Every channel that the history offers, with the parents' names unchanged."""
    return [replace(channel) async for channel in history.channels(GuildId(guild_id))]
