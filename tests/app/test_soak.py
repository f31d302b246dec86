"""Ten minutes of everything that breaks, all at once: nobody goes without an answer, and nothing grows or is left."""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

from indexer.encode.process import WORKER as MODEL
from sandbox.server import open_sandbox
from tests.soak import SOAK
from tests.worlds.small_disk import small_disk
from tests.worlds.soak_town import READER, SoakTown, soak_world
from tests.worlds.soaked_bot import SoakedBot, soaked_bot

WHOLE_S: Final = 600.0
SOAK_S: Final = float(os.environ.get("AFTERIMAGE_SOAK_S", WHOLE_S))  # shorter, to look for a fault
PICTURES: Final = 600
CALM_EVERY_S: Final = 30.0  # in which nothing breaks, what waits is done, and memory is measured
CALM_S: Final = 240.0  # the longest time until all that waited is done
WARM_SHARE: Final = 0.25  # of the measurements: caches and pools fill up
FLAT: Final = 1.05
SAMPLE: Final = 150


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 400) as folder:
        yield folder


@pytest.mark.soak
@pytest.mark.alone
@pytest.mark.timeout(SOAK_S * 2 + 900)
@pytest.mark.skipif(not SOAK, reason="ten minutes; set AFTERIMAGE_SOAK=1")
async def test_whatever_breaks_all_are_answered_all_is_found_and_nothing_grows(disk: Path, tmp_path: Path) -> None:
    world, guild, people, posted = soak_world(PICTURES)
    async with open_sandbox(world) as sandbox:
        settings = {"storage.min_free_bytes": 1_000_000, "crawl.start": "auto"}
        async with soaked_bot(sandbox, disk / "data", tmp_path / "bot.log", **settings) as bot:
            draws = random.Random(12)
            town = SoakTown(sandbox, guild, people, bot, tmp_path / "export", draws, PICTURES, posted)
            await _everything_is_found(town)
            before = await _calm(town)
            measured = await _soaked(town, disk, SOAK_S)
            await _eventually(lambda: _idle(bot))
            await town.job()  # what was posted while the disk was full is stored by the next reading
            await _everything_is_found(town)
            await _what_was_deleted_is_shown_to_no_member(town)
            after = await _calm(town)
            with suppress(TimeoutError):
                await _eventually(lambda: _as_before(bot, before, after))
        assert bot.complaints() == []
    assert _grown(before["tasks"], after["tasks"]) == []
    assert after["files"] <= before["files"] + 8  # segments of what came meanwhile
    if SOAK_S < WHOLE_S:
        return  # caches and pools are not full yet
    # The model and what opens pictures are killed again and again: only the bot itself lives long enough to grow.
    memory = [own_mb for own_mb, _ in measured]
    warm = memory[round(len(memory) * WARM_SHARE) :]
    third = max(len(warm) // 3, 1)
    assert statistics.median(warm[-third:]) <= FLAT * statistics.median(warm[:third]), memory


async def _soaked(town: SoakTown, disk: Path, seconds: float) -> list[tuple[float, float]]:
    """The memory at each calm moment."""
    measured: list[tuple[float, float]] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(min(CALM_EVERY_S, max(ends - time.monotonic(), 1.0)), stop.set)
        await _round(town, disk, stop)
        await _calm(town)
        own_mb, every_mb = await asyncio.to_thread(town.bot.memory_mb, MODEL, READER)
        measured.append((own_mb, every_mb))
        at_s = seconds - ends + time.monotonic()
        print(f"{at_s:4.0f} s  {own_mb:.1f} MB, {every_mb:.1f} MB  {dict(town.done)}", flush=True)
    return measured


async def _round(town: SoakTown, disk: Path, stop: asyncio.Event) -> None:
    """Everything at once until `stop`: each of these at its own pace, in seconds between two times."""

    async def again(do: Callable[[], Awaitable[None]], pause_s: float) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s * town.draws.uniform(0.5, 1.5)):
                    await stop.wait()
            if not stop.is_set():
                await do()

    async with asyncio.TaskGroup() as tasks:
        for do, pause_s in (
            (town.post, 0.6),
            (town.question, 0.8),
            (town.question, 1.1),
            (town.operator, 0.3),
            (town.operator, 0.4),
            (town.watcher, 0.2),
            (town.watcher, 0.5),
            (town.job, 9.0),
            (town.archive, 10.0),
            (town.gateway, 6.0),
            (town.storm, 4.0),
            (town.killed_model, 12.0),
            (town.killed_reader, 5.0),
            (lambda: town.full_disk(disk), 20.0),
        ):
            tasks.create_task(again(do, pause_s))


async def _calm(town: SoakTown) -> dict[str, Any]:
    """What the bot has in hand once all that waited is done and every process has been needed."""
    bot = town.bot
    await _eventually(lambda: _idle(bot))
    for word in list(town.posted)[:3]:
        hits = (await _answered(bot, f"{town.path}/search?q={word}"))["hits"]
        await bot.ask(hits[0]["thumbnail"])
    await town.question()
    return await bot.in_hand()


async def _idle(bot: SoakedBot) -> bool:
    """Whether no job runs and no picture waits."""
    guilds = (await _answered(bot, "/api/v1/guilds"))["guilds"]
    jobs = [(await _answered(bot, f"/api/v1/guilds/{guild['id']}/jobs"))["jobs"] for guild in guilds]
    return not any(guild["pending"] for guild in guilds) and all(
        job["state"] != "running" for listed in jobs for job in listed
    )


async def _eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Asks every second, so that asking is no load of its own."""
    async with asyncio.timeout(CALM_S):
        while not await holds():  # noqa: ASYNC110 -- only asking again tells whether it holds by now
            await asyncio.sleep(1.0)


async def _answered(bot: SoakedBot, path: str) -> Any:
    """The answer; the bot may have been without a database, or without a model, a moment ago."""
    while True:
        status, body = await bot.ask(path)
        if status == 200:
            return json.loads(body)
        assert status in (429, 503), body
        await asyncio.sleep(0.5)


async def _everything_is_found(town: SoakTown) -> None:
    """Every picture that is there can be searched, and each of a sample is found by its word.

    What was deleted while the gateway was away is still stored: the sweep, which is slow, finds that.
    """
    bot = town.bot

    async def all_ready() -> bool:
        guilds = {guild["id"]: guild for guild in (await _answered(bot, "/api/v1/guilds"))["guilds"]}
        guild = guilds.get(str(town.guild.id))
        if guild is not None and guild["failed"]:
            await bot.ask(f"{town.path}/failures/retry", method="POST")
        print(guild, len(town.posted), flush=True)
        return guild is not None and not guild["pending"] and bool(guild["ready"] >= len(town.posted))

    await _eventually(all_ready)
    for word in town.draws.sample(list(town.posted), min(SAMPLE, len(town.posted))):
        hits = (await _answered(bot, f"{town.path}/search?q={word}"))["hits"]
        assert hits[0]["message_id"] == str(town.posted[word].id), (word, hits[:1])


async def _what_was_deleted_is_shown_to_no_member(town: SoakTown) -> None:
    """Also what was deleted while the gateway was away: each hit is looked up in Discord."""
    asker = town.sandbox.member(town.people[0], town.guild)
    for word in town.draws.sample(town.deleted, min(10, len(town.deleted))):
        reply = await asker.slash(town.talk, "similar", {"text": word}, timeout_s=90)
        assert word not in reply.text().split(), word


async def _as_before(bot: SoakedBot, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether no task is left, seen again: that of a kept connection ends when nothing comes on it for a while."""
    after.update(await bot.in_hand())
    return not _grown(before["tasks"], after["tasks"])


def _grown(before: list[str], after: list[str]) -> list[str]:
    """Names of tasks of which there are more; tasks without a name of their own count as one."""

    def counted(names: list[str]) -> dict[str, int]:
        plain = ["Task" if name.startswith("Task-") else name for name in names]
        return {name: plain.count(name) for name in plain}

    was = counted(before)
    return [
        f"{name}: {was.get(name, 0)} → {count}" for name, count in counted(after).items() if count > was.get(name, 0)
    ]
