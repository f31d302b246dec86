"""From one process to two, as docs/fleet.md says it: each step is given, with processes, against a sandbox."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.server import Sandbox, open_sandbox
from tests.soak import SOAK
from tests.worlds.child_bot import child, joining
from tests.worlds.commands_here import Done, give_command
from tests.worlds.running_bot import noise
from tests.worlds.sharded_town import ShardedTown, sharded_town
from tests.worlds.waiting import until

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/fleet.md"
STEPS = (  # the commands that the section names, which are given below
    "backup both.tar.zst",
    "restore both.tar.zst --config HIGH",
    "status --config LOW",
    'split "Meadow" /srv/left/meadow --config LOW',
)


def test_the_document_names_the_commands_that_are_given_here() -> None:
    section = DOCUMENT.read_text("utf-8").split("### From one process to two")[1].split("###")[0]
    named = re.findall(r"`afterimage ([^`]+)`", " ".join(section.split()))
    assert [command for command in named if command not in ("reshard", "move")] == list(STEPS)


class Steps:
    """Two configurations, LOW and HIGH, in one folder; a bot that was one process had LOW."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.settings = joining(
            sandbox, AFTERIMAGE_CRAWL_START="auto", AFTERIMAGE_DISCORD_TURNS_DIR=str(folder / "turns")
        )
        self.configure()

    def configure(self, **shards: str) -> None:
        for name in ("low", "high"):
            served = f'\n[discord]\nshards = "{shards[name]}"\n' if shards else ""
            (self.folder / f"{name}.toml").write_text(
                f'data_dir = "{name}"\n{served}\n[web]\nlisten = "127.0.0.1:0"\n', encoding="utf-8"
            )

    @asynccontextmanager
    async def running(self, *names: str) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            bots = [
                await stack.enter_async_context(child(self.folder, "run", "--config", f"{name}.toml", **self.settings))
                for name in names
            ]
            for bot in bots:
                await bot.says("connected as")
            yield
            for bot in bots:
                bot.send_signal(signal.SIGTERM)
            for bot in bots:
                assert await bot.ended() == 0, bot.said

    async def give(self, *words: str) -> Done:
        done = await asyncio.to_thread(give_command, self.folder, *words, **self.settings)
        assert done.returncode == 0, done.stderr
        return done

    async def status(self, name: str) -> Any:
        return json.loads((await self.give("status", "--json", "--config", f"{name}.toml")).stdout)

    async def embedded(self, name: str, count: int) -> None:
        async def there() -> bool:
            await asyncio.sleep(0.2)
            return bool((await self.status(name))["embeddings"] == count)

        await until(there)


async def found(sandbox: Sandbox, place: ShardedTown, shard: int) -> int:
    """How many pictures of the shard's server its member is shown."""
    reply = await sandbox.member(place.members[shard]).slash(
        place.channels[shard].id, "similar", {"text": "picture min:-1"}
    )
    return reply.text().count(f"/{place.guilds[shard].id}/{place.channels[shard].id}/")


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="five processes and 10 s: AFTERIMAGE_SOAK=1 runs it")
@pytest.mark.timeout(600)
async def test_one_process_becomes_two_without_a_download_and_each_takes_away_what_the_other_serves(
    tmp_path: Path,
) -> None:
    place = sharded_town(2)
    async with open_sandbox(place.world) as sandbox:
        steps = Steps(tmp_path, sandbox)
        async with steps.running("low"):
            await steps.embedded("low", 6)
            for shard in (0, 1):
                member = sandbox.member(place.members[shard])
                await member.slash(place.channels[shard].id, "saved add", {"name": "mine", "text": "picture"})
        fetched = cdn(sandbox)
        assert fetched == 6

        await steps.give("backup", "both.tar.zst", "--config", "low.toml")
        await steps.give("restore", "both.tar.zst", "--config", "high.toml")
        steps.configure(low="0/2", high="1/2")
        async with steps.running("low", "high"):
            for shard in (0, 1):
                assert await found(sandbox, place, shard) == 3
                reply = await sandbox.member(place.members[shard]).slash(place.channels[shard].id, "saved list")
                assert "mine" in reply.text()
            assert cdn(sandbox) == fetched  # nothing is downloaded again
            for shard in (0, 1):
                place.channels[shard].post(place.members[shard].user, "later", files=[noise(90 + shard)])
            await steps.embedded("low", 7)
            await steps.embedded("high", 7)

        for name, rests in (("low", 1), ("high", 0)):
            assert (await steps.status(name))["elsewhere"] == [str(place.guilds[rests].id)]
            said = (await steps.give("status", "--config", f"{name}.toml")).stdout
            assert f"`afterimage split` takes them away: Town {rests}" in said
            left = f"left/{name}"
            await steps.give("split", f"Town {rests}", left, "--config", f"{name}.toml", "--yes", "--quiet")
            assert (await steps.status(name))["elsewhere"] == []
        async with steps.running("low", "high"):
            for shard in (0, 1):
                assert await found(sandbox, place, shard) == 4
        for name in ("low", "high"):
            assert (await steps.status(name))["embeddings"] == 4


def cdn(sandbox: Sandbox) -> int:
    """How many files were fetched."""
    return sum(count for route, count in sandbox.record.counts.items() if route in ("GET /attachments", "GET /media"))
