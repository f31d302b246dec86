"""Whatever goes wrong on the way, the index ends as if nothing had: faults of Discord, and the process killed.

AFTERIMAGE_SOAK=1 runs all 50 kills and ten storms; the normal run takes a few of each.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from indexer.progress import State
from indexer.records.ids import GuildId
from sandbox.faults import Faults
from sandbox.server import Sandbox, open_sandbox
from sandbox.world import ChannelKind as Kind
from sandbox.world import File, Guild, World
from tests.soak import SOAK, tries
from tests.worlds.crawling import logged_in, open_index
from tests.worlds.picture_files import picture
from tests.worlds.waiting import until

STORMS = range(1, 11) if SOAK else range(1, 3)

ROOT = Path(__file__).parents[2]
Rows = dict[str, list[tuple[object, ...]]]


def server() -> tuple[World, Guild]:
    """Five channels and threads, 1,200 messages, a picture in every sixth; some are the same, some are broken."""
    world = World()
    mara = world.user("mara", "Mara")
    guild = world.guild("Meadow", mara)
    forum = guild.channel("forum", Kind.FORUM)
    places = [guild.channel("chat"), guild.channel("news", Kind.ANNOUNCEMENT), guild.channel("voice", Kind.VOICE)]
    places += [forum.thread("post", mara), forum.thread("old post", mara, archived=True)]
    for number in range(1200):
        files = []
        if number % 6 == 0:
            data = b"broken" if number % 300 == 0 else picture(number % 90)
            files = [File.of(f"{number}.png", data)]
        places[number % 5].post(mara, f"message {number}", files=files)
    return world, guild


async def crawled(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, folder: Path, guild: Guild, seed: int) -> Rows:
    """The rows of a whole crawl, under the storm of `seed` (0: calm)."""
    async with (
        logged_in(sandbox, monkeypatch) as history,
        open_index(sandbox, history, folder, guild.id) as index,
    ):
        storm = Faults.storm(seed)
        sandbox.faults.seed, sandbox.faults.rates = seed, storm.rates if seed else {}
        try:
            progress = await index.pipeline.run_guild(GuildId(guild.id))
        finally:
            sandbox.faults.rates = {}
        assert progress.state is State.DONE
        assert progress.failed == 4  # the broken files
        return await index.rows()


@pytest.mark.soak
@pytest.mark.parametrize("seed", STORMS)
async def test_a_crawl_through_a_storm_ends_like_a_calm_one(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, guild = server()
    async with open_sandbox(world) as sandbox:
        calm = await crawled(sandbox, monkeypatch, tmp_path / "calm", guild, 0)
        assert not sandbox.faults.struck
        stormy = await crawled(sandbox, monkeypatch, tmp_path / "stormy", guild, seed)
        assert sandbox.faults.struck.total() > 40
    assert stormy == calm


@tries(usual=3, soak=50, part=10)
async def test_a_crawl_that_is_killed_again_and_again_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numbers: range
) -> None:
    world, guild = server()
    fates = random.Random(4 + numbers[0])
    async with open_sandbox(world) as sandbox:
        calm = await crawled(sandbox, monkeypatch, tmp_path / "calm", guild, 0)
        sandbox.faults.delay_s = 0.01  # so that there is time to be killed in
        for _ in numbers:
            await _killed(sandbox, tmp_path / "killed", guild, after=fates.randint(1, 60))
        sandbox.faults.delay_s = 0.0
        ended = await crawled_again(sandbox, monkeypatch, tmp_path / "killed", guild)
    assert ended == calm


async def crawled_again(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, folder: Path, guild: Guild) -> Rows:
    async with (
        logged_in(sandbox, monkeypatch) as history,
        open_index(sandbox, history, folder, guild.id) as index,
    ):
        assert (await index.pipeline.run_guild(GuildId(guild.id))).state is State.DONE
        return await index.rows()


async def _killed(sandbox: Sandbox, folder: Path, guild: Guild, *, after: int) -> None:
    """Starts a crawl in a process of its own and kills it `after` that many requests, or when it is done."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.worlds.crawl_child", sandbox.base_url, sandbox.token, str(guild.id), str(folder),
        cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        enough = _requests(sandbox) + after
        await until(lambda: _requests(sandbox) >= enough or child.returncode is not None)
    finally:
        if child.returncode is None:
            child.kill()
        _, complaints = await child.communicate()
    assert child.returncode in (-9, 0), complaints.decode()


def _requests(sandbox: Sandbox) -> int:
    """Pages of history and pictures served so far."""
    counts = sandbox.record.counts
    return sum(count for route, count in counts.items() if "messages" in route or not route.startswith("GET /g"))
