"""Sparse backfill by Discord's search against paging, over unmodified discord.py and the sandbox in its own process."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import discord

from benchmarks.report import Report
from bot.history.discord_history import DiscordHistory
from bot.history.rest import Pace, RequestBudget
from indexer.crawl.guild_crawl import GuildCrawl, Run
from indexer.database.database import open_database
from indexer.fair_semaphore import FairSemaphore
from indexer.progress import Progress
from indexer.records.ids import GuildId
from indexer.records.messages import Guild
from indexer.settings import CrawlSettings
from indexer.store import guilds
from sandbox.limits import Limit, Limits
from sandbox.server import open_sandbox
from sandbox.world import File, World

SHARE = 0.03  # of messages with pictures
FASTER = 20  # times the field's rate limits, so that an hour's crawl takes minutes


@dataclass(frozen=True, slots=True)
class _Result:
    requests: int
    seconds: float
    places: int


async def search_against_paging(report: Report, folder: Path, messages: int) -> None:
    """One channel of that many messages, 3 % of them with a picture, read both ways."""
    async with _sandbox(messages) as told:
        search = await _read(told, folder / "by-search", use_search=True)
        paging = await _read(told, folder / "by-paging", use_search=False)
    assert search.places == paging.places, "search and paging disagree"
    title = f"{messages:,} messages, 3 % with pictures"
    report.row(f"{title}: requests by paging", paging.requests, "requests")
    report.row(f"{title}: requests by search, samples included", search.requests, "requests")
    ratio = paging.requests / search.requests
    report.row(f"{title}: times fewer requests", ratio, "×", "≥ 6", ratio >= 6)
    report.row(f"{title}: time by paging, limits of the field ÷ {FASTER}", paging.seconds, "s")
    report.row(f"{title}: time by search, limits of the field ÷ {FASTER}", search.seconds, "s")


async def _read(told: dict[str, str], folder: Path, *, use_search: bool) -> _Result:
    discord.http.Route.BASE = told["base"] + "/api/v10"
    budget = RequestBudget()
    intents = discord.Intents(guilds=True, guild_messages=True, message_content=True)
    guild_id = GuildId(int(told["guild"]))
    async with (
        open_database(folder) as db,
        discord.AutoShardedClient(
            intents=intents, max_messages=None, guild_ready_timeout=0.2, http_trace=budget.trace()
        ) as client,
    ):
        ready = asyncio.Event()

        @client.event
        async def on_ready() -> None:
            ready.set()

        running = asyncio.create_task(client.start(told["token"]))
        async with asyncio.timeout(60):
            await ready.wait()
        async with db.transaction() as tx:
            await guilds.upsert(tx, Guild(guild_id, "Bench"))
        history, progress = DiscordHistory(client, budget=budget, pace=Pace(35.0 * FASTER)), Progress(guild_id)

        async def sink(*_: object) -> None:
            await asyncio.sleep(0)

        crawl = GuildCrawl(
            db, history, Run(guild_id), CrawlSettings(use_search=use_search), FairSemaphore(4), progress, sink,
        )  # fmt: skip
        start = time.perf_counter()
        await crawl.run()
        seconds = time.perf_counter() - start
        async with db.reader() as connection:
            ((places,),) = await connection.execute_fetchall("SELECT count(*) FROM places")
        await history.close()
        await client.close()
        await asyncio.gather(running, return_exceptions=True)
    return _Result(progress.requests, seconds, int(places))


@asynccontextmanager
async def _sandbox(messages: int) -> AsyncIterator[dict[str, str]]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.crawl_search", str(messages),
        cwd=Path(__file__).parents[1], stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    try:
        async with asyncio.timeout(120):
            told = json.loads(await child.stdout.readline())
        yield told
    finally:
        child.kill()
        await child.wait()


async def serve(messages: int) -> None:
    """A sandbox with one channel, until killed; prints where it is."""
    world = World()
    mara = world.user("mara", "Mara")
    guild = world.guild("Bench", mara)
    chat = guild.channel("chat")
    start = world.clock.now_ms() - messages * 60_000
    every = round(1 / SHARE)
    for number in range(messages):
        files = [File.drawn(f"{number}.png", lambda: b"", (640, 480))] if number % every == 0 else []
        chat.post(mara, f"message {number}", files=files, at_ms=start + number * 60_000)
    second = 1.0 / FASTER
    limits = Limits(
        Limit(5, second),
        Limit(50, second),
        {"GET /channels/{channel_id}/messages": Limit(5, 5 * second), "GET /gateway/bot": Limit(50, 1.0)},
    )
    async with open_sandbox(world, limits=limits) as sandbox:
        print(json.dumps({"base": sandbox.base_url, "token": sandbox.token, "guild": str(guild.id)}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
