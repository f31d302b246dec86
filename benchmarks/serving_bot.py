"""The real bot against a sandbox, in the benchmark's own process, with limits that no benchmark reaches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.config.tables import Config, DiscordSettings, LimitSettings
from bot.config.values import Secret
from bot.gateway.client import Client
from indexer.ports import Encoder
from indexer.records.ids import GuildId
from indexer.service import Service, open_service
from indexer.settings import CrawlSettings, FetchSettings, OcrSettings, Settings
from sandbox.server import Sandbox


@asynccontextmanager
async def serving_bot(
    sandbox: Sandbox, data_dir: Path, encoder: Encoder, start: str = "manual", *, ocr: bool = False
) -> AsyncIterator[Service]:
    """Connected and serving, until the block ends."""
    settings = Settings(
        data_dir=data_dir,
        fetch=FetchSettings(insecure_hosts=(sandbox.cdn_host,)),
        crawl=CrawlSettings(start=start),
        ocr=OcrSettings(enabled=ocr),
    )
    token = Secret(sandbox.token)
    config = Config(
        settings=settings,
        discord=DiscordSettings(token=token, api_base=sandbox.api_base),
        limits=LimitSettings(per_minute=60_000, burst=1_000),
    )
    async with Client(config) as client:
        await client.log_in(token)
        async with (
            open_service(settings, client.history, encoder) as service,
            client.serving(service, 20.0),
        ):
            await client.wait_until_serving()
            yield service


async def until_indexed(service: Service, guild_id: GuildId, longest_s: float) -> None:
    """Waits until the server's newest job has ended. Raises TimeoutError after `longest_s` seconds."""
    async with asyncio.timeout(longest_s):
        while (job := await service.jobs.newest(guild_id)) is None or job.state == "running":  # noqa: ASYNC110 -- a job tells nobody that it has ended
            await asyncio.sleep(0.1)
